//! How a state gets from one member to another: sealed for one request, which opens it once.
//!
//! 1. The new member makes a key pair (X25519), keeps the private half in its key directory for ten minutes, and prints the public half.
//! 2. A member that has the state seals it for that public key (HPKE, RFC 9180).
//! 3. The new member opens it, overwrites the private half, and then writes the state. From then on nobody can open the sealed text.
//!
//! | a crash after | then |
//! |---|---|
//! | 1 or 2 | the private half is wiped when its time has passed: by the collector, its start, or `key expire` |
//! | 3, before the state is written | the request is used; a new one is needed |

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::error::FleetError;
use super::id::FleetId;
use super::randomness::KnownRandomness;
use super::state::FleetState;
use crate::privacy::clock::Clock;
use crate::privacy::epoch::EpochSchedule;
use crate::privacy::key::directory::KeyDirectory;
use crate::privacy::key::epoch_key::{EpochKey, KeyFingerprint, seconds};
use crate::privacy::key::error::KeyError;
use crate::privacy::key::file::{KeyFile, wipe};
use crate::privacy::key::format::{StoredKey, StoredSecret, decode, encode};
use crate::privacy::key::source::KeySource;
use crate::secret::private_file::{self, OthersMay, PrivateFileError};

/// How long a sealed state can be opened: time enough for two commands.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Binds the ciphertext to its purpose.
const PURPOSE: &[u8] = b"footfall fleet key 1";
const REQUEST_PREFIX: &str = "footfall-request-1.";
const SEALED_PREFIX: &str = "footfall-sealed-1.";
const REQUEST_HEADER: &str = "footfall request 1";
/// Bytes from which the key pair is derived.
const SEED: usize = 32;
const LONGEST_REQUEST: u64 = 256;

type MemberKey<P> = <P as Kem>::PublicKey;

/// Identifies a fleet's key, without anything secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetSummary {
    pub fleet: FleetId,
    /// The key of today.
    pub fingerprint: KeyFingerprint,
    /// Unix time in s at which it came into force.
    pub epoch: u32,
}

/// What a new member asks with: a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRequest(Vec<u8>);

impl MemberRequest {
    /// # Errors
    /// [`FleetError::NotARequest`].
    pub fn parse(text: &str) -> Result<Self, FleetError> {
        let bytes = unprefixed(text, REQUEST_PREFIX).ok_or(FleetError::NotARequest)?;
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&bytes).map_err(|_| FleetError::NotARequest)?;
        Ok(Self(bytes.to_vec()))
    }
}

impl fmt::Display for MemberRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{REQUEST_PREFIX}{}", URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// A state that only the member with the request can open.
#[derive(Debug, Clone)]
pub struct SealedState {
    pub text: String,
    pub summary: FleetSummary,
}

/// The key directory of a member, for the commands that begin a fleet and join it.
pub struct FleetMember {
    place: KeyDirectory,
    clock: Arc<dyn Clock>,
}

impl FleetMember {
    /// # Errors
    /// As [`KeyRing::open`](super::super::KeyRing::open).
    pub fn open(
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let place =
            KeyDirectory::open(directory, on_disk_allowed, EpochSchedule::new(zone), KeySource::Fleet)?;
        Ok(Self { place, clock })
    }

    /// Makes the first state of a new fleet. `replace` wipes a state that is there.
    ///
    /// # Errors
    /// When there is one, or the directory cannot be written.
    pub fn begin(&self, replace: bool) -> Result<FleetSummary, FleetError> {
        let now = self.now();
        let state = FleetState::random(self.place.schedule.day(now))?;
        let known = KnownRandomness::draw(state.fleet(), state.day())?;
        let stored = StoredKey { epoch: seconds(now), since: now, secret: StoredSecret::Fleet(state) };
        self.install(stored, &known, replace)
    }

