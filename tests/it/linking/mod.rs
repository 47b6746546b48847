//! An attacker who has every table tries to find people again: after a turn of the key, and on another site.
//!
//! `LINKING_PROGRAM=/path/to/footfall` runs the same attack on another build and asserts nothing: that gives the figures of `docs/privacy.md`
//! for the state before pseudonyms ended with their epoch. Show them with `cargo test --test it linking -- --nocapture`.

mod attacker;
mod people;
mod unique;

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;

use self::attacker::{Group, groups, link, pseudonyms_elsewhere, read_tables, recurrences};
use self::people::{Site, everybody, people, write_places};
use crate::common::{Collector, eventually, eventually_while_progressing, seed};

/// Name of the event that says who somebody is, for the score.
const MARK: &str = "mark";
const PEOPLE: usize = 600;
const PATIENCE: Duration = Duration::from_secs(60);
/// Between the parts of the day, so that times tell them apart.
const PAUSE: Duration = Duration::from_secs(3);
/// What the attacker gains from everything together, over what describes browser and place: at most this share of the guesses.
const MOST_GAIN: f64 = 0.1;

/// A collector of both sites, and whether what it must keep is asserted.
fn collector(settings: &str) -> (Collector, bool) {
    let settings =
        format!("geo = [\"city.mmdb\", \"asn.mmdb\"]\n[spool]\nseal_after = \"500ms\"\n{settings}");
    let collector = Collector::new(&settings);
    write_places(&collector);
    match std::env::var_os("LINKING_PROGRAM") {
        Some(program) => (collector.program(Path::new(&program)), false),
        None => (collector, true),
    }
}

/// Turns the key of a running collector.
fn turn(collector: &Collector) {
    let epoch = || {
        let metrics = collector.metrics();
        let mut lines = metrics.lines();
        lines.find(|line| line.starts_with("footfall_key_epoch_start_timestamp_seconds ")).map(str::to_owned)
    };
    let before = epoch();
    assert!(collector.command(&["key", "rotate"]).status.success());
    eventually("the key has turned", PATIENCE, || epoch() != before);
}

/// Waits until everything that was sent is in the store.
fn wait_until_stored(collector: &Collector) {
    eventually_while_progressing("the spool is empty", PATIENCE, || {
        let metrics = collector.metrics();
        let rows = metrics.lines().find_map(|line| line.strip_prefix("footfall_spool_rows "));
        rows.filter(|rows| *rows != "0").map(str::to_owned)
    });
}

#[test]
fn an_attacker_with_all_tables_finds_nobody_by_identifiers_over_a_turn_of_the_key_or_over_sites() {
    let seed = seed();
    let (mut collector, is_asserted) = collector(&Site::settings());
    collector.start();
    let mut people = people(seed, PEOPLE);
    let target = collector.listen;
    // Before the turn: those who will be gone by then or leave a tab open, then those who are in the middle of a visit.
    everybody(&mut people, target, |person, http| {
        if person.habits.comes_before && !person.habits.is_reading {
            let referrer = person.referrer();
            person.visit(http, Site::A, referrer, person.habits.leaves_tab);
        }
    });
    std::thread::sleep(PAUSE);
    everybody(&mut people, target, |person, http| {
        if person.habits.is_reading {
            let referrer = person.referrer();
            person.visit(http, Site::A, referrer, true);
        }
    });
    turn(&collector);
    everybody(&mut people, target, |person, http| {
        if person.habits.is_reading {
            person.go_on(http, true);
        }
    });
    std::thread::sleep(PAUSE);
    everybody(&mut people, target, |person, http| {
        person.go_on(http, false);
        if person.habits.returns {
            let referrer = person.referrer();
            person.visit(http, Site::A, referrer, false);
        }
        if person.habits.visits_other_site {
            let referrer = person.link();
            person.visit(http, Site::B, &referrer, false);
        }
    });
    wait_until_stored(&collector);
    // Visits and daily figures of today are computed when a report is requested.
    let report = collector.command(&["report", "overview", "--site", Site::A.id()]);
    assert!(report.status.success(), "{report:?}");

    let tables = read_tables(&collector.store);
    for name in ["events", "visits", "visits_stored", "daily", "daily_stored", "segments", "audit"] {
        assert!(!is_asserted || !tables[name].is_empty(), "{name} is read: {:?}", tables.keys());
    }
    let groups = groups(&tables);
    let elsewhere = pseudonyms_elsewhere(&tables, &groups);
    assert!(!is_asserted || elsewhere.is_empty(), "{elsewhere:?}");
    let of = |site: Site| -> Vec<&Group> {
        groups.iter().filter(|((id, _), _)| id == site.id()).map(|(_, group)| group).collect()
    };
    let ([before, after], [elsewhere]) = (&of(Site::A)[..], &of(Site::B)[..]) else {
        panic!("two epochs of site A and one of site B: {:?}", groups.keys())
    };
    let mut rng = Rng::with_seed(seed);
    for (what, first, second) in [("over a turn of the key", before, after), ("over sites", after, elsewhere)]
    {
        println!("\n{what}: {} visitors, {} candidates", first.len(), second.len());
        attack(first, second, is_asserted, &mut rng);
    }
}

fn attack(first: &Group, second: &Group, is_asserted: bool, rng: &mut Rng) {
    println!("\n| column with values of one visitor | values | recur | by chance |\n|---|---|---|---|");
    for it in recurrences(first, second) {
        println!(
            "| `{}` | {} and {} | {} | {:.2} |",
            it.column, it.values.0, it.values.1, it.recurring, it.expected
        );
        assert!(!is_asserted || it.is_by_chance(), "values recur more often than by chance: {it:?}");
    }
    let scores = link(first, second, rng);
    println!("\n| clue | guesses | right | precision | chance | found of who came again | surest tenth |");
    println!("|---|---|---|---|---|---|---|");
    for score in &scores {
        println!(
            "| {} | {} | {} | {:.1} % | {:.1} % | {:.1} % | {} of {} |",
            score.clue,
            score.guesses,
            score.right,
            score.precision() * 100.0,
            score.chance * 100.0,
            score.right as f64 * 100.0 / score.partners as f64,
            score.surest.1,
            score.surest.0
        );
        assert!(
            !is_asserted || !score.must_not_help || score.is_by_chance(),
            "better than chance: {score:?}"
        );
    }
    let [.., description, all] = &scores[..] else { panic!("there are scores") };
    let gain = (all.right as f64 - description.right as f64) / description.guesses as f64;
    assert!(!is_asserted || gain < MOST_GAIN, "{description:?} {all:?}");
}
