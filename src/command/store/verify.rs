//! `footfall verify`: compares what was received with what is stored, spooled, quarantined or dropped.

use std::io::Write;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use jiff::civil::Date;

use crate::app::{Exit, ExitError};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::event::DropReason;
use crate::spool::{DIRECTORY, today};
use crate::store::Client;
use crate::store::dates::{day_date, day_number};
use crate::store::reconcile::{DaySite, Discrepancy, ReconciledCounts, Reconciliation};

/// A segment that is being shipped may be counted twice or not at all, so a discrepancy is checked again.
const TRIES: u32 = 4;
/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(700);

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArguments {
    /// The first day of receipt, UTC [default: the first with events].
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// The last day of receipt, UTC [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// # Errors
/// With exit code 4 when the counts do not match, 1 when the store or the spool cannot be read.
pub(crate) fn run(arguments: VerifyArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let client = Client::writing(&config)?;
    let directory = config.data.join(DIRECTORY);
    let first = arguments.from.map(number).transpose()?.unwrap_or(0);
    // Another collector's clock may be ahead.
    let last = arguments.to.map(number).transpose()?.unwrap_or(today().saturating_add(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reconciliation = Reconciliation::default();
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        reconciliation = runtime.block_on(Reconciliation::read(&client, &directory, first..=last))?;
        if reconciliation.is_reconciled() {
            break;
        }
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        OutputFormat::Json => print_json(&reconciliation, &mut out)?,
        OutputFormat::Table => print(&reconciliation, &mut out)?,
    }
    if reconciliation.is_reconciled() {
        return Ok(());
    }
    let (discrepancies, unreadable) = (reconciliation.discrepancies.len(), reconciliation.unreadable.len());
    Err(ExitError::new(
        Exit::Discrepancy,
        format!("the counts do not match: {discrepancies} discrepancies, {unreadable} unreadable segments"),
    ))
}

fn print(reconciliation: &Reconciliation, out: &mut impl Write) -> std::io::Result<()> {
    let mut table = Table::new();
    let dropped = DropReason::ALL.map(DropReason::name);
    let header = ["day", "site", "received", "stored", "spooled", "quarantined", "discarded", "lost"];
    table.load_style(presets::NOTHING);
    table.set_header(header.into_iter().chain(dropped).chain(["removed", "expired", "result"]));
    for ((day, site), line) in &reconciliation.days {
        let numbers =
            [line.received(), line.stored, line.spooled, line.quarantined, line.discarded, line.lost];
        let numbers = numbers.into_iter().chain(line.dropped).chain([line.removed, line.expired]);
        let texts = [day_date(*day).to_string(), site.clone()].into_iter();
        table.add_row(texts.chain(numbers.map(|number| number.to_string())).chain([verdict(line)]));
    }
    for column in table.column_iter_mut().skip(2).take(8 + dropped.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    for discrepancy in &reconciliation.discrepancies {
        writeln!(out, "{discrepancy}")?;
    }
    for name in &reconciliation.unreadable {
        writeln!(out, "segment {name} cannot be read: its events are not counted above")?;
    }
    if reconciliation.is_reconciled() {
        writeln!(out, "every acknowledged event is accounted for")?;
    }
    Ok(())
}

fn verdict(line: &ReconciledCounts) -> String {
    match (line.missing, line.surplus) {
        (0, 0) => "right".to_owned(),
        (0, surplus) => format!("{surplus} too many"),
        (missing, 0) => format!("{missing} missing"),
        (missing, surplus) => format!("{missing} missing, {surplus} too many"),
    }
}

fn print_json(reconciliation: &Reconciliation, out: &mut impl Write) -> std::io::Result<()> {
    let days: Vec<_> = reconciliation.days.iter().map(|(key, line)| json(key, line)).collect();
    let answer = serde_json::json!({
        "reconciled": reconciliation.is_reconciled(),
        "days": days,
        "discrepancies": reconciliation.discrepancies.iter().map(finding).collect::<Vec<_>>(),
        "unreadable": reconciliation.unreadable,
    });
    writeln!(out, "{answer:#}")
}

/// A finding's parts, and its sentence.
fn finding(finding: &Discrepancy) -> serde_json::Value {
    let mut json = serde_json::to_value(finding).unwrap_or_default();
    json["message"] = finding.to_string().into();
    json
}

fn json((day, site): &DaySite, line: &ReconciledCounts) -> serde_json::Value {
    let dropped: serde_json::Map<_, _> = DropReason::ALL
        .into_iter()
        .map(|reason| (reason.name().to_owned(), line.dropped[reason as usize].into()))
        .collect();
    serde_json::json!({
        "day": day_date(*day).to_string(),
        "site": site,
        "received": line.received(),
        "stored": line.stored,
        "spooled": line.spooled,
        "quarantined": line.quarantined,
        "discarded": line.discarded,
        "lost": line.lost,
        "dropped": dropped,
        "removed": line.removed,
        "expired": line.expired,
        "missing": line.missing,
        "surplus": line.surplus,
    })
}

/// Days since 1970-01-01.
fn number(date: Date) -> Result<u16, ExitError> {
    day_number(date).ok_or_else(|| ExitError::new(Exit::Usage, format!("{date} is not from 1970 to 2149")))
}
