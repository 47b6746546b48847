//! `footfall scrub`: proposes path templates, shows what they change in stored events, and changes it.

use std::io::Write;
use std::sync::Arc;

use clap::{ArgGroup, Subcommand};
use comfy_table::{CellAlignment, Table, presets};

use crate::app::{Exit, ExitError, audit};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::config::{Config, PathTemplate, Site};
use crate::store::Client;
use crate::store::history::{self, HistoryChange, Suggestion};

/// Examples of changed paths that are shown.
const EXAMPLES: u64 = 20;

#[derive(Debug, clap::Args)]
#[command(subcommand_negates_reqs = true, group = ArgGroup::new("action").required(true))]
pub(crate) struct ScrubArguments {
    #[command(subcommand)]
    command: Option<ScrubCommand>,
    /// Show what the path templates of the configuration would change in stored events. Changes nothing.
    #[arg(long, group = "action")]
    dry_run: bool,
    /// Change stored events by the path templates of the configuration. If it is interrupted, run it again.
    #[arg(long, group = "action")]
    apply: bool,
    /// The site [default: every site].
    #[arg(long)]
    site: Option<String>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Subcommand)]
enum ScrubCommand {
    /// Propose path templates from segments of stored paths that have many values, each for few visitors. Changes nothing.
    Suggest {
        /// The site [default: every site].
        #[arg(long)]
        site: Option<String>,
        /// Days to look at, up to today.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
}

/// # Errors
/// With exit code 2 when there is no such site, 1 when the store does not answer or refuses.
pub(crate) fn run(arguments: ScrubArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.command {
        Some(ScrubCommand::Suggest { .. }) if arguments.apply || arguments.dry_run => Err(ExitError::new(
            Exit::Usage,
            "`suggest` changes nothing: it takes neither --dry-run nor --apply",
        )),
        Some(ScrubCommand::Suggest { site, days, format }) => {
            let client = Client::writing(&config)?;
            for site in sites(&config, site.or(arguments.site).as_deref())? {
                let suggestions = runtime.block_on(history::suggest(&client, &site.id, days))?;
                print_suggestions(&site, &suggestions, format)?;
            }
            Ok(())
        }
        None => {
            let client = Client::writing(&config)?;
            for site in sites(&config, arguments.site.as_deref())? {
                let change = if arguments.apply {
                    let progress = |month, events| {
                        let _ = writeln!(
                            std::io::stderr(),
                            "site {}, {}: {events} events changed",
                            site.id,
                            shown(month)
                        );
                    };
                    let record = |month, events| record(&config, &site, month, events);
                    runtime.block_on(history::apply(&client, &site, record, progress))?
                } else {
                    runtime.block_on(history::preview(&client, &site, EXAMPLES))?
                };
                print_change(&site, &change, &arguments)?;
            }
            Ok(())
        }
    }
}

/// Leaves a row for the audit: this month's paths are replaced now.
fn record(config: &Config, site: &Site, month: u32, events: u64) -> std::io::Result<()> {
    let paths: Vec<&str> = site.paths.0.iter().map(PathTemplate::as_str).collect();
    let detail = serde_json::json!({ "site": &*site.id, "month": month, "events": events, "paths": paths });
    audit::keep_for_collector(&config.data, "paths replaced", detail)
}

fn sites(config: &Config, named: Option<&str>) -> Result<Vec<Arc<Site>>, ExitError> {
    match named {
        None => Ok(config.sites.ids().iter().filter_map(|id| config.sites.get(id)).cloned().collect()),
        Some(id) => match config.sites.get(id) {
            Some(site) => Ok(vec![site.clone()]),
            None => Err(ExitError::new(Exit::Usage, format!("the configuration has no site {id:?}"))),
        },
    }
}

fn print_suggestions(site: &Site, suggestions: &[Suggestion], format: OutputFormat) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if matches!(format, OutputFormat::Json) {
        let answer = serde_json::json!({ "site": &*site.id, "suggestions": suggestions });
        return writeln!(out, "{answer}");
    }
    if suggestions.is_empty() {
        return writeln!(out, "site {}: no segment has many values that few visitors share", site.id);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["template", "paths", "views"]);
    for Suggestion { template, paths, views } in suggestions {
        let paths = if *paths == 0 { "stays".to_owned() } else { paths.to_string() };
        table.add_row([template.clone(), paths, views.to_string()]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let list: Vec<String> =
        suggestions.iter().map(|suggestion| format!("{:?}", suggestion.template)).collect();
    writeln!(out, "site {}\n{table}", site.id)?;
    writeln!(
        out,
        "Look through them, and put those that stand for people into the site's settings, the more exact ones first:"
    )?;
    writeln!(out, "paths = [{}]", list.join(", "))
}

fn print_change(site: &Site, change: &HistoryChange, arguments: &ScrubArguments) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if matches!(arguments.format, OutputFormat::Json) {
        let months: Vec<_> =
            change.months.iter().map(|(month, events)| serde_json::json!([month, events])).collect();
        let answer = serde_json::json!({
            "site": &*site.id,
            "applied": arguments.apply,
            "events": change.events,
            "months": months,
            "days": change.days,
            "interrupted": change.is_interrupted,
            "examples": change.examples,
        });
        return writeln!(out, "{answer}");
    }
    match (change.is_interrupted, arguments.apply) {
        (true, true) => writeln!(out, "an earlier change that was interrupted is completed")?,
        (true, false) => {
            writeln!(out, "an earlier change was interrupted: `footfall scrub --apply` completes it")?
        }
        (false, _) => {}
    }
    if site.paths.0.is_empty() {
        return writeln!(out, "site {}: no path templates are configured (`paths`)", site.id);
    }
    let (verb, days) = if arguments.apply {
        ("changed", "are computed again")
    } else {
        ("would change", "would be computed again")
    };
    writeln!(out, "site {}: {} events {verb}, {} days {days}", site.id, change.events, change.days)?;
    if !arguments.apply {
        for (month, events) in &change.months {
            writeln!(out, "  {}: {events} events", shown(*month))?;
        }
    }
    for example in &change.examples {
        writeln!(
            out,
            "  {} {} -> {} ({} events)",
            example.column, example.before, example.after, example.events
        )?;
    }
    if arguments.apply && change.days > 0 {
        writeln!(
            out,
            "A collector computes the days within minutes. Until then reports show their old figures."
        )?;
    }
    Ok(())
}

/// A month such as 202611 as 2026-11.
fn shown(month: u32) -> String {
    format!("{}-{:02}", month / 100, month % 100)
}
