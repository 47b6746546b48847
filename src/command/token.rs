//! `footfall token add|list|check|revoke|sign`: access tokens, and signed site names.
//!
//! A token is printed once, when it is made. Standard output contains nothing else, so that it can be piped to where tokens are
//! kept. A running collector applies a change within a second.

use std::io::{BufRead, Write};

use clap::Subcommand;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use crate::access::{AccessToken, Role, TokenEntry, TokenFile, TokenFingerprint, signature};
use crate::app::ExitError;
use crate::command::arguments::CommonArguments;
use crate::command::arguments::OutputFormat;
use crate::command::lifetime::end_of_lifetime;
use crate::config::Config;

/// Default lifetime of a token. Each one is renewed, or not, four times a year.
const DEFAULT_LIFE: &str = "90d";

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it. It cannot be printed again.
    Add {
        /// The person or program that will use it.
        name: String,
        /// What the token permits.
        #[arg(long, value_enum)]
        role: Role,
        /// Restrict the token to this site; repeat for more [default: all sites].
        #[arg(long, value_name = "SITE")]
        site: Vec<String>,
        /// Its lifetime: 12h, 90d, 8w, or never.
        #[arg(long, value_name = "TIME", default_value = DEFAULT_LIFE)]
        expires: String,
    },
    /// List the names of the tokens. Tokens themselves cannot be shown: only their fingerprints are kept.
    List {
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Show whose token is on standard input; exit with 1 when it is invalid.
    Check,
    /// Revoke a token.
    Revoke {
        /// The name that it was added with.
        name: String,
    },
    /// Print a site's signed name, for `data-site`.
    Sign {
        /// The id of the site.
        #[arg(long)]
        site: String,
        /// Its lifetime: 30m, 24h, 7d. Choose a long one: a page that stays open sends until it is left.
        #[arg(long = "for", value_name = "TIME", default_value = "24h")]
        life: String,
    },
}

/// # Errors
/// When the configuration is wrong or the token file cannot be used. With exit code 2 for an invalid lifetime.
pub(crate) fn run(arguments: TokenArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let file = TokenFile::new(&config.data);
    let mut out = std::io::stdout().lock();
    match arguments.command {
        TokenCommand::Add { name, role, site, expires } => add(&file, &config, name, role, site, &expires)?,
        TokenCommand::List { format: OutputFormat::Json } => {
            writeln!(out, "{:#}", json!({ "tokens": listed(&file)? }))?
        }
        TokenCommand::List { format: OutputFormat::Table } => writeln!(out, "{}", table(&file.read()?))?,
        TokenCommand::Check => writeln!(out, "{}", check(&file)?)?,
        TokenCommand::Revoke { name } => {
            let entry = file.revoke(&name)?;
            writeln!(out, "{} is revoked: a running collector refuses it within a second", entry.name)?;
        }
        TokenCommand::Sign { site, life } => {
            let known = config.sites.get(&site).ok_or_else(|| format!("no site {site:?} is configured"))?;
            let secret = known.signatures.secrets.first().ok_or_else(|| {
                format!("site {site:?} has no secret to sign with: set `token_secret_file` in its [[site]]")
            })?;
            let until = end_of_lifetime(&life)?.ok_or("a signed name must expire")?;
            writeln!(out, "{}", signature::sign(secret, &site, until.as_second()))?;
        }
    }
    Ok(())
}

fn add(
    file: &TokenFile,
    config: &Config,
    name: String,
    role: Role,
    sites: Vec<String>,
    expires: &str,
) -> Result<(), ExitError> {
    if let Some(site) = sites.iter().find(|site| config.sites.get(site).is_none()) {
        return Err(format!("no site {site:?} is configured").into());
    }
    let token = AccessToken::random()?;
    let expires = end_of_lifetime(expires)?;
    let entry = TokenEntry {
        name,
        role,
        sites,
        created: Timestamp::now(),
        expires,
        fingerprint: TokenFingerprint::from_token(token.expose())
            .expect("a new token has the form of a token"),
    };
    let (name, about) = (entry.name.clone(), about(&entry));
    let is_new = !config.data.is_dir();
    file.add(entry)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", token.expose())?;
    out.flush()?;
    let mut about_it = std::io::stderr().lock();
    writeln!(
        about_it,
        "This is shown once: {about}. Send it as `Authorization: Bearer TOKEN`, or as the password in a browser; \
         `footfall token revoke {name}` ends it."
    )?;
    if is_new {
        writeln!(
            about_it,
            "No collector has used {} yet, which was made for this token. A collector elsewhere does not know the token: name its \
             configuration with --config.",
            std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone()).display()
        )?;
    }
    Ok(())
}

fn check(file: &TokenFile) -> Result<String, ExitError> {
    let mut given = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut given)?;
    let fingerprint =
        TokenFingerprint::from_token(given.trim()).ok_or("standard input does not contain a token")?;
    let entries = file.read()?;
    let found = entries.iter().find(|entry| entry.fingerprint.matches(&fingerprint));
    match found {
        Some(entry) if entry.expired(Timestamp::now()) => Err(format!("{} has expired", entry.name).into()),
        Some(entry) => Ok(about(entry)),
        None => Err("this token is unknown, or was revoked".into()),
    }
}

/// Whose token it is, in a line.
fn about(entry: &TokenEntry) -> String {
    let sites = if entry.sites.is_empty() { "all sites".to_owned() } else { entry.sites.join(", ") };
    let until = entry.expires.map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {end}"));
    format!("{} ({}, {sites}, {until})", entry.name, entry.role.name())
}

fn listed(file: &TokenFile) -> Result<Vec<serde_json::Value>, ExitError> {
    let now = Timestamp::now();
    let entry = |entry: TokenEntry| {
        json!({
            "name": entry.name,
            "role": entry.role.name(),
            "sites": entry.sites,
            "created": entry.created.to_string(),
            "expires": entry.expires.map(|end| end.to_string()),
            "expired": entry.expired(now),
        })
    };
    Ok(file.read()?.into_iter().map(entry).collect())
}

fn table(entries: &[TokenEntry]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["name", "role", "sites", "created", "expires"]);
    let now = Timestamp::now();
    for entry in entries {
        let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
        let sites = if entry.sites.is_empty() { "all".to_owned() } else { entry.sites.join(", ") };
        let expires = match entry.expires {
            Some(end) if entry.expired(now) => format!("expired {}", day(end)),
            Some(end) => day(end),
            None => "never".to_owned(),
        };
        table.add_row([entry.name.as_str(), entry.role.name(), &sites, &day(entry.created), &expires]);
    }
    table
}
