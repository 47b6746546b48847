//! `footfall key`: the key in force, and how a member of a fleet gets it.
//!
//! A running collector uses a key that this command made within a second, wipes the old one and writes the rotation to its audit. While none
//! runs, the next one writes it. The key itself is never printed.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use crate::app::{ExitError, audit};
use crate::command::arguments::CommonArguments;
use crate::command::arguments::OutputFormat;
use crate::config::Config;
use crate::privacy::fleet::{FleetError, FleetMember, FleetSummary, MemberRequest};
use crate::privacy::{FleetDays, KeyOrigin, KeyRing, KeySource, KeyStatus, KeyTurn, SystemClock};
use crate::spool;

/// A sealed key has less than 2 KiB.
const LONGEST_SEALED: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Show which key is in force, and when it will be destroyed.
    Status {
        /// The format of the output.
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Make a new key now and destroy the old one. Nothing links earlier pseudonyms with later ones.
    Rotate,
    /// Destroy the key if its day has ended while no collector runs. A timer calls it, so that a collector that was stopped leaves no key behind.
    Expire,
    /// Begin a fleet: make its first key here. Every other member imports it.
    Init {
        /// Wipe the key that is here: visitors of today are counted again.
        #[arg(long)]
        replace: bool,
    },
    /// Print the fleet's key, sealed for a member that asked with `key import --request`. It can be opened once, within ten minutes.
    Export {
        /// The request of the new member.
        #[arg(long = "for", value_name = "REQUEST")]
        request: String,
    },
    /// Join a fleet: ask for its key, or open the answer.
    Import {
        /// Print a request for `key export --for` on a member. It holds for ten minutes.
        #[arg(long, conflicts_with_all = ["file", "replace"])]
        request: bool,
        /// Wipe the key that is here, if it is that of another fleet or a wrong one.
        #[arg(long)]
        replace: bool,
        /// The file with the answer of `key export`; without it, the standard input.
        file: Option<PathBuf>,
    },
}

/// # Errors
/// When the key directory cannot be used; the message says what to do.
pub(crate) fn run(arguments: KeyArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let mut out = std::io::stdout().lock();
    match arguments.command {
        KeyCommand::Status { format } => status(&config, format, &mut out),
        KeyCommand::Rotate => rotate(&config, &mut out),
        KeyCommand::Expire => expire(&config, &mut out),
        KeyCommand::Init { replace } => init(&config, replace, &mut out),
        KeyCommand::Export { request } => export(&config, &request, &mut out),
        KeyCommand::Import { request: true, .. } => {
            writeln!(out, "{}", member(&config)?.request()?)?;
            Ok(())
        }
        KeyCommand::Import { replace, file, .. } => import(&config, replace, file.as_deref(), &mut out),
    }
}

/// Opens the key, which makes a new one if the one in the file has expired.
fn open(config: &Config) -> Result<KeyRing, ExitError> {
    let zone = config.timezone.clone();
    let source = if config.key_fleet { KeySource::Fleet } else { KeySource::Own };
    let keys = KeyRing::open_from(source, &config.key, config.key_on_disk, zone, Arc::new(SystemClock))?;
    if let Some(turn) = keys.turn_if_due() {
        keep_turn(config, &turn)?;
    }
    Ok(keys)
}

/// A collector that runs writes the turn to its audit itself.
fn keep_turn(config: &Config, turn: &KeyTurn) -> std::io::Result<()> {
    if is_running(config) {
        return Ok(());
    }
    let (action, detail) = audit::turn_row(turn);
    audit::keep_for_collector(&config.data, action, detail)
}

fn is_running(config: &Config) -> bool {
    spool::is_in_use(&config.data.join(spool::DIRECTORY))
}

fn status(config: &Config, format: OutputFormat, out: &mut impl Write) -> Result<(), ExitError> {
    if !config.key.exists() {
        return Err(
            format!("{}: there is no key yet; `footfall serve` makes one", config.key.display()).into()
        );
    }
    let keys = open(config)?;
    let (status, fleet) = (keys.status(), keys.fleet_days());
    if status.origin == KeyOrigin::Missing {
        return Err("this collector has no key of its fleet: run `footfall key import --request` here and \
                    `footfall key export --for REQUEST` on a member, or `footfall key init` for a new fleet"
            .into());
    }
    match format {
        OutputFormat::Json => {
            let json = json!({
                "directory": config.key,
                "epoch": status.epoch,
                "fingerprint": status.fingerprint.to_string(),
                "age_seconds": status.age.as_secs(),
                "next_turn": status.next_turn.to_string(),
                "locked_in_memory": status.locked,
                "fleet": fleet.as_ref().map(|days| days.fleet.to_string()),
                "midnights_without_store": fleet.as_ref().map(FleetDays::ahead),
            });
            writeln!(out, "{json:#}")?;
        }
        OutputFormat::Table => {
            print(&status, &config.timezone, out)?;
            if let Some(days) = fleet {
                writeln!(out, "fleet        {}", days.fleet)?;
                writeln!(out, "ready for    {} midnights without the store", days.ahead())?;
            }
        }
    }
    Ok(())
}

