//! `footfall retention --dry-run`: what will be removed, and when. The collector and the store enforce the retention by themselves.

use std::io::Write;

use comfy_table::{Table, presets};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::app::ExitError;
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::config::{Config, Retention};
use crate::store::Client;
use crate::store::dates::day_date;
use crate::store::retention::{ExpiringEvents, RetentionStore};

#[derive(Debug, clap::Args)]
pub(crate) struct RetentionArguments {
    /// Show what will be removed and when, by site and day of receipt. Nothing is changed.
    #[arg(long, required = true)]
    dry_run: bool,
    /// Show one site [default: all].
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// # Errors
/// When the store does not answer.
pub(crate) fn run(arguments: RetentionArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let store = RetentionStore::new(Client::reading(&config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = runtime.block_on(store.expiring())?;
    rows.retain(|row| arguments.site.as_ref().is_none_or(|site| *site == row.site));
    let mut out = std::io::stdout().lock();
    if matches!(arguments.format, OutputFormat::Json) {
        let row = |row: &ExpiringEvents| json!({ "site": row.site, "received": day_date(row.day).to_string(), "events": row.events, "removed": removed(&config, row) });
        writeln!(out, "{:#}", json!({ "removals": rows.iter().map(row).collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["site", "received", "events", "removed"]);
    for row in &rows {
        table.add_row([
            row.site.clone(),
            day_date(row.day).to_string(),
            row.events.to_string(),
            removed(&config, row),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// When the first of these events is removed.
fn removed(config: &Config, row: &ExpiringEvents) -> String {
    if let Some(Retention::Hours(hours)) = config.sites.get(&row.site).map(|site| site.retention) {
        let first = Timestamp::from_second(row.first.into()).unwrap_or_default();
        let from = first + SignedDuration::from_hours(hours.into());
        return format!("from {} on, hour by hour", from.strftime("%Y-%m-%d %H:00 UTC"));
    }
    match row.expires {
        u16::MAX => "never".to_owned(),
        _ => row.removed_on().to_string(),
    }
}
