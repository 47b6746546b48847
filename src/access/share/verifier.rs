//! The valid share links in memory. They follow the file, so that a revoked link shows nothing after a second.
//!
//! When the file becomes unreadable, the links read before stay valid. When it is unreadable at the start, no link is valid.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::file::{ShareFile, ShareFileError, ShareLinks};
use super::link::{ShareLink, VerifiedToken};
use crate::secret::file_version::FileVersion;

/// A change of the file, for the audit.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareChange {
    Added(ShareLink),
    Revoked {
        link: ShareLink,
        /// Who revoked it on the page; `None` if somebody changed the file.
        by: Option<String>,
    },
}

#[derive(Debug)]
pub struct ShareVerifier {
    file: ShareFile,
    links: ArcSwap<ShareLinks>,
    /// Version of the file that was read last; `None` when there was no file.
    version: Mutex<Option<FileVersion>>,
    /// Changes that [`Self::changes`] has not returned yet.
    unreported: Mutex<Vec<ShareChange>>,
}

impl ShareVerifier {
    /// A verifier for the links of a file, and how many were read. When the file cannot be read, no link is valid until it can.
    pub fn open(file: ShareFile) -> (Arc<Self>, Result<usize, ShareFileError>) {
        let verifier =
            Self { file, links: ArcSwap::default(), version: Mutex::new(None), unreported: Mutex::default() };
        let read = verifier.changes().map(|changes| changes.len());
        (Arc::new(verifier), read)
    }

    pub fn file(&self) -> &ShareFile {
        &self.file
    }

    /// Reads the file if it has changed. The page does so after each change that it makes.
    ///
    /// # Errors
    /// When the file cannot be used. The links read before stay valid, and the next call tries again.
    pub fn reload_if_changed(&self) -> Result<(), ShareFileError> {
        let found = FileVersion::from_path(self.file.path()).ok();
        let mut version = self.version.lock();
        if *version == found {
            return Ok(());
        }
        let after = self.file.read()?;
        *version = found;
        let (before, now) = (self.links.load(), Timestamp::now());
        let is_new = |link: &&ShareLink| !before.links.contains(link);
        let is_gone = |link: &&ShareLink| !after.links.contains(link) && !link.expired(now);
        let revoked =
            before.links.iter().filter(is_gone).cloned().map(|link| ShareChange::Revoked { link, by: None });
        let added = after.links.iter().filter(is_new).cloned().map(ShareChange::Added);
        self.unreported.lock().extend(revoked.chain(added));
        self.links.store(Arc::new(after));
        Ok(())
    }

    /// Returns the changes since the last call, whoever noticed them. A link that expires is no change.
    ///
    /// # Errors
    /// As those of [`Self::reload_if_changed`].
    pub fn changes(&self) -> Result<Vec<ShareChange>, ShareFileError> {
        self.reload_if_changed()?;
        Ok(std::mem::take(&mut *self.unreported.lock()))
    }

    /// Revokes a link at once.
    ///
    /// # Errors
    /// When the site has no link of this name, or the file cannot be used.
    pub fn revoke(&self, site: &str, name: &str, by: &str) -> Result<(), ShareFileError> {
        self.file.revoke(site, name)?;
        self.reload_if_changed()?;
        for change in self.unreported.lock().iter_mut() {
            if let ShareChange::Revoked { link, by: unknown @ None } = change
                && link.site == site
                && link.name == name
            {
                *unknown = Some(by.to_owned());
            }
        }
        Ok(())
    }

    /// The link with this token; `None` when it is forged, expired or revoked.
    pub fn verify(&self, token: &str) -> Option<ShareLink> {
        let links = self.links.load();
        let found = VerifiedToken::parse(token, links.key.as_ref()?)?;
        let is_meant = |link: &&ShareLink| {
            link.id == found.id && link.site == found.site && link.expires.as_second() == found.expiry
        };
        let link = links.links.iter().find(is_meant)?;
        (!link.expired(Timestamp::now())).then(|| link.clone())
    }

    /// The links of a site that have not expired, each with its token.
    pub fn links_of(&self, site: &str) -> Vec<(ShareLink, String)> {
        let (links, now) = (self.links.load(), Timestamp::now());
        let Some(key) = &links.key else { return Vec::new() };
        let shown = links.links.iter().filter(|link| link.site == site && !link.expired(now));
        shown.map(|link| (link.clone(), link.token(key))).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::access::share::file::NewShareLink;

    #[test]
    fn a_link_is_valid_until_it_expires_or_is_revoked_and_a_copy_of_the_file_knows_it_too() {
        let [directory, fleet] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let file = ShareFile::new(directory.path());
        let add = |name: &str, expires: SignedDuration| {
            let (name, site, by) = (name.to_owned(), "clinic".to_owned(), "anna".to_owned());
            file.add(NewShareLink { name, site, by, expires: Timestamp::now() + expires, password: None })
                .unwrap()
        };
        let board = add("board", SignedDuration::from_hours(1));
        let (verifier, read) = ShareVerifier::open(file.clone());
        assert_eq!(read.unwrap(), 1);
        assert_eq!(verifier.verify(&board).unwrap().name, "board");
        let old = add("old", SignedDuration::from_secs(-1));
        assert_eq!(verifier.changes().unwrap().len(), 1);
        assert_eq!(verifier.verify(&old), None);
        assert_eq!(verifier.links_of("clinic").len(), 1);
        assert_eq!(verifier.links_of("clinic")[0].1, board);
        assert!(verifier.links_of("library").is_empty());
        std::fs::copy(file.path(), ShareFile::new(fleet.path()).path()).unwrap();
        let (copy, _) = ShareVerifier::open(ShareFile::new(fleet.path()));
        verifier.revoke("clinic", "board", "boris").unwrap();
        let changes = verifier.changes().unwrap();
        let [ShareChange::Revoked { link, by }] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((link.name.as_str(), by.as_deref()), ("board", Some("boris")));
        assert_eq!(verifier.verify(&board), None);
        assert!(copy.verify(&board).is_some());
        std::fs::remove_file(file.path()).unwrap();
        verifier.reload_if_changed().unwrap();
        let again = add("board", SignedDuration::from_hours(1));
        verifier.reload_if_changed().unwrap();
        assert!(verifier.verify(&again).is_some() && verifier.verify(&board).is_none(), "the key is another");
    }
}
