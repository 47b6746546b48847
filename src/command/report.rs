//! `footfall report [NAME]`: prints a report, or lists all reports.

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use crate::app::{Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::command::usage::{self, READER};
use crate::report::{self, Note, RawReportRequest, Reports, catalogue, table};
use crate::store::days::OpenDays;
use crate::store::{Client, sql};

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    /// The name of the report; without it, all reports are listed.
    name: Option<String>,
    /// The site's id; not needed when one site is configured.
    #[arg(long, short)]
    site: Option<String>,
    /// The first day: a date (2026-11-22), or today, yesterday, 7d, 30d, week, month, year [default: six days before the last].
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day, included: a date or one of these words [default: today].
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// A condition: COLUMN=VALUE, !=, ~ (contains), !~, <, <=, >, >=; A|B means either; repeat for more.
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// The dimension to break the report down by: `hour` for timeseries, `page` for speed, …
    #[arg(long)]
    by: Option<String>,
    /// The largest number of rows [default: 20].
    #[arg(long, value_name = "ROWS")]
    limit: Option<String>,
    /// What to compare the period with: `previous` (as many days before it), `year` (the same dates a year earlier) or `weekdays` (the same days of the
    /// week before) [default: previous].
    #[arg(long, value_name = "PERIOD")]
    compare: Option<String>,
    /// The only goal to show, for the report `goals`.
    #[arg(long, value_name = "NAME")]
    goal: Option<String>,
    /// The funnel to show, for the report `funnel`; not needed when the site has one.
    #[arg(long, value_name = "NAME")]
    funnel: Option<String>,
    /// Include bots.
    #[arg(long)]
    bots: bool,
    /// Merge rows with fewer visitors than this; 1 shows every row, also those of single people.
    #[arg(long, value_name = "VISITORS", default_value_t = report::K)]
    k: u32,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// Begin CSV with a byte-order mark, so that Excel reads it as UTF-8.
    #[arg(long)]
    bom: bool,
    /// Show what a viewer sees: published figures.
    #[arg(long)]
    viewer: bool,
    /// Print the query with its parameters instead of running it, for `footfall query -`.
    #[arg(long)]
    sql: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    Table,
    /// For programs: one object.
    Json,
    /// For spreadsheets.
    Csv,
}

/// How long a report waits until today is computed.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// # Errors
/// With exit code 2 when the arguments are wrong, 1 when the store does not answer.
pub(crate) fn run(arguments: ReportArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let Some(name) = &arguments.name else {
        return print(&table::catalogue(catalogue::all(), table::width()));
    };
    let config = common.load()?;
    let usage = |error| ExitError::new(Exit::Usage, error);
    let reports = Reports::new(Client::reading(&config), config.timezone.clone(), &config.sites.ids())
        .map_err(|error| ExitError::new(Exit::Configuration, error))?
        .with_goals_of(&config.sites)
        .with_k(arguments.k);
    // A user who may not write to the store reads the figures that were computed last. The computation would end with this process.
    let writer = Client::writing(&config).ok();
    let open_days = writer.and_then(|client| OpenDays::new(client, config.timezone.clone()).ok());
    let open_days = open_days.map(|open_days| open_days.with_longest_wait(LONGEST_WAIT));
    let mut reports = open_days.into_iter().fold(reports, Reports::with_open_days);
    if arguments.viewer {
        reports = reports.protected();
    }
    let request = reports.parse(&raw(&arguments, name)).map_err(usage)?;
    if arguments.sql {
        let (text, parameters) = reports.query(&request);
        let values: String =
            parameters.iter().map(|(name, value)| format!("{}\n", sql::set_parameter(name, value))).collect();
        let title = "-- For `footfall query -`, or `clickhouse-client --multiquery`.";
        return print(&format!("{title}\n{values}{};\n", text.trim_end()));
    }
    if !arguments.viewer
        && let Some(detail) = report::usage_detail(READER, std::slice::from_ref(&request))
    {
        usage::record(&config, detail);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut answer = runtime.block_on(reports.run(request))?;
    if arguments.k > 1 && answer.has_folded_rows() {
        answer.notes.push(Note::FoldedUnlessK);
    }
    match arguments.format {
        ReportFormat::Table => print(&table::render(&answer, table::width())),
        ReportFormat::Json => print(&format!("{:#}\n", answer.json())),
        ReportFormat::Csv => print(&answer.csv(arguments.bom)),
    }
}

fn raw(arguments: &ReportArguments, name: &str) -> RawReportRequest {
    RawReportRequest {
        report: name.to_owned(),
        site: arguments.site.clone(),
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        filters: arguments.filter.clone(),
        by: arguments.by.clone(),
        limit: arguments.limit.clone(),
        compare: arguments.compare.clone(),
        goal: arguments.goal.clone(),
        funnel: arguments.funnel.clone(),
        bots: arguments.bots,
    }
}

fn print(text: &str) -> Result<(), ExitError> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
