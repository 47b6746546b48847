//! `footfall migrate`: creates or updates the store's tables on each node, or prints what it would do.

use std::io::Write;

use crate::app::{Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::store::Client;
use crate::store::schema::{self, Migrated};

#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArguments {
    /// Print the statements of a new database instead of running them. On a cluster, each node needs all of them.
    #[arg(long, conflicts_with = "plan")]
    print: bool,
    /// Print what would be done on which node, and do nothing.
    #[arg(long)]
    plan: bool,
}

/// # Errors
/// When the configuration is wrong, the store cannot be reached or refuses, or its tables differ from the files. With [`Exit::Incomplete`] when nodes
/// of a cluster were left out.
pub(crate) fn run(arguments: MigrateArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let mut out = std::io::stdout().lock();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.print {
        for statement in runtime.block_on(schema::print(&Client::new(&config.store)))? {
            writeln!(out, "-- {}\n{};\n", statement.file, statement.sql)?;
        }
        return Ok(());
    }
    let client = Client::writing(&config)?;
    let (lines, left_out) = if arguments.plan {
        let (mut lines, left_out) = runtime.block_on(schema::plan(&client, &config.timezone))?;
        if lines.is_empty() {
            lines.push("nothing is to be done".to_owned());
        }
        (lines, left_out)
    } else {
        let migrated = runtime.block_on(schema::repair(&client, &config.timezone))?;
        (lines(&migrated, client.database()), migrated.left_out)
    };
    for line in lines {
        writeln!(out, "{line}")?;
    }
    if left_out.is_empty() {
        return Ok(());
    }
    let left_out: Vec<_> = left_out.iter().map(|node| format!("  {node}")).collect();
    let error =
        format!("nodes were left out; repeat `footfall migrate` when they answer\n{}", left_out.join("\n"));
    Err(ExitError::new(Exit::Incomplete, error))
}

fn lines(migrated: &Migrated, database: &str) -> Vec<String> {
    let mut lines: Vec<_> =
        migrated.now.iter().map(|file| format!("applied sql/schema/{file}.sql")).collect();
    lines.extend(migrated.repaired.iter().chain(&migrated.unnamed).cloned());
    lines.push(format!(
        "database {database}: {} applied now, {} before",
        migrated.now.len(),
        migrated.before
    ));
    lines
}
