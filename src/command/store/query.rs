//! `footfall query SQL`: runs a read-only query. The answer is printed as it arrives and is never held in memory.

use std::io::{IsTerminal, Write};

use crate::app::{Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::store::Client;

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArguments {
    /// The query; `-` reads it from standard input.
    sql: String,
    /// The value of a `{name:Type}` parameter; repeat for more.
    #[arg(long, short, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// The format: table, json (one object a line), csv, or any format of ClickHouse [default: table].
    #[arg(long)]
    format: Option<String>,
}

/// # Errors
/// With exit code 2 when a parameter is not NAME=VALUE, 1 when the store does not answer or refuses.
pub(crate) fn run(arguments: QueryArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let sql = match arguments.sql.as_str() {
        "-" => std::io::read_to_string(std::io::stdin().lock())?,
        sql => sql.to_owned(),
    };
    let mut query = Client::reading(&config).query(sql.trim_end().trim_end_matches(';'));
    for parameter in &arguments.param {
        let (name, value) = parameter.split_once('=').ok_or_else(|| {
            ExitError::new(Exit::Usage, format!("parameter {parameter:?} is not NAME=VALUE"))
        })?;
        query = query.param(name, value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(stream(query, clickhouse_format(arguments.format.as_deref())))
}

async fn stream(query: clickhouse::query::Query, format: &str) -> Result<(), ExitError> {
    let mut answer = query.fetch_bytes(format)?;
    let mut out = std::io::stdout().lock();
    while let Some(bytes) = answer.next().await? {
        // When the reader closes the pipe, dropping the answer ends the query.
        out.write_all(&bytes)?;
    }
    out.flush()?;
    Ok(())
}

fn clickhouse_format(given: Option<&str>) -> &str {
    match given {
        None | Some("table") if std::io::stdout().is_terminal() => "PrettyCompactMonoBlock",
        None | Some("table") => "PrettyCompactNoEscapesMonoBlock",
        Some("json") => "JSONEachRow",
        Some("csv") => "CSVWithNames",
        Some(other) => other,
    }
}
