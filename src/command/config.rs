//! `footfall config check`: checks the configuration and prints a summary.

use std::io::Write;
use std::path::Path;

use clap::Subcommand;

use crate::app::{self, CheckedFor, Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::command::exemption::{self, Exemption};
use crate::config::{Config, Quorum, Site, StoreConfig};
use crate::enrich::lists;
use crate::error_chain::error_chain;
use crate::store::cluster::Shard;
use crate::store::{Client, schema};

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the settings and all that they name: addresses, files, directories. Exit with 3 and list every problem if something is wrong.
    Check {
        /// Print each condition of a consent exemption, and whether the settings meet it. Exit with 1 if a setting breaks one.
        #[arg(long, value_enum)]
        exempt: Option<Exemption>,
    },
}

/// # Errors
/// With every problem of the configuration.
pub(crate) fn run(arguments: ConfigArguments, common: &CommonArguments) -> Result<(), ExitError> {
    match arguments.command {
        ConfigCommand::Check { exempt } => check(exempt, common),
    }
}

fn check(exempt: Option<Exemption>, common: &CommonArguments) -> Result<(), ExitError> {
    let wrong = |error| ExitError::new(Exit::Configuration, error);
    let mut read = common.reader()().map_err(wrong)?;
    app::check(&mut read, CheckedFor::Operator, &[]);
    let (config, remarks) = read.complete().map_err(wrong)?;
    lists::install(&config.lists).map_err(|error| ExitError::new(Exit::Configuration, error))?;
    let source =
        common.config_file().map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{source}: the configuration is right")?;
    for (_, remark) in remarks.lines() {
        writeln!(out, "  note     {remark}")?;
    }
    for note in cluster_notes(&config)? {
        writeln!(out, "  note     {note}")?;
    }
    summary(&config, &mut out)?;
    match exempt {
        Some(Exemption::Cnil) => exemption::print(&config, &mut out),
        None => Ok(()),
    }
}

/// What is wrong with the nodes of the cluster, as far as it can be asked now.
fn cluster_notes(config: &Config) -> std::io::Result<Vec<String>> {
    let client = Client::new(&config.store);
    if client.cluster().is_none() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = runtime.block_on(schema::plan(&client, &config.timezone));
    Ok(match runtime.block_on(client.topology()) {
        Ok(topology) => {
            let wrong = plan.err().map(|error| error_chain(&error));
            let down = topology.down().map(|node| node.name.clone());
            let mut notes: Vec<_> =
                wrong.into_iter().chain(down).chain(topology.unnamed.iter().cloned()).collect();
            if let Quorum::Replicas(quorum) = client.quorum_setting() {
                let is_small = |shard: &&Shard| (shard.replicas.len() as u64) < quorum;
                notes.extend(topology.shards.iter().filter(is_small).map(|shard| {
                    let replicas = shard.replicas.len();
                    format!(
                        "shard {} takes no insert: it has {replicas} replicas, and store.quorum is {quorum}",
                        shard.number
                    )
                }));
            }
            notes
        }
        Err(error) => vec![error_chain(&error)],
    })
}

fn summary(config: &Config, out: &mut impl Write) -> std::io::Result<()> {
    let store = match &config.store {
        StoreConfig::Embedded { listen, native, .. } => {
            let native = native.map_or_else(String::new, |native| format!(", native protocol on {native}"));
            format!("embedded, on {listen}{native}")
        }
        StoreConfig::Server { urls, database, cluster, .. } => {
            let cluster =
                cluster.as_ref().map_or_else(String::new, |cluster| format!(", cluster {}", cluster.name));
            format!("{}, database {database}{cluster}", urls.join(", "))
        }
    };
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let absolute =
        |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let proxies = config.trusted_proxies.iter().map(ToString::to_string).collect();
    let geo = config.geo.iter().map(|file| file.display().to_string()).collect();
    writeln!(out, "  listen   {}, for browsers {}", config.listen, config.browser_url().address)?;
    writeln!(out, "  admin    {}", config.admin)?;
    writeln!(out, "  reports  {}", config.reports)?;
    writeln!(out, "  proxies  {}", list(proxies))?;
    writeln!(out, "  data     {}", absolute(&config.data))?;
    writeln!(
        out,
        "  key      {}, turns at midnight in {}",
        absolute(&config.key),
        config.timezone.iana_name().unwrap_or("UTC")
    )?;
    writeln!(out, "  geo      {}", list(geo))?;
    writeln!(out, "  store    {store}")?;
    let hosts = |site: &Site| site.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut sites: Vec<_> =
        config.sites.iter().map(|site| format!("{} ({})", site.id, hosts(site))).collect();
    sites.sort_unstable();
    let more = sites.len().saturating_sub(10);
    sites.truncate(10);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    writeln!(out, "  sites    {}{more}", sites.join(", "))?;
    let today = lists::today();
    for (heading, list) in std::iter::once("lists").chain(std::iter::repeat("")).zip(lists::headers()) {
        let lists::ListHeader { name, source, version, licence, date, .. } = list;
        let old = if list.age_days(today) > lists::OLD_DAYS { ", old" } else { "" };
        writeln!(out, "  {heading:<8} {name:<13} of {date}{old}: {source} {version}, {licence}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_cluster() {
        let text = "[store]\nurl = \"http://clickhouse:8123\"\ncluster = \"main\"\n";
        let config = Config::check("footfall.toml", text, &[]).unwrap();
        let mut out = Vec::new();
        summary(&config, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("database footfall, cluster main\n"), "{out}");
    }
}
