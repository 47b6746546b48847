//! One key for a fleet: several collectors behind one balancer make the same pseudonyms.
//!
//! Every member has the same state, in the place where a collector alone has its key. The state gives the key of its day and, with a random
//! number, the state of the next day. It never gives an earlier one: each step is an HMAC, and the state before it is overwritten.
//!
//! ```text
//! key of day d      = HMAC-SHA-256(state of d, "day key", d)
//! state of d + 1    = HMAC-SHA-256(state of d, "next state", d + 1, random number of d + 1)
//! ```
//!
//! `d` is the number of days since 1970-01-01, 4 bytes, little-endian. Each part is preceded by its length, as in `identity.rs`.
//!
//! The random number of a day is public. Members agree on it through the store, three days before it is needed:
//!
//! 1. A member draws a number and inserts it under a deduplication token that names the fleet and the day. The store keeps the first insert
//!    with a token and ignores all others, so a day has one number.
//! 2. Every member reads the number from the store, also the one that drew it, and notes it in its directory.
//! 3. At midnight every member computes the next state from the number that it has noted. It asks nobody.
//! 4. A member that has not noted the number overwrites its state and has no key. It never goes on without the number, because others may
//!    have noted it. So two members have the same key, or one of them has none.
//!
//! | what happens | then |
//! |---|---|
//! | a crash or an error in step 1 | the member inserts again under the same token |
//! | a crash after step 1, before step 2 | the store has the number; the member reads it |
//! | a replica lags in step 2 | the number is missing there; the member reads again some minutes later |
//! | a crash in step 3 | the key's file has one of both states (`key/file.rs`); the next start ends the step |
//! | a member is down over one to three midnights | its start computes the states of all days that have passed |
//! | a member is down, or the store is away, for longer | step 4: the member needs the state of another member |
//!
//! A thief of a state has the key of its day, and the keys of the days whose numbers are drawn. For later days they must also read the
//! store, day after day. The store alone gives nothing.

mod error;
mod id;
mod randomness;
mod state;
#[cfg(test)]
mod tests;
mod transfer;

pub use error::FleetError;
pub use id::FleetId;
pub(super) use randomness::RandomnessFile;
pub use randomness::{DAYS_AHEAD, KnownRandomness, TurnRandomness, parse_randomness, randomness_text};
pub(super) use state::FleetState;
pub(super) use transfer::wipe_expired_request;
pub use transfer::{FleetMember, FleetSummary, MemberRequest, SealedState};
