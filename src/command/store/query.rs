//! `footfall query SQL`: runs read-only queries. The answers are printed as they arrive and are never held in memory.

use std::io::{IsTerminal, Write};

use crate::app::{Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::command::usage::{self, READER};
use crate::store::{Client, sql};

/// Letters of a statement that the audit gets: enough to see what was read.
const RECORDED_LETTERS: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArguments {
    /// One query or several, separated by semicolons, also `SET name = value`; `-` reads them from standard input.
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
    let text = match arguments.sql.as_str() {
        "-" => std::io::read_to_string(std::io::stdin().lock())?,
        sql => sql.to_owned(),
    };
    let parameters = arguments.param.iter().map(|parameter| {
        let wrong = || ExitError::new(Exit::Usage, format!("parameter {parameter:?} is not NAME=VALUE"));
        parameter.split_once('=').ok_or_else(wrong)
    });
    let parameters: Vec<(&str, &str)> = parameters.collect::<Result<_, _>>()?;
    let client = Client::reading(&config);
    let format = clickhouse_format(arguments.format.as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // `SET` applies to the statements after it, as in ClickHouse's own client. Each statement is a request of its own.
    let mut settings = Vec::new();
    let statements = sql::script(&text);
    if statements.is_empty() {
        return Err(ExitError::new(Exit::Usage, "the input has no query"));
    }
    let recorded: String = text.chars().take(RECORDED_LETTERS).collect();
    usage::record(&config, serde_json::json!({ "by": READER, "statement": recorded }));
    for statement in statements {
        match sql::settings(statement) {
            // It would take the place of the setting by which a server refuses changes.
            Some(set) if set.iter().any(|(name, _)| name == "readonly") => {
                return Err(ExitError::new(Exit::Usage, "queries are read-only: `readonly` cannot be set"));
            }
            Some(set) => settings.extend(set),
            None => {
                let query = parameters
                    .iter()
                    .fold(client.query(statement), |query, (name, value)| query.param(name, value));
                let query = settings
                    .iter()
                    .fold(query, |query, (name, value): &(String, String)| query.with_setting(name, value));
                runtime.block_on(stream(query, format))?;
            }
        }
    }
    Ok(())
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
