//! `footfall demo`: starts a demonstration, or fills a store with invented visitors.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::{self, CheckedFor, Exit, ExitError, LogFormat, LogLevel};
use crate::command::arguments::CommonArguments;
use crate::config::{Config, ReadConfig};
use crate::demo::{self, ClinicSite, DemoError, DemoVisitors, Filled, OwnDemo};
use crate::transport::TaskListener;

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// The address of the clinic's site [default: the first free port from 127.0.0.1:8000 on].
    #[arg(long, value_name = "ADDRESS")]
    site: Option<SocketAddr>,
    /// Only fill the store, with so many visitors on an average day [default: 2000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    visitors: Option<u32>,
    /// Only fill the store, with so many days up to today [default: 30].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: Option<u32>,
    /// The same seed generates the same visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// # Errors
/// When the configuration is wrong, an address is in use, or the store cannot be reached or refuses the rows.
pub(super) fn run(arguments: &DemoArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let visitors = DemoVisitors {
        a_day: arguments.visitors.unwrap_or(DemoVisitors::DEFAULT_A_DAY),
        days: arguments.days.unwrap_or(DemoVisitors::DEFAULT_DAYS),
        seed: arguments.seed,
    };
    if arguments.visitors.is_none() && arguments.days.is_none() {
        return serve(arguments.site, visitors, common);
    }
    let _log = app::init_warnings();
    let config = store_to_fill(arguments.site, common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let filled = runtime.block_on(demo::fill_store(&visitors, &config))?;
    print(&filled, common.config_file().is_some())
}

/// The configuration whose store is filled: that of the file, or, without a file, the demonstration's own. A demonstration that runs has
/// its store at the address that it wrote down.
fn store_to_fill(site: Option<SocketAddr>, common: &CommonArguments) -> Result<Config, ExitError> {
    let wrong = |error| ExitError::new(Exit::Configuration, error);
    let read = ReadConfig::read(common.config_file()).map_err(wrong)?;
    if common.config_file().is_some() {
        return Ok(read.startable().map_err(wrong)?.0);
    }
    match OwnDemo::new(&read, site) {
        Ok(own) => {
            own.write_settings()?;
            Ok(own.config)
        }
        Err(DemoError::Running { file, .. }) => Config::load(Some(&file)).map_err(wrong),
        Err(error) => Err(error.into()),
    }
}

fn print(filled: &Filled, has_file: bool) -> Result<(), ExitError> {
    let Filled { events, closed, stored } = filled;
    let mut out = std::io::stdout().lock();
    match events {
        0 => writeln!(out, "site demo has its {stored} events already: nothing was written")?,
        _ => {
            writeln!(out, "{events} events of site demo written, {closed} days closed; it has {stored} now")?
        }
    }
    match has_file {
        true => writeln!(out, "`footfall report overview --site demo` shows them")?,
        false => writeln!(out, "`footfall demo` shows them")?,
    }
    Ok(())
}

/// Runs a collector with a store of its own, which it fills, and serves the clinic's pages beside it.
///
/// It reads no `footfall.toml` that lies here by chance: the demonstration must not take a real collector's ports or certificate.
fn serve(
    site: Option<SocketAddr>,
    visitors: DemoVisitors,
    common: &CommonArguments,
) -> Result<(), ExitError> {
    let wrong = |error| ExitError::new(Exit::Configuration, error);
    let given = common.given_file();
    let read = ReadConfig::read(given).map_err(wrong)?;
    // Problems of settings are told before anything is chosen.
    read.clone().startable().map_err(wrong)?;
    let own = Arc::new(OwnDemo::new(&read, site)?);
    let mut checked = read.clone().map(|_| own.config.clone());
    app::check(&mut checked, CheckedFor::ThisProcess, &[]);
    checked.complete().map_err(wrong)?;
    let file = own.write_settings()?;
    let settings = own.config.clone();
    let reread = move || Ok(read.clone().map(|_| settings.clone()));
    app::serve(LogFormat::Text, LogLevel::Warn, reread, async move || show(&own, &visitors, file).await)
}

/// Serves the clinic's pages, fills the store and says where everything is.
async fn show(own: &OwnDemo, visitors: &DemoVisitors, file: PathBuf) -> Result<(), ExitError> {
    let listener = TaskListener::bind(own.site).await.map_err(|error| {
        ExitError::new(Exit::Configuration, format!("{error}; choose another address by --site"))
    })?;
    let site = ClinicSite::new(&own.config.browser_url().address);
    tokio::spawn(listener.serve(None, move |request, _| {
        let answer = site.answer(&request);
        async move { answer }
    }));
    let filled = demo::fill_starting_store(visitors, &own.config).await?;
    let program = std::env::args().next().unwrap_or_else(|| "footfall".to_owned());
    Ok(own.announce(&filled, visitors, &file, &program)?)
}
