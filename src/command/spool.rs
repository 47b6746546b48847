//! `footfall spool status`: what lies in the spool's directory, whether a collector runs there or not.

use std::io::Write;

use clap::{Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};

use super::{Common, Error};
use crate::spool::{Inventory, SegmentState, inspect};

/// Look at the spool.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the segments that wait to be shipped and those that were set aside. Changes nothing.
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// How a command prints its answer.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For machines.
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the directory cannot be read.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    let config = common.load()?;
    let Action::Status { format } = arguments.action;
    let inventory = inspect(&config.data.join(crate::spool::DIRECTORY))?;
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&inventory)?)?,
        Format::Table => print(&inventory, &mut out)?,
    }
    Ok(())
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
    for aside in &inventory.aside {
        let events =
            aside.events.map_or_else(|| "unreadable".to_owned(), |events| format!("{events} events"));
        writeln!(out, "set aside: {}, {events}, {} bytes: {}", aside.name, aside.bytes, aside.reason)?;
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
            segment.name.clone(),
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
