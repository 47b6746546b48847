//! The random numbers of coming days, as a member has noted them. They are public.
//!
//! ```text
//! footfall randomness 1
//! fleet 0123456789abcdef
//! 20789 64 hexadecimal digits      for each day: days since 1970-01-01, and its number
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::error::FleetError;
use super::id::FleetId;
use crate::privacy::key::error::KeyError;
use crate::secret::private_file::{self, OthersMay};

/// For so many days after today the numbers are drawn and noted. A longer time would survive a longer failure of the store, and would give
/// more keys to a thief of a state.
pub const DAYS_AHEAD: i32 = 3;

/// The random number of one day.
pub type TurnRandomness = [u8; 32];

const HEADER: &str = "footfall randomness 1";
const LONGEST: u64 = 4096;

/// Numbers by their day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRandomness {
    fleet: Option<FleetId>,
    days: BTreeMap<i32, TurnRandomness>,
}

impl KnownRandomness {
    pub fn new(fleet: FleetId) -> Self {
        Self { fleet: Some(fleet), days: BTreeMap::new() }
    }

    /// Numbers for the days after `today`, for a fleet that nobody knows yet.
    pub(super) fn draw(fleet: FleetId, today: i32) -> Result<Self, KeyError> {
        let mut drawn = Self::new(fleet);
        for day in today + 1..=today + DAYS_AHEAD {
            drawn.days.insert(day, Self::draw_one()?);
        }
        Ok(drawn)
    }

    /// A number that nobody can guess.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn draw_one() -> Result<TurnRandomness, KeyError> {
        let mut number = [0; 32];
        getrandom::fill(&mut number).map_err(KeyError::Random)?;
        Ok(number)
    }

    pub fn get(&self, fleet: FleetId, day: i32) -> Option<&TurnRandomness> {
        self.days.get(&day).filter(|_| self.is_of(fleet))
    }

    /// Keeps the numbers if they belong to this fleet. Otherwise returns an empty list.
    pub(in crate::privacy::key) fn for_fleet(self, fleet: FleetId) -> Self {
        if self.is_of(fleet) { self } else { Self::new(fleet) }
    }

    pub(in crate::privacy::key) fn is_of(&self, fleet: FleetId) -> bool {
        self.fleet == Some(fleet)
    }

    /// The last of the days after `today` whose numbers are all known; `today` if the next one is unknown.
    pub fn last_day(&self, today: i32) -> i32 {
        (today + 1..).find(|day| !self.days.contains_key(day)).unwrap_or(today + 1) - 1
    }

    /// Takes over what the store says of the same fleet, and forgets days that have begun.
    ///
    /// A number that was noted is replaced only while its day is more than a day away. The store says something else when it was replaced or
    /// lost rows. Then a day is long enough for all members to read the same.
    pub(in crate::privacy::key) fn merge(&mut self, found: &Self, today: i32) {
        for (&day, &number) in &found.days {
            if day > today + 1 || !self.days.contains_key(&day) {
                self.days.insert(day, number);
            }
        }
        self.days.retain(|day, _| *day > today);
    }

    /// Adds the number of a day.
    pub fn insert(&mut self, day: i32, number: TurnRandomness) {
        self.days.insert(day, number);
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(fleet) = self.fleet {
            let _ = writeln!(text, "fleet {fleet}");
        }
        for (day, number) in &self.days {
            let _ = writeln!(text, "{day} {}", randomness_text(number));
        }
        text
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return None;
        }
        let fleet = FleetId::parse(lines.next()?.strip_prefix("fleet ")?)?;
        let day = |line: &str| {
            let (day, number) = line.split_once(' ')?;
            Some((day.parse().ok()?, parse_randomness(number)?))
        };
        Some(Self { fleet: Some(fleet), days: lines.map(day).collect::<Option<_>>()? })
    }
}

/// 64 hexadecimal digits.
pub fn randomness_text(number: &TurnRandomness) -> String {
    number.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads what [`randomness_text`] writes.
pub fn parse_randomness(text: &str) -> Option<TurnRandomness> {
    let mut number = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in number.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(number)
}

/// The file in the key's directory. It is changed under the lock of the key.
pub(in crate::privacy::key) struct RandomnessFile(PathBuf);

impl RandomnessFile {
    pub(in crate::privacy::key) fn new(directory: &Path) -> Self {
        Self(directory.join("randomness"))
    }

    /// Nothing if the file is missing or damaged.
    ///
    /// # Errors
    /// When the file cannot be read. It may be readable the next time.
    pub(in crate::privacy::key) fn read(&self) -> Result<KnownRandomness, FleetError> {
        let text = private_file::read(&self.0, OthersMay::Read, LONGEST)?;
        Ok(text.and_then(|text| KnownRandomness::parse(&text)).unwrap_or_default())
    }

    pub(in crate::privacy::key) fn write(&self, known: &KnownRandomness) -> Result<(), FleetError> {
        Ok(private_file::lock(&self.0)?.replace(&known.to_text())?)
    }
}
