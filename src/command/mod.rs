//! The command line: one file per command, from its arguments to a call.
//!
//! A failed command returns an [`ExitError`] with its exit code. [`run`] prints the error with its causes.

mod arguments;
mod backup;
mod config;
mod demo;
mod duties;
mod exemption;
mod explain;
mod geo;
mod key;
mod lifetime;
mod report;
mod scrub;
mod serve;
mod share;
mod shell;
mod spool;
mod store;
mod token;
mod usage;

use duties::{audit, incident, retention, subject};
use shell::{completions, man};
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::ExitError;
use crate::command::arguments::CommonArguments;
use crate::config::StoreConfig;
use crate::error_chain::{causes, error_chain};
use crate::store::embedded::Passwords;

/// A privacy-preserving web analytics collector.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: CommonArguments,
    #[command(subcommand)]
    command: FootfallCommand,
}

#[derive(Debug, Subcommand)]
enum FootfallCommand {
    /// Accept beacons, store them, and serve the script, the reports and the metrics.
    Serve(serve::ServeArguments),
    /// Check the configuration.
    Config(config::ConfigArguments),
    /// Back up the events, the figures and the spool, also while a collector runs.
    Backup(backup::BackupArguments),
    /// Restore a backup into an empty data directory.
    Restore(backup::RestoreArguments),
    /// Run the embedded store on its own.
    Embedded(store::EmbeddedArguments),
    /// Show what the collector would do with a beacon, step by step, without storing it.
    Explain(Box<explain::ExplainArguments>),
    /// Fetch the files that map IP addresses to places.
    Geo(geo::GeoArguments),
    /// Show the key of pseudonyms, or replace it before its time.
    Key(key::KeyArguments),
    /// Start a demonstration: a collector, its store and a clinic's site; or fill the store with invented visitors.
    Demo(demo::DemoArguments),
    /// Create or update the store's tables.
    Migrate(store::MigrateArguments),
    /// Show a report; without a name, list all reports.
    Report(report::ReportArguments),
    /// Show what the retention will remove, and when.
    Retention(retention::RetentionArguments),
    /// Run an SQL query on the store, read-only.
    Query(store::QueryArguments),
    /// Propose path templates, and apply them to stored events.
    Scrub(scrub::ScrubArguments),
    /// Show the spool, and requeue or discard quarantined segments.
    Spool(spool::SpoolArguments),
    /// Find, block, erase or export the data of one visitor.
    Subject(Box<subject::SubjectArguments>),
    /// Make, list and revoke links that show one site's published figures.
    Share(share::ShareArguments),
    /// Manage access tokens for reports, metrics and senders; sign a site's name.
    Token(token::TokenArguments),
    /// Report what an incident concerns, and fill in the notices to the authority.
    Incident(incident::IncidentArguments),
    /// Check the chain of the audit, and print acts of destruction.
    Audit(audit::AuditArguments),
    /// Compare the store with what was received; exit with 4 if an event is missing or stored twice.
    Verify(store::VerifyArguments),
    /// Print the completions of a shell for this command line.
    Completions(completions::CompletionsArguments),
    /// Print the manual page of the program, or write those of all commands.
    Man(man::ManArguments),
}

/// Advice when the store refuses a login: its error does not say where the passwords are.
fn login_advice(common: &CommonArguments) -> String {
    let Ok(config) = common.load() else { return "check `store.user` and `store.password_file`".to_owned() };
    if matches!(config.store, StoreConfig::Server { .. }) {
        return "check `store.user` and `store.password_file`".to_owned();
    }
    let file = Passwords::file(&config.data);
    let file = std::path::absolute(&file).unwrap_or(file);
    match file.try_exists() {
        Ok(false) => format!(
            "there is no {}: name the configuration of the collector that runs with --config; a relative `data` counts from the \
             directory in which a command is started",
            file.display()
        ),
        _ => format!(
            "the passwords of the embedded store are in {}, which only its owner may read: run this command as that user",
            file.display()
        ),
    }
}

