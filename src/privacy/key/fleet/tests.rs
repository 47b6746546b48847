//! Members of a fleet have one key or none, and no state gives an earlier one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmac::{Hmac, KeyInit, Mac as _};
use jiff::tz::TimeZone;
use sha2::Sha256;
use tempfile::TempDir;

use super::super::tests::{TestClock, at, id};
use super::super::{KeyError, KeyOrigin, KeyRing, KeySource};
use super::*;

const ZONE: &str = "Atlantic/Azores";
/// In winter it is midnight there at 01:00 UTC.
const MIDNIGHTS: [&str; 4] =
    ["2026-11-23T01:00:00Z", "2026-11-24T01:00:00Z", "2026-11-25T01:00:00Z", "2026-11-26T01:00:00Z"];

/// A machine of a fleet. All of its machines have one clock.
struct Machine {
    directory: TempDir,
    clock: Arc<TestClock>,
}

impl Machine {
    fn new(clock: &Arc<TestClock>) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: clock.clone() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ring(&self) -> KeyRing {
        let zone = TimeZone::get(ZONE).unwrap();
        KeyRing::open_from(KeySource::Fleet, self.path(), true, zone, self.clock.clone()).unwrap()
    }

    fn member(&self) -> FleetMember {
        FleetMember::open(self.path(), true, TimeZone::get(ZONE).unwrap(), self.clock.clone()).unwrap()
    }

    fn join(&self, other: &Machine) -> FleetSummary {
        let request = self.member().request().unwrap();
        let sealed = other.member().export(&request).unwrap();
        self.member().import(&sealed.text, false).unwrap()
    }

    /// The bytes of the state, by the description of the file's format.
    fn state(&self) -> Vec<u8> {
        fs::read(self.path().join("key")).unwrap()[41..73].to_vec()
    }
}

fn clock(now: &str) -> Arc<TestClock> {
    Arc::new(TestClock(AtomicI64::new(at(now).as_second())))
}

fn set(clock: &TestClock, now: &str) {
    clock.0.store(at(now).as_second(), Ordering::Relaxed);
}

/// The store says these numbers for the wanted days, or what the first member has noted.
fn share(rings: &[&KeyRing], seed: u8) {
    let first = rings[0].fleet_days().unwrap();
    let number = |day| *first.known.get(first.fleet, day).unwrap_or(&[seed ^ day as u8; 32]);
    rings.iter().for_each(|ring| say(ring, number));
}

