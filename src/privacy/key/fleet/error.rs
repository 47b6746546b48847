//! Why a collector cannot join or begin a fleet.

use super::id::FleetId;
use crate::privacy::key::error::KeyError;
use crate::secret::private_file::PrivateFileError;

/// The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(
        "`key_fleet` is not set: this collector makes a key of its own; set `key_fleet = true` on every member"
    )]
    NotAFleet,
    #[error("this collector has the key of fleet {0} already; add --replace to wipe it")]
    HasKey(FleetId),
    #[error(
        "this collector has no key of a fleet; run the command on a member that has one, or `footfall key init` for a new fleet"
    )]
    NoKey,
    #[error("this is not a request of a member; `footfall key import --request` prints one")]
    NotARequest,
    #[error(
        "no request is open here, or it has been used or has expired; run `footfall key import --request` again"
    )]
    NoRequest,
    #[error("this is not a key of a fleet; `footfall key export --for REQUEST` prints one")]
    NotSealed,
    #[error("the key cannot be opened: it was changed, or sealed for another request")]
    CannotOpen,
    #[error("the key is of another day than today; compare the clocks and `timezone` of both machines")]
    OtherDay,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    File(#[from] PrivateFileError),
}
