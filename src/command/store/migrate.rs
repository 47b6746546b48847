//! `footfall migrate`: creates or updates the store's tables, or prints the statements.

use std::io::Write;

use crate::app::ExitError;
use crate::command::arguments::CommonArguments;
use crate::store::{Client, schema};

#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArguments {
    /// Print the statements instead of running them; with `cluster` set they are `ON CLUSTER`.
    #[arg(long)]
    print: bool,
}

/// # Errors
/// When the configuration is wrong, the store cannot be reached or refuses, or its tables differ from the files.
pub(crate) fn run(arguments: MigrateArguments, common: &CommonArguments) -> Result<(), ExitError> {
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
