//! `footfall migrate`: brings the store's tables up to date, or prints the statements for someone else to run.

use std::io::Write;

use super::{Common, Error};
use crate::store::{Client, schema};

/// What to do with the tables.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the statements instead of running them; with `cluster` set they are `ON CLUSTER`.
    #[arg(long)]
    print: bool,
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, and when the store cannot be reached, refuses, or drifted from the files.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    let config = common.load()?;
    let mut out = std::io::stdout().lock();
    if arguments.print {
        let client = Client::new(&config.store);
        for statement in schema::print(client.database(), client.cluster()) {
            writeln!(out, "-- {}\n{};\n", statement.file, statement.sql)?;
        }
        return Ok(());
    }
    let client = Client::writing(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(schema::migrate(&client, &config.timezone))?;
    for file in &applied.now {
        writeln!(out, "applied sql/schema/{file}.sql")?;
    }
    writeln!(
        out,
        "database {}: {} applied now, {} before",
        client.database(),
        applied.now.len(),
        applied.before
    )?;
    Ok(())
}
