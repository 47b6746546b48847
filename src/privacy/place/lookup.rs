//! Looks addresses up in the configured MaxMind files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use maxminddb::MaxMindDbError;
use parking_lot::Mutex;

use super::file::{self, MappedFile};
use super::location::GeoPlace;
use super::record::GeoRecord;
use crate::privacy::cache::SharedCache;
use crate::secret::file_version::FileVersion;

/// Cached records of each file. The visitors of a day come from fewer cities and networks. A record takes about 200 bytes.
const CACHED_RECORDS: usize = 4_096;

#[derive(Default)]
pub struct GeoLookup {
    files: Vec<GeoFile>,
}

impl GeoLookup {
    /// Opens the files; the order is that of their use. A file that cannot be read is logged and tried again later.
    pub fn open(paths: &[PathBuf]) -> Self {
        let files: Vec<_> = paths.iter().map(|path| GeoFile::new(path)).collect();
        if files.is_empty() {
            tracing::info!(
                "no place files are configured (`geo`): countries, cities and networks stay empty"
            );
        }
        let places = Self { files };
        places.reload_if_changed();
        places
    }

    /// What would keep [`GeoLookup::open`] from using a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a MaxMind database.
    pub fn check(path: &Path) -> Result<(), MaxMindDbError> {
        file::open(path).map(drop)
    }

    /// Opens the files that changed since the last call. Returns how many it opened. Call it about every minute.
    pub fn reload_if_changed(&self) -> usize {
        self.files.iter().filter(|file| file.reload_if_changed()).count()
    }

    pub(in crate::privacy) fn find(&self, address: IpAddr) -> GeoPlace {
        let mut place = GeoPlace::default();
        for file in &self.files {
            let Some(database) = &*file.current.load() else { continue };
            let Some(record) = database.find(address) else { continue };
            if place.location.is_none() && record.has_location() {
                place.location = Some(record.clone());
            }
            if place.network.is_none() && record.has_network() {
                place.network = Some(record);
            }
            if place.location.is_some() && place.network.is_some() {
                break;
            }
        }
        place
    }
}

/// One configured file and the database that is in use.
struct GeoFile {
    path: PathBuf,
    current: ArcSwapOption<GeoDatabase>,
    seen: Mutex<GeoFileState>,
}

/// What the last check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GeoFileState {
    NotChecked,
    Missing,
    Present(FileVersion),
}

impl GeoFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            current: ArcSwapOption::empty(),
            seen: Mutex::new(GeoFileState::NotChecked),
        }
    }

    fn reload_if_changed(&self) -> bool {
        let mut seen = self.seen.lock();
        let path = self.path.display();
        let found = match FileVersion::from_path(&self.path) {
            Ok(version) => GeoFileState::Present(version),
            Err(error) => {
                // Logged when the file goes missing, not at every check.
                if std::mem::replace(&mut *seen, GeoFileState::Missing) != GeoFileState::Missing {
                    tracing::warn!(%path, %error, "place file cannot be read; `footfall geo install` fetches the default files");
                }
                return false;
            }
        };
        if *seen == found {
            return false;
        }
        *seen = found;
        match file::open(&self.path) {
            Ok(reader) => {
                let about = reader.metadata();
                tracing::info!(%path, kind = about.database_type, built = %built_on(about.build_epoch), "place file opened");
                self.current.store(Some(Arc::new(GeoDatabase::new(reader))));
                true
            }
            Err(error) => {
                metrics::counter!("footfall_geo_reload_failures_total").increment(1);
                let kept = self.current.load().is_some();
                tracing::error!(%path, %error, kept, "place file is broken; the previous one stays in use, if there was one");
                false
            }
        }
    }
}

/// The day on which a file was built, from the Unix time in its metadata.
fn built_on(epoch: u64) -> String {
    let time = i64::try_from(epoch).ok().and_then(|epoch| jiff::Timestamp::from_second(epoch).ok());
    time.map_or_else(|| "unknown".to_owned(), |time| time.strftime("%F").to_string())
}

/// An open file, and a cache of its decoded records.
struct GeoDatabase {
    reader: MappedFile,
    has_ipv6: bool,
    records: SharedCache<GeoRecord>,
}

impl GeoDatabase {
    fn new(reader: MappedFile) -> Self {
        let has_ipv6 = reader.metadata().ip_version == 6;
        Self { reader, has_ipv6, records: SharedCache::new(CACHED_RECORDS) }
    }

    fn find(&self, address: IpAddr) -> Option<Arc<GeoRecord>> {
        if address.is_ipv6() && !self.has_ipv6 {
            return None;
        }
        // A tree that is broken at this address has no record of it. The file as a whole was checked when it was opened.
        let found = self.reader.lookup(address).ok()?;
        let offset = found.offset()? as u64;
        Some(self.records.get(spread(offset), || GeoRecord::read(&found)))
    }
}

/// Spreads neighbouring offsets over all bits. The multiplier is odd, so no two offsets become equal.
fn spread(offset: u64) -> u64 {
    offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
