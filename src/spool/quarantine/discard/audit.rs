//! Steps 4 and 5 of [discarding](super::delete), and of [expiry](crate::spool::quarantine::expire): what was deleted reaches the audit.

use std::io;

use crate::spool::delivery::spool::Spool;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{QUARANTINE, read_all};
use crate::spool::quarantine::names::{PENDING_TOMBSTONE, TOMBSTONE, parse_expired_name};

impl Spool {
    /// Writes a row of the audit for each tombstone that has none. A crash in the middle may write it twice. It waits for each row,
    /// on a full disk until there is space; two calls at a time would write two rows each.
    pub(crate) async fn audit_discarded(&self) -> Result<(), SpoolError> {
        let quarantine = self.directory().join(QUARANTINE);
        let files =
            self.disk().list(&quarantine).map_err(|source| SpoolError::io("list", &quarantine, source))?;
        for name in files.iter().filter_map(|file| file.strip_suffix(PENDING_TOMBSTONE)) {
            let from = quarantine.join(format!("{name}{PENDING_TOMBSTONE}"));
            let to = quarantine.join(format!("{name}{TOMBSTONE}"));
            let failed = |source| SpoolError::io("audit", &from, source);
            let text = read_all(self.disk(), &from).map_err(failed)?;
            // Site ids and counts; no row.
            let detail = String::from_utf8(text).map_err(io::Error::other).map_err(failed)?;
            let is_expired = parse_expired_name(name).is_some();
            let action = if is_expired { "quarantined events expired" } else { "segment discarded" };
            self.append_audit(action, &detail)?.await?;
            let renamed =
                self.disk().rename(&from, &to).and_then(|()| self.disk().sync_directory(&quarantine));
            renamed.map_err(failed)?;
        }
        Ok(())
    }
}
