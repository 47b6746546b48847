//! `footfall audit verify`: checks the chain of the audit. `footfall audit acts`: prints acts of destruction.

use std::io::Write;
use std::time::Duration;

use clap::Subcommand;
use jiff::civil::Date;
use serde_json::json;

use crate::app::{Exit, ExitError};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::command::duties::act::{ActLanguage, print_acts};
use crate::config::Config;
use crate::spool::{DIRECTORY, audit_head, inspect};
use crate::store::Client;
use crate::store::audit::{self, AuditCheck, AuditFinding};

/// Pause between two checks: a row mostly takes less time from the spool to the store.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that no row of the audit was altered, removed or added; exit with 4 if one was.
    Verify {
        /// A head that the log printed; repeat for more. It must be in the chain.
        #[arg(long, value_name = "DIGEST")]
        head: Vec<String>,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Print an act of destruction for each erasure, passed retention, discarded segment and destroyed key.
    Acts {
        /// The first day, UTC [default: the first of the audit].
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<Date>,
        /// The last day, UTC [default: today].
        #[arg(long, value_name = "YYYY-MM-DD")]
        to: Option<Date>,
        /// The language of the acts.
        #[arg(long, value_enum, default_value_t)]
        language: ActLanguage,
    },
}

/// # Errors
/// With exit code 4 when the chain is broken, 1 when the store cannot be read.
pub(crate) fn run(arguments: AuditArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let client = Client::reading(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.command {
        AuditCommand::Verify { head, format } => verify(&config, &client, &runtime, &head, format),
        AuditCommand::Acts { from, to, language } => {
            let rows = runtime.block_on(audit::read(&client))?;
            print_acts(&rows, (from, to), language, &mut std::io::stdout().lock())
        }
    }
}

fn verify(
    config: &Config,
    client: &Client,
    runtime: &tokio::runtime::Runtime,
    heads: &[String],
    format: OutputFormat,
) -> Result<(), ExitError> {
    let directory = config.data.join(DIRECTORY);
    let mut known = heads.to_vec();
    let mut checked = AuditCheck::default();
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        // The head is read before the rows: the row that it names is durable, so it waits in the spool or is stored.
        known.truncate(heads.len());
        known.extend(audit_head(&directory).map(|head| head.digest));
        let waiting = waiting_rows(&directory)?;
        checked = audit::check(&runtime.block_on(audit::read(client))?, &known);
        if waiting > 0 {
            checked.findings.retain(
                |finding| !matches!(finding, AuditFinding::HeadMissing { digest } if !heads.contains(digest)),
            );
        }
        if checked.findings.is_empty() {
            break;
        }
    }
    print(&checked, format)?;
    match checked.findings.len() {
        0 => Ok(()),
        findings => Err(ExitError::new(
            Exit::Discrepancy,
            format!("the audit was changed after it was written: {findings} findings"),
        )),
    }
}

/// Rows of the audit in the spool.
fn waiting_rows(directory: &std::path::Path) -> Result<u64, ExitError> {
    if !directory.exists() {
        return Ok(0);
    }
    Ok(inspect(directory)?.segments.iter().map(|segment| segment.audit).sum())
}

fn print(checked: &AuditCheck, format: OutputFormat) -> Result<(), ExitError> {
    let mut out = std::io::stdout().lock();
    let heads = || checked.heads.iter();
    if matches!(format, OutputFormat::Json) {
        let finding = |finding: &AuditFinding| {
            let mut json = serde_json::to_value(finding).unwrap_or_default();
            json["message"] = finding.to_string().into();
            json
        };
        let heads: Vec<_> =
            heads().map(|(collector, head)| json!({ "collector": collector, "head": head })).collect();
        let answer = json!({
            "is_intact": checked.findings.is_empty(),
            "rows": checked.rows,
            "findings": checked.findings.iter().map(finding).collect::<Vec<_>>(),
            "heads": heads,
        });
        writeln!(out, "{answer:#}")?;
        return Ok(());
    }
    for finding in &checked.findings {
        writeln!(out, "{finding}")?;
    }
    for (collector, head) in heads() {
        writeln!(
            out,
            "collector {collector}, run {}: {} rows, head {}",
            head.run,
            head.number + 1,
            head.digest
        )?;
    }
    if checked.findings.is_empty() {
        writeln!(out, "{} rows, all as they were written", checked.rows)?;
    }
    Ok(())
}