    /// Opens a request, in the place of an earlier one.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn request(&self) -> Result<MemberRequest, FleetError> {
        let mut seed = Zeroizing::new([0; SEED]);
        getrandom::fill(seed.as_mut_slice()).map_err(KeyError::Random)?;
        let (_, public) = X25519HkdfSha256::derive_keypair(seed.as_slice());
        let expires = (self.now() + LIFETIME).as_second();
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(seed.as_slice()));
        let text = Zeroizing::new(format!("{REQUEST_HEADER}\n{expires}\n{}\n", *encoded));
        let lock = self.place.file.lock()?;
        wipe(&self.request_path())?;
        private_file::lock(&self.request_path())?.replace(&text)?;
        drop(lock);
        Ok(MemberRequest(public.to_bytes().to_vec()))
    }

    /// Seals the state for a request.
    ///
    /// # Errors
    /// When today's state is missing.
    pub fn export(&self, request: &MemberRequest) -> Result<SealedState, FleetError> {
        let lock = self.place.file.lock()?;
        let read = self.place.file.read(&lock)?;
        let (stored, version) = read.ok_or(FleetError::NoKey)?;
        let StoredSecret::Fleet(state) = &stored.secret else { return Err(FleetError::NoKey) };
        if state.day() != self.place.schedule.day(self.now()) {
            return Err(FleetError::OtherDay);
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(4096));
        let encoded = encode(&stored);
        plain.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
        plain.extend_from_slice(&encoded);
        let known = self.place.randomness.read()?.for_fleet(state.fleet());
        plain.extend_from_slice(known.to_text().as_bytes());
        let public =
            MemberKey::<X25519HkdfSha256>::from_bytes(&request.0).map_err(|_| FleetError::NotARequest)?;
        let (encapsulated, sealed) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            PURPOSE,
            &plain,
            b"",
        )
        .map_err(|_| FleetError::NotARequest)?;
        let bytes = [&encapsulated.to_bytes()[..], &sealed].concat();
        let text = format!("{SEALED_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let (key, _) = EpochKey::new(stored, version, &self.place.schedule)?;
        Ok(SealedState { text, summary: summary(&key)? })
    }

    /// Opens a sealed state, and wipes the request. `replace` wipes a state that is there.
    ///
    /// # Errors
    /// When it was not sealed for the open request, or was changed; when there is a state; or when the directory cannot be written.
    pub fn import(&self, sealed: &str, replace: bool) -> Result<FleetSummary, FleetError> {
        let bytes = unprefixed(sealed, SEALED_PREFIX).ok_or(FleetError::NotSealed)?;
        let seed = self.open_request()?;
        let (private, _) = X25519HkdfSha256::derive_keypair(seed.as_slice());
        let length = <X25519HkdfSha256 as Kem>::EncappedKey::size();
        let (encapsulated, sealed) = bytes.split_at_checked(length).ok_or(FleetError::NotSealed)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated)
            .map_err(|_| FleetError::NotSealed)?;
        let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            PURPOSE,
            sealed,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| FleetError::CannotOpen)?;
        let (stored, known) = read_plain(&plain).ok_or(FleetError::CannotOpen)?;
        let today = self.place.schedule.day(self.now());
        let StoredKey { epoch, since, secret: StoredSecret::Fleet(state) } = stored else {
            return Err(FleetError::NotSealed);
        };
        if state.day() != today {
            return Err(FleetError::OtherDay);
        }
        self.install(StoredKey { epoch, since, secret: StoredSecret::Fleet(state) }, &known, replace)
    }

    /// Writes a state and the numbers that belong to it. A request that is open is used up before.
    fn install(
        &self,
        stored: StoredKey,
        known: &KnownRandomness,
        replace: bool,
    ) -> Result<FleetSummary, FleetError> {
        let lock = self.place.file.lock()?;
        if let Some((StoredKey { secret: StoredSecret::Fleet(state), .. }, _)) =
            self.place.file.read(&lock)?
            && !replace
        {
            return Err(FleetError::HasKey(state.fleet()));
        }
        wipe(&self.request_path())?;
        self.place.randomness.write(known)?;
        let version = self.place.file.replace(&lock, &stored)?;
        let (key, _) = EpochKey::new(stored, version, &self.place.schedule)?;
        summary(&key)
    }

    /// The seed of the open request.
    fn open_request(&self) -> Result<Zeroizing<Vec<u8>>, FleetError> {
        wipe_expired_request(&self.place.file, self.clock.now())?;
        let text = private_file::read(&self.request_path(), OthersMay::Nothing, LONGEST_REQUEST)?;
        let text = text.ok_or(FleetError::NoRequest)?;
        let seed = text.lines().nth(2).and_then(|line| URL_SAFE_NO_PAD.decode(line).ok());
        seed.map(Zeroizing::new).ok_or(FleetError::NoRequest)
    }

    fn request_path(&self) -> PathBuf {
        request_path(&self.place.file)
    }

    /// The file holds whole seconds: a key must look the same before and after a restart.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }
}

fn request_path(file: &KeyFile) -> PathBuf {
    file.directory().join("request")
}

/// Wipes a request that is too old or damaged, or that others may read, if there is one.
pub(in crate::privacy::key) fn wipe_expired_request(
    file: &KeyFile,
    now: Timestamp,
) -> Result<(), FleetError> {
    let path = request_path(file);
    let text = match private_file::read(&path, OthersMay::Nothing, LONGEST_REQUEST) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(()),
        Err(PrivateFileError::Exposed { .. } | PrivateFileError::TooLong { .. }) => return Ok(wipe(&path)?),
        Err(error) => return Err(error.into()),
    };
    let mut lines = text.lines();
    let expires = (lines.next() == Some(REQUEST_HEADER)).then(|| lines.next()?.parse::<i64>().ok()).flatten();
    // A clock that was set back must not make it last longer.
    let latest = (now + LIFETIME).as_second();
    if expires.is_none_or(|expires| now.as_second() >= expires || expires > latest) {
        wipe(&path)?;
    }
    Ok(())
}

fn summary(key: &EpochKey) -> Result<FleetSummary, FleetError> {
    let fleet = key.fleet().ok_or(FleetError::NoKey)?;
    Ok(FleetSummary { fleet, fingerprint: key.fingerprint, epoch: key.epoch })
}

/// The stored state and the numbers of coming days.
fn read_plain(plain: &[u8]) -> Option<(StoredKey, KnownRandomness)> {
    let (length, rest) = plain.split_first_chunk()?;
    let (stored, known) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let known = KnownRandomness::parse(str::from_utf8(known).ok()?)?;
    Some((decode(stored)?, known))
}

/// The bytes of a text behind its prefix. White space around it does not count.
fn unprefixed(text: &str, prefix: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text.trim().strip_prefix(prefix)?).ok().map(Zeroizing::new)
}
