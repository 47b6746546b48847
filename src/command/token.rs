//! `footfall token add|list|check|revoke|sign`: who may see reports and metrics or send from a server, and signed site names.
//!
//! A token is printed once, when it is made, to standard output and alone, so that it can be piped where it is kept. A running
//! collector takes up a change within a second.

use std::io::{BufRead, IsTerminal, Write};

use clap::Subcommand;
use comfy_table::{Table, presets};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use zeroize::Zeroizing;

use super::spool::Format;
use super::{Common, Error, Exit};
use crate::access::{AccessToken, Role, TokenEntry, TokenFile, TokenFingerprint, signature};
use crate::config::Config;

/// How long a token is good unless told otherwise: somebody is asked again four times a year.
const DEFAULT_LIFE: &str = "90d";

/// Say who may do what.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, once.
    Add {
        /// Whose it is, or what uses it.
        name: String,
        /// What it is good for.
        #[arg(long, value_enum)]
        role: Role,
        /// A site that it is kept to; repeat for more [default: all sites].
        #[arg(long, value_name = "SITE")]
        site: Vec<String>,
        /// How long it is good: 12h, 90d, 8w, or never.
        #[arg(long, value_name = "TIME", default_value = DEFAULT_LIFE)]
        expires: String,
    },
    /// List the tokens. None of them is shown: only their fingerprints are kept.
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say whose token is on standard input; exit with 1 when it is good for nothing.
    Check,
    /// Make a token good for nothing.
    Revoke {
        /// Its name.
        name: String,
    },
    /// Print a site's signed name, for `data-site`.
    Sign {
        /// The site.
        #[arg(long)]
        site: String,
        /// How long it is good: 30m, 24h, 7d. Pages stay open and send until they are left.
        #[arg(long = "for", value_name = "TIME", default_value = "24h")]
        life: String,
    },
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong or the file of tokens cannot be used; with exit code 2 for a time that is none.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    let config = common.load()?;
    let ledger = TokenFile::new(&config.data);
    let mut out = std::io::stdout().lock();
    match arguments.action {
        Action::Add { name, role, site, expires } => add(&ledger, &config, name, role, site, &expires)?,
        Action::List { format: Format::Json } => {
            writeln!(out, "{:#}", json!({ "tokens": listed(&ledger)? }))?
        }
        Action::List { format: Format::Table } => writeln!(out, "{}", table(&ledger.read()?))?,
        Action::Check => writeln!(out, "{}", check(&ledger)?)?,
        Action::Revoke { name } => {
            let entry = ledger.revoke(&name)?;
            writeln!(out, "{} is revoked: a running collector refuses it within a second", entry.name)?;
        }
        Action::Sign { site, life } => {
            let known = config.sites.get(&site).ok_or_else(|| format!("no site {site:?} is configured"))?;
            let secret = known.signatures.secrets.first().ok_or_else(|| {
                format!("site {site:?} has no secret to sign with: set `token_secret_file` in its [[site]]")
            })?;
            let until = life_from_now(&life)?.ok_or("a signed name must expire")?;
            writeln!(out, "{}", signature::sign(secret, &site, until.as_second()))?;
        }
    }
    Ok(())
}

fn add(
    ledger: &TokenFile,
    config: &Config,
    name: String,
    role: Role,
    sites: Vec<String>,
    expires: &str,
) -> Result<(), Error> {
    if let Some(site) = sites.iter().find(|site| config.sites.get(site).is_none()) {
        return Err(format!("no site {site:?} is configured").into());
    }
    let token = AccessToken::random()?;
    let expires = life_from_now(expires)?;
    let entry = TokenEntry {
        name,
        role,
        sites,
        created: Timestamp::now(),
        expires,
        fingerprint: TokenFingerprint::from_token(token.expose()).expect("a token has a token's form"),
    };
    let name = entry.name.clone();
    ledger.add(entry)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", token.expose())?;
    out.flush()?;
    if out.is_terminal() {
        let until = expires.map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {end}"));
        writeln!(
            out,
            "This is shown once. It is good as {} {until}; `footfall token revoke {name}` ends it.",
            role.name()
        )?;
    }
    Ok(())
}

fn check(ledger: &TokenFile) -> Result<String, Error> {
    let mut given = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut given)?;
    let fingerprint = TokenFingerprint::from_token(given.trim()).ok_or("this is no token")?;
    let entries = ledger.read()?;
    let found = entries.iter().find(|entry| entry.fingerprint.matches(&fingerprint));
    match found {
        Some(entry) if entry.expired(Timestamp::now()) => Err(format!("{} has expired", entry.name).into()),
        Some(entry) => Ok(format!("{} ({})", entry.name, entry.role.name())),
        None => Err("this token is unknown, or was revoked".into()),
    }
}

fn listed(ledger: &TokenFile) -> Result<Vec<serde_json::Value>, Error> {
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
    Ok(ledger.read()?.into_iter().map(entry).collect())
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

/// The moment that lies `text` ahead; `None` for `never`.
fn life_from_now(text: &str) -> Result<Option<Timestamp>, Error> {
    if text == "never" {
        return Ok(None);
    }
    let wrong = || Error::new(Exit::Usage, format!("a time is like 30m, 24h, 90d or 8w, not {text:?}"));
    let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let unit = match &text[end..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "y" => 365 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = text[..end].parse::<i64>().ok().filter(|number| *number > 0);
    let seconds = seconds.and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_and_a_unit_or_never() {
        let now = Timestamp::now().as_second();
        let ahead = |text: &str| life_from_now(text).unwrap().map(|end| end.as_second() - now);
        assert!(ahead("never").is_none());
        for (text, seconds) in [("90d", 7_776_000), ("24h", 86_400), ("30m", 1_800), ("2w", 1_209_600)] {
            assert!((seconds..seconds + 5).contains(&ahead(text).unwrap()), "{text}");
        }
        for wrong in ["", "d", "90", "-1d", "0d", "1.5h", "90 d", "99999999999999999999d", "9999999999y"] {
            assert!(life_from_now(wrong).is_err(), "{wrong}");
        }
    }
}