/// Advice when nothing listens where the store should be: the error of the connection does not say what was called.
fn connect_advice(common: &CommonArguments) -> String {
    match common.load().map(|config| config.store) {
        Ok(StoreConfig::Embedded { listen, .. }) => format!(
            "no store answers at {listen} (`store.listen`): `footfall serve` starts it; see whether that runs, and with the same \
             configuration"
        ),
        Ok(StoreConfig::Server { urls, .. }) => {
            let urls = urls.join(", ");
            format!(
                "no store answers at {urls} (`store.url`): see whether ClickHouse runs there and the address is right"
            )
        }
        Err(_) => {
            "no store answers; `footfall config check` says what is wrong with the configuration".to_owned()
        }
    }
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        FootfallCommand::Serve(arguments) => serve::run(&arguments, &cli.common),
        FootfallCommand::Config(arguments) => config::run(arguments, &cli.common),
        FootfallCommand::Backup(arguments) => backup::back_up(&arguments, &cli.common),
        FootfallCommand::Restore(arguments) => backup::restore(&arguments, &cli.common),
        FootfallCommand::Embedded(arguments) => store::run_embedded(arguments),
        FootfallCommand::Explain(arguments) => explain::run(*arguments, &cli.common),
        FootfallCommand::Geo(arguments) => geo::run(arguments),
        FootfallCommand::Key(arguments) => key::run(arguments, &cli.common),
        FootfallCommand::Demo(arguments) => demo::run(&arguments, &cli.common),
        FootfallCommand::Migrate(arguments) => store::run_migrate(arguments, &cli.common),
        FootfallCommand::Report(arguments) => report::run(arguments, &cli.common),
        FootfallCommand::Retention(arguments) => retention::run(arguments, &cli.common),
        FootfallCommand::Query(arguments) => store::run_query(arguments, &cli.common),
        FootfallCommand::Scrub(arguments) => scrub::run(arguments, &cli.common),
        FootfallCommand::Spool(arguments) => spool::run(arguments, &cli.common),
        FootfallCommand::Subject(arguments) => subject::run(*arguments, &cli.common),
        FootfallCommand::Share(arguments) => share::run(arguments, &cli.common),
        FootfallCommand::Token(arguments) => token::run(arguments, &cli.common),
        FootfallCommand::Incident(arguments) => incident::run(arguments, &cli.common),
        FootfallCommand::Audit(arguments) => audit::run(arguments, &cli.common),
        FootfallCommand::Verify(arguments) => store::run_verify(arguments, &cli.common),
        FootfallCommand::Completions(arguments) => completions::run(&arguments, Cli::command()),
        FootfallCommand::Man(arguments) => man::run(&arguments, Cli::command()),
    };
    match result {
        // The reader of the output has closed it: `| head`.
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error, &cli.common);
            ExitCode::from(error.exit() as u8)
        }
    }
}

/// Whether a command ended because its standard output was closed. Other pipes and connections are part of a longer error.
fn is_closed_output(error: &ExitError) -> bool {
    let cause = error.cause();
    let kind = match (cause.downcast_ref::<std::io::Error>(), cause.downcast_ref::<serde_json::Error>()) {
        (Some(error), _) => Some(error.kind()),
        (None, Some(error)) => error.io_error_kind(),
        (None, None) => None,
    };
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// Prints an error and its causes, one a line, to standard error.
fn print_error(error: &ExitError, common: &CommonArguments) {
    let mut out = std::io::stderr().lock();
    // When standard error is closed, only the exit code tells.
    let _ = writeln!(out, "footfall: {}", error.cause());
    for cause in causes(error.cause()) {
        let _ = writeln!(out, "  because: {cause}");
    }
    if error_chain(error.cause()).contains("(AUTHENTICATION_FAILED)") {
        let _ = writeln!(out, "  {}", login_advice(common));
    }
    if error_chain(error.cause()).contains("client error (Connect)") {
        let _ = writeln!(out, "  {}", connect_advice(common));
    }
}
