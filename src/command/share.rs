//! `footfall share add|list|revoke`: links that show one site's published figures.
//!
//! The address of a link is printed once, on standard output, which contains nothing else. A running collector applies a change within a
//! second.

use std::io::{BufRead, Write};

use clap::Subcommand;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use crate::access::same_origin::SHARE_ROOT;
use crate::access::{MIN_PASSWORD, NewShareLink, PasswordHash, ShareFile, ShareLink};
use crate::app::{Exit, ExitError, operator_url};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::command::lifetime::end_of_lifetime;

#[derive(Debug, clap::Args)]
pub(crate) struct ShareArguments {
    #[command(subcommand)]
    command: ShareCommand,
}

#[derive(Debug, Subcommand)]
enum ShareCommand {
    /// Make a link and print its address.
    Add {
        /// The site whose published figures it shows.
        #[arg(long)]
        site: String,
        /// What the link is called in lists and in the audit.
        #[arg(long)]
        name: String,
        /// Its lifetime: 12h, 30d, 8w.
        #[arg(long, value_name = "TIME", default_value = "30d")]
        expires: String,
        /// Ask whoever opens the link for a password, which is the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the links.
    List {
        /// Only those of this site.
        #[arg(long)]
        site: Option<String>,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Revoke a link.
    Revoke {
        /// The site of the link.
        #[arg(long)]
        site: String,
        /// The name that it was added with.
        #[arg(long)]
        name: String,
    },
}

/// # Errors
/// When the configuration is wrong or the file of links cannot be used. With exit code 2 for an invalid lifetime or password.
pub(crate) fn run(arguments: ShareArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let file = ShareFile::new(&config.data);
    let mut out = std::io::stdout().lock();
    match arguments.command {
        ShareCommand::Add { site, name, expires, password_stdin } => {
            if config.sites.get(&site).is_none() {
                return Err(format!("no site {site:?} is configured").into());
            }
            let expires = end_of_lifetime(&expires)?
                .ok_or_else(|| ExitError::new(Exit::Usage, "a share link must expire".to_owned()))?;
            let password = if password_stdin { Some(read_password()?) } else { None };
            let by = "command line".to_owned();
            let token =
                file.add(NewShareLink { name: name.clone(), site: site.clone(), by, expires, password })?;
            writeln!(out, "{}{SHARE_ROOT}{token}/", operator_url(&config, config.reports))?;
            out.flush()?;
            writeln!(
                std::io::stderr().lock(),
                "Whoever has this address reads the published figures of {site} until {}. Behind a proxy, put its name in place of \
                 the address of the listener. `footfall share revoke --site {site} --name {name}` ends it.",
                expires.to_zoned(config.timezone.clone()).strftime("%Y-%m-%d %H:%M %Z")
            )?;
        }
        ShareCommand::List { site, format } => {
            let mut links = file.links()?;
            links.retain(|link| site.as_ref().is_none_or(|site| *site == link.site));
            match format {
                OutputFormat::Json => {
                    let links: Vec<_> = links.iter().map(shown).collect();
                    writeln!(out, "{:#}", json!({ "links": links }))?;
                }
                OutputFormat::Table => writeln!(out, "{}", table(&links))?,
            }
        }
        ShareCommand::Revoke { site, name } => {
            file.revoke(&site, &name)?;
            writeln!(out, "{name} is revoked: a running collector shows nothing by it after a second")?;
        }
    }
    Ok(())
}

fn read_password() -> Result<PasswordHash, ExitError> {
    let mut given = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut given)?;
    let hash = PasswordHash::new(given.trim_end_matches(['\r', '\n'])).map_err(|error| error.to_string())?;
    let wrong = || format!("standard input has no password of {MIN_PASSWORD} to 256 characters");
    hash.ok_or_else(|| ExitError::new(Exit::Usage, wrong()))
}

fn shown(link: &ShareLink) -> serde_json::Value {
    json!({
        "name": link.name,
        "site": link.site,
        "by": link.by,
        "created": link.created.to_string(),
        "expires": link.expires.to_string(),
        "expired": link.expired(Timestamp::now()),
        "password": link.password.is_some(),
    })
}

fn table(links: &[ShareLink]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["site", "name", "made by", "created", "expires", "password"]);
    let now = Timestamp::now();
    for link in links {
        let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
        let expired = if link.expired(now) { "expired " } else { "" };
        let password = if link.password.is_some() { "yes" } else { "no" };
        let expires = format!("{expired}{}", day(link.expires));
        table.add_row([&link.site, &link.name, &link.by, &day(link.created), &expires, password]);
    }
    table
}
