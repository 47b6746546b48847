//! `footfall restore FROM`.
//!
//! 1. Read the list of the backup and check its files. Refuse unless the data directory and the store are empty.
//! 2. Have the store restore its tables, and make them whole.
//! 3. Put the spool in its place, without the segments that the restored store has an account of.
//! 4. Put the tokens and the noise key in their places. A noise key that is there already stays: a fleet has copies of one.
//!
//! A restore that was interrupted is begun again with an empty data directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::app::{self, ExitError, audit};
use crate::command::arguments::CommonArguments;
use crate::command::backup::manifest::{Manifest, StoreCopy};
use crate::command::backup::{CONFIGURATION, NOISE_KEY, PRIVATE, SPOOL, STORE, place};
use crate::config::{Config, StoreConfig};
use crate::secret::private_file;
use crate::spool::{self, SegmentId, SpoolSegment};
use crate::store::Client;
use crate::store::backup::{self, BackupPlace, StoredRows};
use crate::store::days::NoiseKey;
use crate::store::embedded::EmbeddedStore;

/// The name of the tables' directory for the engine.
const NAME: &str = "restore";

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArguments {
    /// The directory that `footfall backup` made.
    from: PathBuf,
}

/// # Errors
/// When the directory is not a complete backup, the data directory or the store is not empty, or the store refuses.
pub(crate) fn run(arguments: &RestoreArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let _log = app::init_warnings();
    let from = &arguments.from;
    let manifest = Manifest::read(from)?;
    check_target(&config, from, &manifest)?;
    fs::create_dir_all(&config.data)?;
    let noise_key = NoiseKey::read(&from.join(NOISE_KEY))?;
    let segments = spool::backup::segments(&from.join(SPOOL))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stored, left_out) = runtime.block_on(restore_tables(&config, from, &manifest, &segments))?;
    spool::backup::install(&from.join(SPOOL), &config.data.join(spool::DIRECTORY), &left_out)?;
    for name in PRIVATE {
        if let Ok(text) = fs::read_to_string(from.join(name)) {
            private_file::lock(&config.data.join(name))?.replace(&text)?;
        }
    }
    if let Some(noise_key) = noise_key {
        noise_key.keep(&NoiseKey::path(&config))?;
    }
    report(&manifest, &segments, &stored, &left_out)
}

fn check_target(config: &Config, from: &Path, manifest: &Manifest) -> Result<(), ExitError> {
    let directory = config.data.join(spool::DIRECTORY);
    if spool::is_in_use(&directory) {
        return Err(format!("a collector works in {}: stop it first", config.data.display()).into());
    }
    let store = config.data.join(STORE);
    for part in [&directory, &store] {
        if fs::read_dir(part).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(format!(
                "{} is not empty: a backup is restored into an empty data directory; move {} away",
                part.display(),
                config.data.display()
            )
            .into());
        }
    }
    match (&manifest.store, &config.store) {
        (StoreCopy::Files, StoreConfig::Embedded { .. }) if !from.join(STORE).is_dir() => {
            Err(format!("{} is missing: the backup is damaged", from.join(STORE).display()).into())
        }
        (StoreCopy::Files, StoreConfig::Embedded { .. })
        | (StoreCopy::Disk { .. }, StoreConfig::Server { .. }) => Ok(()),
        (StoreCopy::Files, _) => Err(other_store("the embedded store", from)),
        (StoreCopy::Disk { .. }, _) => Err(other_store("a ClickHouse server", from)),
    }
}

fn other_store(kind: &str, from: &Path) -> ExitError {
    let file = from.join(CONFIGURATION).join("footfall.toml");
    format!(
        "this is a backup of {kind}, and the configuration names another store; the backed-up one is {}",
        file.display()
    )
    .into()
}

/// Returns the number of restored rows, and the spool segments whose events the store has already.
async fn restore_tables(
    config: &Config,
    from: &Path,
    manifest: &Manifest,
    segments: &[SpoolSegment],
) -> Result<(StoredRows, BTreeSet<SegmentId>), ExitError> {
    let started = EmbeddedStore::start_for_command(config).await?;
    let restored = restore_tables_of(config, from, manifest, segments).await;
    if let Some(store) = started {
        // An error is a panic, which was printed by itself.
        let _ = tokio::task::spawn_blocking(move || store.stop()).await;
        if restored.is_err() {
            // It was empty, so that the command can be repeated.
            fs::remove_dir_all(config.data.join(STORE))?;
        }
    }
    restored
}

async fn restore_tables_of(
    config: &Config,
    from: &Path,
    manifest: &Manifest,
    segments: &[SpoolSegment],
) -> Result<(StoredRows, BTreeSet<SegmentId>), ExitError> {
    let client = Client::writing(config)?;
    backup::check_empty(&client).await?;
    match &manifest.store {
        StoreCopy::Disk { disk, path } => {
            let place = BackupPlace::Disk { disk: disk.clone(), path: path.clone() };
            backup::load(&client, &manifest.database, &place).await?;
        }
        StoreCopy::Files => {
            let directory = place::engine_directory(config).join(NAME);
            place::link_tree(&from.join(STORE), &directory)?;
            let place = BackupPlace::Files(NAME.to_owned());
            let loaded = backup::load(&client, &manifest.database, &place).await;
            fs::remove_dir_all(&directory)?;
            loaded?;
        }
    }
    let left_out = backup::stored_whole(&client, segments).await?;
    let waiting = segments.iter().filter(|segment| !left_out.contains(&segment.id));
    let stored = backup::finish(&client, &waiting.map(|segment| segment.origin).collect()).await?;
    audit::keep_for_collector(
        &config.data,
        "backup restored",
        serde_json::json!({ "created": manifest.created }),
    )?;
    Ok((stored, left_out))
}

fn report(
    manifest: &Manifest,
    segments: &[SpoolSegment],
    stored: &StoredRows,
    left_out: &BTreeSet<SegmentId>,
) -> Result<(), ExitError> {
    let kept = segments.iter().filter(|segment| !left_out.contains(&segment.id));
    let (quarantined, waiting): (Vec<_>, Vec<_>) = kept.partition(|segment| segment.is_quarantined);
    let events = |segments: &[&SpoolSegment]| segments.iter().map(|segment| segment.events).sum::<u64>();
    let mut out = io::stdout().lock();
    writeln!(out, "restored the backup of {}, made by version {}", manifest.created, manifest.program)?;
    writeln!(
        out,
        "{} events are stored, {} wait in the spool, {} are quarantined",
        stored.events,
        events(&waiting),
        events(&quarantined)
    )?;
    writeln!(out, "what was erased on request since then is back: erase it again before anybody reads it")?;
    writeln!(out, "start `footfall serve`, then run `footfall verify`")?;
    Ok(())
}
