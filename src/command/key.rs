//! `footfall key status`, `footfall key rotate` and `footfall key expire`.
//!
//! A running collector uses a key that this command made within a second, wipes the old one and writes the rotation to its audit. While none
//! runs, the next one writes it. The key itself is never printed.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use crate::app::{ExitError, audit};
use crate::command::arguments::CommonArguments;
use crate::command::arguments::OutputFormat;
use crate::config::Config;
use crate::privacy::{KeyRing, KeyStatus, KeyTurn, SystemClock};
use crate::spool;

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
    }
}

/// Opens the key, which makes a new one if the one in the file has expired.
fn open(config: &Config) -> Result<KeyRing, ExitError> {
    let zone = config.timezone.clone();
    let keys = KeyRing::open(&config.key, config.key_on_disk, zone, Arc::new(SystemClock))?;
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
    let (ended, began) = (turn.ended.to_string(), turn.began.to_string());
    let detail = json!({ "ended": ended, "began": began, "epoch": turn.epoch });
    audit::keep_for_collector(&config.data, audit::KEY_TURNED, detail)
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
    let status = open(config)?.status();
    match format {
        OutputFormat::Json => {
            let json = json!({
                "directory": config.key,
                "epoch": status.epoch,
                "fingerprint": status.fingerprint.to_string(),
                "age_seconds": status.age.as_secs(),
                "next_turn": status.next_turn.to_string(),
                "locked_in_memory": status.locked,
            });
            writeln!(out, "{json:#}")?;
        }
        OutputFormat::Table => print(&status, &config.timezone, out)?,
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

fn print(status: &KeyStatus, zone: &jiff::tz::TimeZone, out: &mut impl Write) -> std::io::Result<()> {
    let minutes = status.age.as_secs() / 60;
    writeln!(out, "key          {}", status.fingerprint)?;
    writeln!(out, "epoch        {}", status.epoch)?;
    writeln!(out, "age          {} h {} min", minutes / 60, minutes % 60)?;
    writeln!(out, "destroyed at {}", status.next_turn.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z"))?;
    writeln!(out, "swappable    {}", if status.locked { "no" } else { "yes: raise RLIMIT_MEMLOCK" })
}
