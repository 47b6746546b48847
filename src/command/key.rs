//! `footfall key status` and `footfall key rotate`: the key in force, and a turn before its time.
//!
//! A running collector takes up a key that this command made within a second and wipes its old one; the turn stands in
//! its audit. The key itself is never printed.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;

use super::spool::Format;
use super::{Common, Error};
use crate::privacy::{KeyRing, KeyStatus, SystemClock};

/// Look at the key.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say which key is in force and when it will be destroyed.
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Make a new key now and destroy the old one: nothing links the pseudonyms of before with those of after.
    Rotate,
}

/// Runs the command.
///
/// # Errors
/// When the key directory cannot be used; the message says what to do.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    let config = common.load()?;
    let mut out = std::io::stdout().lock();
    if matches!(arguments.action, Action::Status { .. }) && !config.key.exists() {
        return Err(format!("{}: no key yet; `footfall serve` makes one", config.key.display()).into());
    }
    let zone = config.timezone.clone();
    let keys = KeyRing::open(&config.key, config.key_on_disk, zone, config.rotate_at, Arc::new(SystemClock))?;
    match arguments.action {
        Action::Status { format: Format::Json } => {
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
        Action::Status { format: Format::Table } => print(&keys.status(), &config.timezone, &mut out)?,
        Action::Rotate => {
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
