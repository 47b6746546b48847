//! The files and directories that settings name.

use std::error::Error;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::access::{ShareFile, TokenFile};
use crate::config::{ReadConfig, Severity, StoreConfig};
use crate::enrich::lists;
use crate::error_chain::error_chain;
use crate::operator::WorldMap;
use crate::privacy::{GeoLookup, KeyError, KeyRing};
use crate::secret::directory;
use crate::spool;
use crate::store::embedded::{self, Passwords};
use crate::transport::tls;

/// A certificate that ends sooner gets a remark. Programs that renew certificates have renewed it by then.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `for_other_user`: root checks for a user whose directory of the key and whose engine it would not use itself.
pub(super) fn check(read: &mut ReadConfig, for_other_user: bool) {
    check_tls(read);
    check_key(read, for_other_user);
    check_data(read);
    check_places(read);
    check_lists(read);
    check_map(read);
    check_tokens(read);
    check_shares(read);
    check_store(read, for_other_user);
}

/// An error with its causes, on one line.
fn chain(error: impl Error + 'static) -> String {
    error_chain(&error)
}

fn check_tls(read: &mut ReadConfig) {
    let Some(files) = read.config().tls.clone() else { return };
    let now = Timestamp::now();
    let found = tls::check(&files, now);
    let mut is_right = true;
    for (is_key, error) in found.errors {
        is_right = false;
        let what = format!(
            "{}; browsers cannot connect without a valid certificate and its key, both PEM",
            chain(error)
        );
        read.note(Severity::Stops, if is_key { "tls.key" } else { "tls.certificate" }, &what);
    }
    if let Some(expires) = found.expires.filter(|end| is_right && end.duration_since(now) < EXPIRES_SOON) {
        let what =
            format!("the certificate in {} expires at {expires}; renew it", files.certificate.display());
        read.note(Severity::Remark, "tls.certificate", &what);
    }
}

fn check_key(read: &mut ReadConfig, for_other_user: bool) {
    let config = read.config();
    if read.is_refused("key") || read.is_refused("key_on_disk") {
        return;
    }
    let checked = KeyRing::check(&config.key, config.key_on_disk);
    if for_other_user && matches!(checked, Err(KeyError::Foreign(_))) {
        return;
    }
    if let Err(error) = checked {
        read.note(Severity::Stops, "key", &format!("{}; the key of pseudonyms is kept there", chain(error)));
    }
}

fn check_data(read: &mut ReadConfig) {
    if read.is_refused("data") {
        return;
    }
    let data = read.config().data.clone();
    let existing = match directory::check_usable(&data) {
        Ok(existing) => existing,
        Err(error) => {
            let what = format!(
                "{}; the spool is kept there: choose a directory that this user may write to",
                chain(error)
            );
            return read.note(Severity::Stops, "data", &what);
        }
    };
    if let Err(error) = spool::check(&data.join(spool::DIRECTORY)) {
        read.note(Severity::Stops, "data", &chain(error));
    }
    check_space(read, &existing);
}

/// `directory` exists and is on the spool's file system.
fn check_space(read: &mut ReadConfig, directory: &Path) {
    if directory::is_ram_backed(directory).unwrap_or(false) {
        let what =
            "it is on a RAM-backed file system: events that wait there are lost when the machine restarts";
        read.note(Severity::Remark, "data", what);
    }
    let reserve = read.config().spool.reserve;
    let Ok(space) = spool::space_of(directory) else { return };
    let Some(reserve) = reserve else { return };
    if space.total > 0 && reserve >= space.total {
        let what = format!(
            "{reserve} bytes can never be free on a file system of {} bytes, and every beacon would be answered 503; lower it",
            space.total
        );
        read.note(Severity::Stops, "spool.reserve", &what);
    }
}

fn check_places(read: &mut ReadConfig) {
    let files = read.config().geo.clone();
    if read.is_refused("geo") {
        return;
    }
    for (index, file) in files.iter().enumerate() {
        if let Err(error) = GeoLookup::check(file) {
            let what = format!(
                "{} cannot be used: {}; see whether the path is right (a relative one counts from the directory in which footfall is started), \
                 or let `footfall geo install` fetch files; without `geo` places stay empty",
                file.display(),
                chain(error)
            );
            read.note(Severity::Stops, &format!("geo[{index}]"), &what);
        }
    }
}

fn check_lists(read: &mut ReadConfig) {
    let files = read.config().lists.clone();
    for (setting, error) in lists::check(&files) {
        let what = format!("{}; without `lists.{setting}` the built-in list is used", chain(error));
        read.note(Severity::Stops, &format!("lists.{setting}"), &what);
    }
}

/// Beacons are accepted without a map.
fn check_map(read: &mut ReadConfig) {
    let Some(file) = read.config().page.map.clone() else { return };
    if let Err(error) = WorldMap::read(&file) {
        let what = format!("{} cannot be used: {}; the built-in map is shown", file.display(), chain(error));
        read.note(Severity::Degrades, "page.map", &what);
    }
}

/// Beacons are accepted whatever is wrong with the tokens.
fn check_tokens(read: &mut ReadConfig) {
    if read.is_refused("data") {
        return;
    }
    if let Err(error) = TokenFile::new(&read.config().data).read() {
        let what = format!("{}; until then no token is valid", chain(error));
        read.note(Severity::Degrades, "data", &what);
    }
}

/// Beacons are accepted whatever is wrong with the share links.
fn check_shares(read: &mut ReadConfig) {
    if read.is_refused("data") {
        return;
    }
    if let Err(error) = ShareFile::new(&read.config().data).links() {
        let what = format!("{}; until then no share link is valid", chain(error));
        read.note(Severity::Degrades, "data", &what);
    }
}

/// Beacons are accepted without a store.
fn check_store(read: &mut ReadConfig, for_other_user: bool) {
    let config = read.config().clone();
    if read.is_refused("data") || !matches!(config.store, StoreConfig::Embedded { .. }) {
        return;
    }
    let mut degrades = |key: &str, what: String| {
        let what = format!("{what}; until then beacons wait in the spool and no report works");
        read.note(Severity::Degrades, key, &what);
    };
    if let Err(error) = Passwords::read(&config) {
        degrades("data", chain(error));
    }
    // The other user's cache directory is not known.
    if !for_other_user && let Err(error) = embedded::library() {
        degrades("store", chain(error));
    }
    let data = embedded::data_directory(&config);
    let usable = directory::check_usable(&data);
    if let Err(error) =
        usable.and_then(|_| if data.exists() { directory::check_entries(&data) } else { Ok(()) })
    {
        degrades("data", chain(error));
    }
}
