//! Where an address is, from local MaxMind files alone (clause 3.4): country, region, city and network.
//!
//! The files are asked in their order; the first that knows a country gives the place, the first that knows an
//! autonomous system gives the network. Both layouts are read: nested (GeoLite2, GeoIP2, DB-IP) and flat
//! (`country_code`, `state1`, `city`). What was decoded is remembered by the offset of its record in the file, never by
//! the address. A file that changes is read anew; a new file that is broken leaves the old one in use. Without a file
//! places are empty.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::privacy::cache::Cache;
use crate::secret::file_version::FileVersion;
use file::Mapped;
pub(crate) use record::Record;

/// Records remembered for each file: visitors of a day come from fewer cities and networks than this. A record takes
/// about 200 bytes.
const REMEMBERED: usize = 4_096;

/// Where an address is; cheap to clone. Texts are empty and numbers 0 when unknown.
#[derive(Debug, Clone, Default)]
pub struct Place {
    location: Option<Arc<Record>>,
    network: Option<Arc<Record>>,
}

impl Place {
    /// ISO 3166-1 alpha-2 code.
    pub fn country(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.country)
    }

    /// First subdivision, in English.
    pub fn region(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.region)
    }

    /// City, in English.
    pub fn city(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.city)
    }

    /// Organisation of the autonomous system.
    pub fn network(&self) -> &str {
        self.network.as_deref().map_or("", |record| &record.network)
    }

    /// Autonomous system number.
    pub fn asn(&self) -> u32 {
        self.network.as_deref().map_or(0, |record| record.asn)
    }
}

/// The configured MaxMind files.
#[derive(Default)]
pub struct Places {
    files: Vec<PlaceFile>,
}

impl Places {
    /// Opens the files, to be asked in this order. One that cannot be read is logged, and read as soon as it can be.
    pub fn open(paths: &[PathBuf]) -> Self {
        let files: Vec<_> = paths.iter().map(|path| PlaceFile::new(path)).collect();
        if files.is_empty() {
            tracing::info!(
                "no place files are configured (`geo`): countries, cities and networks stay empty"
            );
        }
        let places = Self { files };
        places.reload_if_changed();
        places
    }

    /// Reads files anew that changed since the last call, and says how many it took up. Call it every minute or so.
    pub fn reload_if_changed(&self) -> usize {
        self.files.iter().filter(|file| file.reload_if_changed()).count()
    }

    /// Looks an address up.
    pub(super) fn find(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
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

/// One configured file and what is in use of it.
struct PlaceFile {
    path: PathBuf,
    current: ArcSwapOption<Database>,
    seen: Mutex<PlaceFileState>,
}

/// What the last check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceFileState {
    NotChecked,
    Missing,
    Present(FileVersion),
}

impl PlaceFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            current: ArcSwapOption::empty(),
            seen: Mutex::new(PlaceFileState::NotChecked),
        }
    }

    fn reload_if_changed(&self) -> bool {
        let mut seen = self.seen.lock();
        let path = self.path.display();
        let found = match FileVersion::from_path(&self.path) {
            Ok(version) => PlaceFileState::Present(version),
            Err(error) => {
                // Logged when the file goes missing, not at every check.
                if std::mem::replace(&mut *seen, PlaceFileState::Missing) != PlaceFileState::Missing {
                    tracing::warn!(%path, %error, "a place file cannot be read; `footfall geo install` fetches the default ones");
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
                tracing::info!(%path, kind = about.database_type, built = about.build_epoch, "places are read from this file");
                self.current.store(Some(Arc::new(Database::new(reader))));
                true
            }
            Err(error) => {
                let kept = self.current.load().is_some();
                tracing::error!(%path, %error, kept, "a place file is broken; the one before stays in use, if there was one");
                false
            }
        }
    }
}

/// A file in use, and the records of it that were decoded.
struct Database {
    reader: Mapped,
    has_ipv6: bool,
    records: Cache<Record>,
}

impl Database {
    fn new(reader: Mapped) -> Self {
        let has_ipv6 = reader.metadata().ip_version == 6;
        Self { reader, has_ipv6, records: Cache::new(REMEMBERED) }
    }

    fn find(&self, address: IpAddr) -> Option<Arc<Record>> {
        if address.is_ipv6() && !self.has_ipv6 {
            return None;
        }
        // A tree that is broken at this address knows nothing about it; the file as a whole was checked when opened.
        let found = self.reader.lookup(address).ok()?;
        let offset = found.offset()? as u64;
        Some(self.records.get(spread(offset), || Record::read(&found)))
    }
}

/// Spreads neighbouring offsets over all bits without making two of them alike: the multiplier is odd.
fn spread(offset: u64) -> u64 {
    offset.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