fn rotate(config: &Config, out: &mut impl Write) -> Result<(), ExitError> {
    let turn = open(config)?.rotate()?;
    keep_turn(config, &turn)?;
    let KeyTurn { ended, began, epoch } = turn;
    writeln!(out, "key {ended} is destroyed, key {began} is in force, epoch {epoch}")?;
    Ok(())
}

fn expire(config: &Config, out: &mut impl Write) -> Result<(), ExitError> {
    if is_running(config) {
        writeln!(out, "a collector is running; it destroys its key itself")?;
        return Ok(());
    }
    if !config.key.exists() {
        writeln!(out, "{}: there is no key", config.key.display())?;
        return Ok(());
    }
    let zone = config.timezone.clone();
    match KeyRing::expire(&config.key, config.key_on_disk, zone, &SystemClock)? {
        Some((epoch, fingerprint)) => {
            let detail = json!({ "ended": fingerprint.to_string(), "epoch": epoch });
            audit::keep_for_collector(&config.data, audit::KEY_EXPIRED, detail)?;
            writeln!(out, "key {fingerprint} is destroyed; its epoch was {epoch}")?;
        }
        None => writeln!(out, "no key has expired")?,
    }
    Ok(())
}

fn member(config: &Config) -> Result<FleetMember, ExitError> {
    if !config.key_fleet {
        return Err(FleetError::NotAFleet.into());
    }
    let zone = config.timezone.clone();
    Ok(FleetMember::open(&config.key, config.key_on_disk, zone, Arc::new(SystemClock))?)
}

/// What the audit keeps of a fleet's key. It has nothing secret.
fn fleet_detail(summary: &FleetSummary) -> serde_json::Value {
    json!({
        "fleet": summary.fleet.to_string(),
        "key": summary.fingerprint.to_string(),
        "epoch": summary.epoch,
    })
}

fn init(config: &Config, replace: bool, out: &mut impl Write) -> Result<(), ExitError> {
    let summary = member(config)?.begin(replace)?;
    audit::keep_for_collector(&config.data, audit::FLEET_BEGUN, fleet_detail(&summary))?;
    writeln!(out, "fleet {} has begun with key {}", summary.fleet, summary.fingerprint)?;
    Ok(())
}

/// The sealed key alone goes to the standard output, so that it can be piped.
fn export(config: &Config, request: &str, out: &mut impl Write) -> Result<(), ExitError> {
    let request = MemberRequest::parse(request)?;
    let sealed = member(config)?.export(&request)?;
    let mut detail = fleet_detail(&sealed.summary);
    detail["request"] = request.to_string().into();
    // The audit must show who got the text, so its row is on disk before the text is printed.
    audit::keep_for_collector(&config.data, audit::FLEET_KEY_EXPORTED, detail)?;
    writeln!(out, "{}", sealed.text)?;
    Ok(())
}

fn import(
    config: &Config,
    replace: bool,
    file: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), ExitError> {
    let member = member(config)?;
    let sealed = match file {
        Some(file) => {
            fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?
        }
        None => std::io::read_to_string(std::io::stdin().lock().take(LONGEST_SEALED))?,
    };
    let summary = member.import(&sealed, replace)?;
    audit::keep_for_collector(&config.data, audit::FLEET_KEY_IMPORTED, fleet_detail(&summary))?;
    writeln!(
        out,
        "key {} of fleet {} is in force; compare it with the member's",
        summary.fingerprint, summary.fleet
    )?;
    Ok(())
}

fn print(status: &KeyStatus, zone: &jiff::tz::TimeZone, out: &mut impl Write) -> std::io::Result<()> {
    let minutes = status.age.as_secs() / 60;
    writeln!(out, "key          {}", status.fingerprint)?;
    writeln!(out, "epoch        {}", status.epoch)?;
    writeln!(out, "age          {} h {} min", minutes / 60, minutes % 60)?;
    writeln!(out, "destroyed at {}", status.next_turn.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z"))?;
    writeln!(out, "swappable    {}", if status.locked { "no" } else { "yes: raise RLIMIT_MEMLOCK" })
}