fn say(ring: &KeyRing, number: impl Fn(i32) -> TurnRandomness) {
    let days = ring.fleet_days().unwrap();
    let mut found = KnownRandomness::new(days.fleet);
    days.wanted().for_each(|day| found.insert(day, number(day)));
    ring.note_randomness(&found).unwrap();
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(&u32::try_from(part.len()).unwrap().to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_state_gives_the_key_of_its_day_and_the_next_state_by_the_formulas_of_the_description() {
    let secret = [7; 32];
    let state = |day| FleetState::new(FleetId::from([1; 8]), day, Box::new(secret.into()));
    let mut known = KnownRandomness::new(FleetId::from([1; 8]));
    known.insert(101, [9; 32]);
    let next = state(100).advanced(101, &known).unwrap();
    assert_eq!(next.secret()[..], hmac(&secret, &[b"next state", &101_i32.to_le_bytes(), &[9; 32]]));
    assert_eq!(state(100).day_key()[..], hmac(&secret, &[b"day key", &100_i32.to_le_bytes()]));
    // These values must never change: members of two versions would have two keys.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&state(100).day_key()[..8]), "befdec4ca80b8a02");
    assert_eq!(hex(&next.secret()[..8]), "217a9a48bd81d233");
    assert!(state(100).advanced(102, &known).is_none(), "the number of day 102 is unknown");
    assert!(state(100).advanced(99, &known).is_none(), "no state leads back");
}

#[test]
fn two_members_have_the_same_key_over_three_turns_and_each_state_is_wiped() {
    let clock = clock("2026-11-22T09:00:00Z");
    let (one, two) = (Machine::new(&clock), Machine::new(&clock));
    one.member().begin(false).unwrap();
    let summary = two.join(&one);
    let (first, second) = (one.ring(), two.ring());
    assert_eq!(summary.fingerprint, first.status().fingerprint);
    let mut ids = vec![id(&first)];
    for (seed, midnight) in MIDNIGHTS.iter().take(3).enumerate() {
        assert_eq!(id(&first), id(&second));
        share(&[&first, &second], seed as u8);
        let (before, state) = (first.status(), one.state());
        set(&clock, midnight);
        let turns = (first.turn_if_due().unwrap(), second.turn_if_due().unwrap());
        assert_eq!(turns.0, turns.1, "also the epochs are the same");
        assert_eq!((turns.0.ended, i64::from(turns.0.epoch)), (before.fingerprint, at(midnight).as_second()));
        assert!(!ids.contains(&id(&first)));
        ids.push(id(&first));
        for machine in [&one, &two] {
            for entry in fs::read_dir(machine.path()).unwrap() {
                let bytes = fs::read(entry.unwrap().path()).unwrap();
                assert!(!bytes.windows(8).any(|window| window == &state[..8]), "a state outlives its day");
            }
        }
    }
    assert_eq!(id(&one.ring()), id(&two.ring()), "after a restart");
}

#[test]
fn a_member_that_slept_computes_the_days_that_it_has_numbers_for_and_has_no_key_after_more() {
    for (slept, has_key) in [(2, true), (3, false)] {
        let clock = clock("2026-11-22T09:00:00Z");
        let (one, two) = (Machine::new(&clock), Machine::new(&clock));
        one.member().begin(false).unwrap();
        two.join(&one);
        let first = one.ring();
        drop(two.ring());
        for midnight in &MIDNIGHTS[..=slept] {
            set(&clock, midnight);
            first.turn_if_due().unwrap();
            share(&[&first], 1);
        }
        let second = two.ring();
        assert!(second.turn_if_due().is_some(), "the key of its last day is wiped at once");
        assert_eq!(second.status().origin != KeyOrigin::Missing, has_key, "{slept}");
        assert_eq!(id(&first) == id(&second), has_key);
        assert_eq!(two.path().join("key").exists(), has_key);
    }
}

#[test]
fn a_member_without_the_number_of_a_day_loses_its_key_at_midnight_and_gets_it_from_another() {
    let clock = clock("2026-11-22T09:00:00Z");
    let (one, two) = (Machine::new(&clock), Machine::new(&clock));
    one.member().begin(false).unwrap();
    two.join(&one);
    let (first, second) = (one.ring(), two.ring());
    fs::remove_file(two.path().join("randomness")).unwrap();
    set(&clock, MIDNIGHTS[0]);
    first.turn_if_due().unwrap();
    let turn = second.turn_if_due().unwrap();
    assert!(turn.began.is_none() && !turn.ended.is_none());
    assert_eq!(second.status().origin, KeyOrigin::Missing);
    assert!(second.fleet_days().is_none() && !two.path().join("key").exists());
    assert_eq!(second.turn_if_due(), None, "once");
    two.join(&one);
    let turn = second.turn_if_due().unwrap();
    assert!(turn.ended.is_none());
    assert_eq!((turn.began, id(&second)), (first.status().fingerprint, id(&first)));
    assert!(matches!(second.rotate(), Err(KeyError::FleetRotation)));
}

#[test]
fn a_stopped_member_keeps_no_state_of_a_day_that_has_ended() {
    for knows in [true, false] {
        let clock = clock("2026-11-22T09:00:00Z");
        let one = Machine::new(&clock);
        let summary = one.member().begin(false).unwrap();
        let state = one.state();
        if !knows {
            fs::remove_file(one.path().join("randomness")).unwrap();
        }
        let expire = || KeyRing::expire(one.path(), true, TimeZone::get(ZONE).unwrap(), &*one.clock).unwrap();
        assert_eq!(expire(), None);
        set(&clock, MIDNIGHTS[0]);
        assert_eq!(expire(), Some((summary.epoch, summary.fingerprint)));
        assert_eq!(one.path().join("key").exists(), knows);
        assert!(!knows || one.state() != state);
        assert_eq!(one.ring().status().origin == KeyOrigin::Missing, !knows);
    }
}

#[test]
fn numbers_of_days_that_are_near_stay_as_they_were_noted() {
    let clock = clock("2026-11-22T09:00:00Z");
    let one = Machine::new(&clock);
    one.member().begin(false).unwrap();
    let ring = one.ring();
    let noted = ring.fleet_days().unwrap();
    say(&ring, |_| [2; 32]);
    let days = ring.fleet_days().unwrap();
    let changed = |day: i32| noted.known.get(noted.fleet, day) != days.known.get(days.fleet, day);
    assert_eq!(days.wanted().map(changed).collect::<Vec<_>>(), [false, true, true]);
    // A turn that comes late needs the number of its day, whatever the store says after midnight.
    set(&clock, MIDNIGHTS[0]);
    say(&ring, |_| [3; 32]);
    ring.turn_if_due().unwrap();
    assert_ne!(ring.status().origin, KeyOrigin::Missing);
    let other = KnownRandomness::new(FleetId::from([1; 8]));
    assert!(other.get(FleetId::from([2; 8]), 1).is_none());
}

#[test]
fn a_sealed_state_is_opened_once_in_its_time_by_the_member_that_asked() {
    let clock = clock("2026-11-22T09:00:00Z");
    let (one, two, three) = (Machine::new(&clock), Machine::new(&clock), Machine::new(&clock));
    assert!(matches!(two.member().export(&two.member().request().unwrap()), Err(FleetError::NoKey)));
    one.member().begin(false).unwrap();
    let request = two.member().request().unwrap();
    let sealed = one.member().export(&MemberRequest::parse(&request.to_string()).unwrap()).unwrap().text;
    assert!(!sealed.contains(&request.to_string()[20..]));

    assert!(matches!(three.member().import(&sealed, false), Err(FleetError::NoRequest)));
    three.member().request().unwrap();
    assert!(matches!(three.member().import(&sealed, false), Err(FleetError::CannotOpen)), "another request");
    for at in [20, sealed.len() / 2, sealed.len() - 2] {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let error = two.member().import(&changed, false).unwrap_err();
        assert!(matches!(error, FleetError::CannotOpen | FleetError::NotSealed), "{at}: {error}");
    }
    assert!(matches!(two.member().import("key", false), Err(FleetError::NotSealed)));
    assert!(matches!(MemberRequest::parse(&sealed), Err(FleetError::NotARequest)));

    two.member().import(&format!("{sealed}\n"), false).unwrap();
    assert_eq!(id(&one.ring()), id(&two.ring()));
    assert!(!two.path().join("request").exists());
    assert!(matches!(two.member().import(&sealed, true), Err(FleetError::NoRequest)), "once");

    let request = three.member().request().unwrap();
    let sealed = one.member().export(&request).unwrap().text;
    set(&clock, "2026-11-22T09:10:00Z");
    assert!(matches!(three.member().import(&sealed, false), Err(FleetError::NoRequest)), "too late");
    assert!(!three.path().join("request").exists(), "an expired request is wiped");
    three.member().request().unwrap();
    let ring = three.ring();
    set(&clock, "2026-11-22T09:20:00Z");
    assert_eq!(ring.turn_if_due(), None);
    assert!(!three.path().join("request").exists(), "also by a collector that runs");
    let request = three.member().request().unwrap();
    let sealed = one.member().export(&request).unwrap().text;
    three.member().import(&sealed, false).unwrap();
    let error = three.member().begin(false).unwrap_err();
    assert!(matches!(error, FleetError::HasKey(_)), "{error}");
    assert_eq!(id(&one.ring()), id(&three.ring()));
}

#[test]
fn a_new_fleet_has_another_key_on_the_same_day_and_a_collector_alone_never_uses_a_state() {
    let clock = clock("2026-11-22T09:00:00Z");
    let one = Machine::new(&clock);
    assert_eq!(one.ring().status().origin, KeyOrigin::Missing, "no member makes a key by itself");
    let lost = one.member().begin(false).unwrap();
    let ring = one.ring();
    set(&clock, "2026-11-22T11:00:00Z");
    let new = one.member().begin(true).unwrap();
    assert!(new.fleet != lost.fleet && new.epoch > lost.epoch);
    let turn = ring.turn_if_due().unwrap();
    assert_eq!((turn.ended, turn.began), (lost.fingerprint, new.fingerprint));
    let zone = TimeZone::get(ZONE).unwrap();
    let alone = KeyRing::open(one.path(), true, zone, one.clock.clone()).unwrap();
    assert_eq!(alone.status().origin, KeyOrigin::Own);
    assert_eq!(alone.turn_if_due().unwrap().ended, new.fingerprint);
    // And a member of a fleet uses no key of its own.
    assert_eq!(one.ring().status().origin, KeyOrigin::Missing);
    assert!(!one.path().join("key").exists());
}

#[test]
fn a_clock_that_is_far_ahead_and_set_right_leaves_no_key() {
    let clock = clock("2026-11-22T09:00:00Z");
    let one = Machine::new(&clock);
    one.member().begin(false).unwrap();
    let ring = one.ring();
    set(&clock, MIDNIGHTS[1]);
    ring.turn_if_due().unwrap();
    set(&clock, "2026-11-22T10:00:00Z");
    assert!(ring.turn_if_due().unwrap().began.is_none());
    assert_eq!(ring.status().origin, KeyOrigin::Missing);
}
