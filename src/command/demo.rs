//! `footfall demo`: starts a demonstration, or fills the store with invented visitors.

use std::net::SocketAddr;

use crate::app::{self, ExitError, LogFormat, LogLevel};
use crate::command::arguments::CommonArguments;
use crate::demo::{self, ClinicSite, DemoVisitors};
use crate::transport::TaskListener;

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// The address of the clinic's site.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    site: SocketAddr,
    /// Fill the store, with so many visitors on an average day [default: 2000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    visitors: Option<u32>,
    /// Fill the store, with so many days up to today [default: 30].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: Option<u32>,
    /// The same seed generates the same visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// # Errors
/// When the configuration is wrong, an address is in use, or the store cannot be reached or refuses the rows.
pub(super) fn run(arguments: &DemoArguments, common: &CommonArguments) -> Result<(), ExitError> {
    if arguments.visitors.is_none() && arguments.days.is_none() {
        return serve(arguments.site, common);
    }
    let config = common.load()?;
    let _log = app::init_warnings();
    let visitors = DemoVisitors {
        a_day: arguments.visitors.unwrap_or(DemoVisitors::DEFAULT_A_DAY),
        days: arguments.days.unwrap_or(DemoVisitors::DEFAULT_DAYS),
        seed: arguments.seed,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(demo::fill_store(&visitors, &config))?)
}

/// Runs a collector with the site `clinic`, and serves the clinic's pages beside it.
fn serve(address: SocketAddr, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load().map(demo::with_clinic)?;
    demo::check_store_addresses(&config)?;
    let read = common.reader();
    let load = move || Ok(read()?.map(demo::with_clinic));
    app::serve(LogFormat::Text, LogLevel::Warn, load, async move || {
        let listener = TaskListener::bind(address).await?;
        demo::announce(listener.address(), &config)?;
        let site = ClinicSite::new(config.listen);
        tokio::spawn(listener.serve(None, move |request, _| {
            let answer = site.answer(&request);
            async move { answer }
        }));
        Ok(())
    })
}
