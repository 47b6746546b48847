//! `footfall report [NAME]`: runs a report, or lists them all. What it prints goes to standard output; nothing is changed.

use std::io::Write;

use clap::ValueEnum;

use super::{Common, Error, Exit};
use crate::report::{self, RawReportRequest, Reports, catalogue, table};
use crate::store::Client;

/// Show a report; without a name, list them.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the report; without it, all are listed.
    name: Option<String>,
    /// Site id; may be left out where one site is configured.
    #[arg(long, short)]
    site: Option<String>,
    /// First day: a date (2026-11-22), or today, yesterday, 7d, 30d, week, month, year [default: 7 days ending with the last].
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day, itself included: a date or one of the words [default: today].
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Only what this holds for: COLUMN=VALUE, !=, ~ (contains), !~, <, <=, >, >=; A|B means either; repeat for more.
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// What to break the report down by: `hour` for timeseries, `page` for speed, …
    #[arg(long)]
    by: Option<String>,
    /// Most rows [default: 20].
    #[arg(long, value_name = "ROWS")]
    limit: Option<String>,
    /// Count bots too.
    #[arg(long)]
    bots: bool,
    /// Fold rows of fewer visitors than this; 1 shows every row, which tells of single people.
    #[arg(long, value_name = "VISITORS", default_value_t = report::K)]
    k: u32,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print the query instead of running it.
    #[arg(long)]
    sql: bool,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For machines: one object.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Runs the command.
///
/// # Errors
/// With exit code 2 when the request makes no sense, 1 when the store does not answer.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    let Some(name) = &arguments.name else {
        return print(&table::catalogue(catalogue::all(), table::width()));
    };
    let config = common.load()?;
    let sites: Vec<&str> = config.sites.iter().map(|site| &*site.id).collect();
    let usage = |error| Error::new(Exit::Usage, error);
    let reports = Reports::new(Client::reading(&config), config.timezone.clone(), &sites)
        .map_err(|error| Error::new(Exit::Configuration, error))?
        .with_k(arguments.k);
    let ask = reports.parse(&raw(&arguments, name)).map_err(usage)?;
    if arguments.sql {
        let (sql, parameters) = reports.query(&ask);
        let values: String =
            parameters.iter().map(|(name, value)| format!("-- {name} = {value:?}\n")).collect();
        return print(&format!("{values}{sql}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(reports.run(ask))?;
    match arguments.format {
        Format::Table => print(&table::render(&answer, table::width())),
        Format::Json => print(&format!("{:#}\n", answer.json())),
        Format::Csv => print(&answer.csv()),
    }
}

fn raw(arguments: &Arguments, name: &str) -> RawReportRequest {
    RawReportRequest {
        report: name.to_owned(),
        site: arguments.site.clone(),
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        filters: arguments.filter.clone(),
        by: arguments.by.clone(),
        limit: arguments.limit.clone(),
        bots: arguments.bots,
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Error> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
