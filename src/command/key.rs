//! `footfall key status` and `footfall key rotate`.
//!
//! A running collector uses a key that this command made within a second, wipes the old one and writes the rotation to its audit.
//! The key itself is never printed.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;

use crate::app::ExitError;
use crate::command::arguments::CommonArguments;
use crate::command::arguments::OutputFormat;
use crate::privacy::{KeyRing, KeyStatus, SystemClock};

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
}

/// # Errors
/// When the key directory cannot be used; the message says what to do.
pub(crate) fn run(arguments: KeyArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let mut out = std::io::stdout().lock();
    if matches!(arguments.command, KeyCommand::Status { .. }) && !config.key.exists() {
        return Err(
            format!("{}: there is no key yet; `footfall serve` makes one", config.key.display()).into()
        );
    }
    let zone = config.timezone.clone();
    let keys = KeyRing::open(&config.key, config.key_on_disk, zone, Arc::new(SystemClock))?;
    match arguments.command {
        KeyCommand::Status { format: OutputFormat::Json } => {
            let status = keys.status();
            let json = serde_json::json!({
                "directory": config.key,
                "epoch": status.epoch,
                "fingerprint": status.fingerprint.to_string(),
                "age_seconds": status.age.as_secs(),
                "next_turn": status.next_turn.to_string(),
                "locked_in_memory": status.locked,
            });
            writeln!(out, "{json:#}")?;
        }
        KeyCommand::Status { format: OutputFormat::Table } => {
            print(&keys.status(), &config.timezone, &mut out)?
        }
        KeyCommand::Rotate => {
            let turn = keys.rotate()?;
            writeln!(
                out,
                "key {} is destroyed, key {} is in force, epoch {}",
                turn.ended, turn.began, turn.epoch
            )?;
        }
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
