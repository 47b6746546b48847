//! `footfall backup TO`.
//!
//! 1. Copy the spool.
//! 2. Have the store back up its tables, and move them to `TO`.
//! 3. Copy the configuration, the tokens, the requests of visitors and the noise key.
//! 4. Sync all of it, and write the list of what there is.
//!
//! An event that was acknowledged before step 1 is in the copied spool, or was shipped before and is in the tables. One that was shipped
//! between the steps is in both; after a restore the store is asked for it before it is shipped again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::app::{self, ExitError, audit};
use crate::command::arguments::CommonArguments;
use crate::command::backup::manifest::{Manifest, StoreCopy};
use crate::command::backup::{CONFIGURATION, NOISE_KEY, PRIVATE, SPOOL, STORE, place};
use crate::config::{Config, StoreConfig};
use crate::spool;
use crate::store::Client;
use crate::store::backup::{self, BackupPlace};
use crate::store::days::NoiseKey;
use crate::store::embedded::EmbeddedStore;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArguments {
    /// The directory to make. It must not exist, or be empty.
    to: PathBuf,
    /// For a ClickHouse server: the disk of its configuration that takes the tables.
    #[arg(long, value_name = "DISK")]
    disk: Option<String>,
}

/// # Errors
/// When the directory is in use, the store does not answer or refuses, or a disk fails or has no space.
pub(crate) fn run(arguments: &BackupArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let _log = app::init_warnings();
    let to = &arguments.to;
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is not empty: a backup needs a directory of its own", to.display()).into());
    }
    let created = Timestamp::now();
    let store_copy = store_copy(&config, arguments.disk.as_deref(), created)?;
    place::make_private(to)?;
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    let copied = spool::backup::copy(&config.data.join(spool::DIRECTORY), &to.join(SPOOL))?;
    files.extend(copied.into_iter().map(|file| Path::new(SPOOL).join(file)));
    let spooled = spool::backup::segments(&to.join(SPOOL))?.iter().map(|segment| segment.events).sum();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(save_tables(&config, to, &store_copy, created))?;
    files.extend(copy_settings(&config, common, to)?);
    place::sync_file_system(to)?;
    let about = (created.to_string(), Client::new(&config.store).database().to_owned(), store_copy, spooled);
    let manifest = Manifest::new(to, files, about)?;
    manifest.write(to)?;
    place::sync_file_system(to)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}: backed up as of {}, with {spooled} events of the spool",
        to.display(),
        created.strftime("%F %T UTC")
    )?;
    if let StoreCopy::Disk { disk, path } = &manifest.store {
        writeln!(out, "the tables are on disk {disk} of the ClickHouse server, at {path}")?;
    }
    writeln!(
        out,
        "it holds visitors' data until you delete it; neither the key of pseudonyms nor a password is in it"
    )?;
    Ok(())
}

/// Where the tables go.
fn store_copy(config: &Config, disk: Option<&str>, created: Timestamp) -> Result<StoreCopy, ExitError> {
    match (&config.store, disk) {
        (StoreConfig::Embedded { .. }, None) => Ok(StoreCopy::Files),
        (StoreConfig::Embedded { .. }, Some(_)) => Err("--disk is for a ClickHouse server: the embedded store has none".into()),
        (StoreConfig::Server { cluster: Some(_), .. }, _) => {
            Err("a cluster is backed up by its own means: BACKUP … ON CLUSTER".into())
        }
        (StoreConfig::Server { .. }, Some(disk)) => {
            let path = format!("footfall-{}", created.strftime("%Y%m%dT%H%M%SZ"));
            Ok(StoreCopy::Disk { disk: disk.to_owned(), path })
        }
        (StoreConfig::Server { .. }, None) => Err(
            "the tables are on a ClickHouse server: name a disk of its configuration that takes backups, as in `--disk backups`".into(),
        ),
    }
}

async fn save_tables(
    config: &Config,
    to: &Path,
    store_copy: &StoreCopy,
    created: Timestamp,
) -> Result<(), ExitError> {
    let started = EmbeddedStore::start_for_command(config).await?;
    let saved = save_tables_of(config, to, store_copy, created).await;
    if let Some(store) = started {
        // An error is a panic, which was printed by itself.
        let _ = tokio::task::spawn_blocking(move || store.stop()).await;
    }
    saved
}

async fn save_tables_of(
    config: &Config,
    to: &Path,
    store_copy: &StoreCopy,
    created: Timestamp,
) -> Result<(), ExitError> {
    let client = Client::writing(config)?;
    // By the audit the privacy officer knows which backups still have what is erased.
    let detail = serde_json::json!({ "created": created.to_string(), "to": to.display().to_string() });
    let StoreCopy::Disk { disk, path } = store_copy else {
        let bytes = backup::data_bytes(&client).await?;
        let engine = place::engine_directory(config);
        place::check_space(&config.data, bytes)?;
        place::check_space(to, bytes)?;
        let name = format!("backup-{:x}", created.as_nanosecond());
        let saved = backup::save(&client, &BackupPlace::Files(name.clone())).await;
        let directory = engine.join(name);
        return match saved {
            Ok(()) => {
                place::move_tree(&directory, &to.join(STORE))?;
                Ok(audit::keep_for_collector(&config.data, "backup made", detail)?)
            }
            Err(error) => {
                // What is left of it is of no use.
                let _ = fs::remove_dir_all(&directory);
                Err(error.into())
            }
        };
    };
    let place = BackupPlace::Disk { disk: disk.clone(), path: path.clone() };
    backup::save(&client, &place).await?;
    Ok(audit::keep_for_collector(&config.data, "backup made", detail)?)
}

/// Copies the configuration's file, the tokens, the requests of visitors and the noise key. Returns the copies.
fn copy_settings(config: &Config, common: &CommonArguments, to: &Path) -> io::Result<Vec<PathBuf>> {
    let mut copied = Vec::new();
    if let Some(file) = common.config_file() {
        let copy = Path::new(CONFIGURATION).join("footfall.toml");
        place::make_private(&to.join(CONFIGURATION))?;
        fs::write(to.join(&copy), fs::read(file)?)?;
        copied.push(copy);
    }
    let private = PRIVATE.map(|name| (config.data.join(name), name));
    for (file, copy) in private.into_iter().chain([(NoiseKey::path(config), NOISE_KEY)]) {
        // The copy has the permissions of the file.
        match fs::copy(file, to.join(copy)) {
            Ok(_) => copied.push(PathBuf::from(copy)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copied)
}
