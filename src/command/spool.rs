//! `footfall spool`: shows the spool's directory, and retries or discards quarantined segments. A collector may run meanwhile.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};

use crate::app::{Exit, ExitError};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::event::DropReason;
use crate::spool::{
    DiscardOutcome, ExaminedSegment, Inventory, RequeueOutcome, SegmentId, SegmentState, discard, examine,
    inspect, requeue,
};
use crate::store::dates::day_date;

#[derive(Debug, clap::Args)]
pub(crate) struct SpoolArguments {
    #[command(subcommand)]
    command: SpoolCommand,
}

#[derive(Debug, Subcommand)]
enum SpoolCommand {
    /// List the segments that wait to be shipped and the quarantined ones. Changes nothing.
    #[command(visible_alias = "list")]
    Status {
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Show the contents of a segment and its damage. Changes nothing.
    Show {
        /// The segment's name.
        #[arg(value_parser = name)]
        name: SegmentId,
        /// Print its rows too. They contain visitors' data.
        #[arg(long)]
        rows: bool,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Put a quarantined segment back to be shipped; of a damaged one, its whole frames.
    Requeue {
        /// The segment's name.
        #[arg(value_parser = name, required_unless_present = "all")]
        name: Option<SegmentId>,
        /// Requeue every quarantined segment.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Delete a quarantined segment for good, or acknowledge that a segment is lost.
    Discard {
        /// The segment's name.
        #[arg(value_parser = name)]
        name: SegmentId,
        /// The reason, for the audit.
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

fn name(text: &str) -> Result<SegmentId, String> {
    let bare = text.strip_suffix(".segment").unwrap_or(text);
    SegmentId::parse(bare)
        .ok_or_else(|| "a segment's name is 16 hexadecimal digits, `-` and 10 digits".to_owned())
}

/// # Errors
/// When the directory cannot be read, there is no such segment, or the disk fails.
pub(crate) fn run(arguments: SpoolArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let directory = config.data.join(crate::spool::DIRECTORY);
    let mut out = std::io::stdout().lock();
    match arguments.command {
        SpoolCommand::Status { format } => {
            let inventory = inspect(&directory)?;
            match format {
                OutputFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&inventory)?)?,
                OutputFormat::Table => print(&inventory, &mut out)?,
            }
        }
        SpoolCommand::Show { name, rows, format } => {
            let found = examine(&directory, name, rows)?;
            match format {
                OutputFormat::Json => writeln!(out, "{:#}", json(&found)?)?,
                OutputFormat::Table => show(&found, &mut out)?,
            }
        }
        SpoolCommand::Requeue { name, .. } => {
            let names = match name {
                Some(name) => vec![name],
                None => inspect(&directory)?
                    .quarantined
                    .iter()
                    .filter_map(|it| SegmentId::parse(&it.id))
                    .collect(),
            };
            requeue_all(&directory, &names, &mut out)?;
        }
        SpoolCommand::Discard { name, reason, yes } => {
            if !yes && !confirmed(name, &mut out)? {
                return Err(ExitError::new(Exit::Usage, "nothing was discarded: answer yes, or give --yes"));
            }
            discarded(name, &discard(&directory, name, &reason)?, &mut out)?;
        }
    }
    Ok(())
}

fn discarded(name: SegmentId, what: &DiscardOutcome, out: &mut impl Write) -> std::io::Result<()> {
    let (events, audit) = match what {
        DiscardOutcome::Copy => {
            return writeln!(out, "the copy of segment {name} is deleted; the segment is not");
        }
        DiscardOutcome::Segment { events, audit } => (events, audit),
    };
    match events {
        Some(events) => writeln!(out, "segment {name} is discarded, and {events} events with it")?,
        None => writeln!(out, "segment {name} is discarded; what it held is not known")?,
    }
    match audit {
        Some((segment, rows)) => {
            writeln!(out, "its {rows} audit rows are not: they will be shipped as segment {segment}")
        }
        None => Ok(()),
    }
}

fn requeue_all(directory: &Path, names: &[SegmentId], out: &mut impl Write) -> Result<(), ExitError> {
    let mut failed = 0;
    for &name in names {
        match requeue(directory, name) {
            Ok(RequeueOutcome::Whole) => writeln!(out, "segment {name} will be shipped")?,
            Ok(RequeueOutcome::Salvaged { segment, events, lost }) => {
                let lost = lost.map_or_else(|| "nobody knows how many".to_owned(), |lost| lost.to_string());
                writeln!(
                    out,
                    "segment {name} is damaged: its whole frames, {events} events, will be shipped as segment {segment}; the rest stays in quarantine, events lost: {lost}"
                )?;
            }
            Err(error) => {
                failed += 1;
                writeln!(out, "segment {name} stays in quarantine: {error}")?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(ExitError::new(
            Exit::Failed,
            format!("{failed} of {} segments stay in quarantine", names.len()),
        )),
    }
}

/// Asks on a terminal. Without a terminal the answer is no.
fn confirmed(name: SegmentId, out: &mut impl Write) -> std::io::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    write!(out, "delete segment {name} for good? [yes/no] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn show(found: &ExaminedSegment, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}: {} bytes in {}", found.id, found.bytes, found.file.display())?;
    if !found.reason.is_empty() {
        writeln!(out, "quarantined: {}", found.reason)?;
    }
    if let Some(reason) = &found.unreadable {
        return writeln!(out, "unreadable: {reason}");
    }
    let begun = jiff::Timestamp::from_millisecond(found.created).map(|time| format!("{time:.0}"));
    let sealed = if found.sealed { "sealed" } else { "not sealed" };
    writeln!(out, "begun {}, {sealed}", begun.unwrap_or_default())?;
    writeln!(out, "{} events and {} audit rows in {} whole frames", found.events, found.audit, found.frames)?;
    for columns in &found.columns {
        writeln!(out, "columns of {}: {}", columns.rows, columns.columns)?;
    }
    for damage in &found.damage {
        let resumes = damage.resumes.map_or_else(
            || "none comes behind it".to_owned(),
            |byte| format!("the next one begins at byte {byte}"),
        );
        let before = damage.frames_before;
        writeln!(out, "damaged at byte {}: {before} whole frames before it, {resumes}", damage.byte)?;
    }
    let mut table = Table::new();
    let header = ["day", "site", "events"].into_iter().chain(DropReason::ALL.map(DropReason::name));
    table.load_style(presets::NOTHING).set_header(header);
    let mut books: Vec<_> = found.counts.iter().collect();
    books.sort_by_key(|(site, count)| (count.day, *site));
    for (site, count) in books {
        let numbers = std::iter::once(count.stored).chain(count.dropped).map(|number| number.to_string());
        table.add_row([day_date(count.day).to_string(), site.to_owned()].into_iter().chain(numbers));
    }
    writeln!(out, "{table}")?;
    found.rows.iter().try_for_each(|row| writeln!(out, "{row}"))
}

fn json(found: &ExaminedSegment) -> Result<serde_json::Value, serde_json::Error> {
    let mut json = serde_json::to_value(found)?;
    let line = |(site, count): (&str, &crate::spool::DayCounts)| {
        let dropped: serde_json::Map<_, _> = DropReason::ALL
            .into_iter()
            .map(|reason| (reason.name().to_owned(), count.dropped[reason as usize].into()))
            .collect();
        serde_json::json!({"day": day_date(count.day).to_string(), "site": site, "events": count.stored, "dropped": dropped})
    };
    json["counts"] = found.counts.iter().map(line).collect();
    Ok(json)
}

fn print(inventory: &Inventory, out: &mut impl Write) -> std::io::Result<()> {
    let events: u64 = inventory.segments.iter().map(|segment| segment.events).sum();
    let bytes: u64 = inventory.segments.iter().map(|segment| segment.bytes).sum();
    let state = if inventory.in_use { "a collector works here" } else { "no collector works here" };
    writeln!(out, "{}: {state}", inventory.directory.display())?;
    writeln!(out, "{events} events wait in {} segments, {bytes} bytes", inventory.segments.len())?;
    if !inventory.segments.is_empty() {
        writeln!(out, "{}", segments(inventory))?;
    }
    for segment in &inventory.quarantined {
        let events =
            segment.events.map_or_else(|| "unreadable".to_owned(), |events| format!("{events} events"));
        writeln!(out, "quarantined: {}, {events}, {} bytes: {}", segment.id, segment.bytes, segment.reason)?;
    }
    for left in &inventory.leftovers {
        let (name, file, bytes) = (&left.id, &left.file, left.bytes);
        writeln!(out, "left: quarantine/{file}, {bytes} bytes, until `footfall spool discard {name}`")?;
    }
    Ok(())
}

fn segments(inventory: &Inventory) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["segment", "state", "events", "audit", "bytes", "begun"]);
    for segment in &inventory.segments {
        let state = match segment.state {
            SegmentState::Open => "open",
            SegmentState::Sealed => "sealed",
            SegmentState::Damaged => "damaged",
        };
        let begun = jiff::Timestamp::from_millisecond(segment.created).map(|time| format!("{time:.0}"));
        table.add_row([
            segment.id.clone(),
            state.to_owned(),
            segment.events.to_string(),
            segment.audit.to_string(),
            segment.bytes.to_string(),
            begun.unwrap_or_default(),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
