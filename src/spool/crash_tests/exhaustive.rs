//! Fixed scripts, each run with every fault at every operation of the disk, so that nothing depends on chance.

use std::io::ErrorKind;

use super::model::{Step, World};
use crate::spool::log::disk::test_disk::Fault;

/// How many eighths of what was not synced survive a power cut: none, half of them by chance, all.
const SURVIVALS: [u8; 3] = [0, 4, 8];
/// Random seeds for each operation.
const DRAWS: u64 = 2;

/// Everything that a spool does, a few times: five segments are sealed, two are shipped, one is sent twice, one is quarantined, one is
/// split and a half of it is quarantined. Both are requeued. The spool is opened four times.
fn script() -> Vec<Step> {
    use Step::*;
    vec![
        Append(vec![1, 3]),
        Dropped,
        Audit,
        Append(vec![2]),
        Append(vec![3, 2]),
        Settle,
        Ship,
        Append(vec![3, 3, 3]),
        Settle,
        ShipAndLoseTheAnswer,
        Append(vec![1]),
        Reopen,
        Ship,
        Append(vec![9]),
        Settle,
        Quarantine,
        Dropped,
        Append(vec![2, 2]),
        Reopen,
        Split,
        Ship,
        Quarantine,
        Reopen,
        Requeue,
        Ship,
        Ship,
    ]
}

/// A segment is quarantined, requeued and split. The halves have other ids, so the store would not recognise a copy of the segment that
/// was left in an earlier place.
fn there_and_back() -> Vec<Step> {
    use Step::*;
    vec![Append(vec![4, 5]), Settle, Quarantine, Requeue, Reopen, Split, Ship, Ship, Ship, Requeue, Ship]
}

/// Runs a script with a fault after so many operations. Returns whether the fault happened before the end.
fn run(script: &[Step], after: u64, fault: Fault, survives: u8, seed: u64) -> bool {
    let mut world = World::new(seed, survives, false);
    world.apply(&Step::Fault { after, fault });
    for step in script {
        world.apply(step);
    }
    world.apply(&Step::Reopen);
    world.disk.fault_came()
}

/// Runs a script once with the fault at each of its operations. Returns the number of operations.
fn at_every_operation(script: &[Step], fault: Fault, survivals: &[u8], draws: u64) -> u64 {
    let mut after = 0;
    loop {
        let mut met = false;
        for &survives in survivals {
            for seed in 0..draws {
                met |= run(script, after, fault, survives, seed);
            }
        }
        if !met {
            return after;
        }
        after += 1;
    }
}

/// A shorter script would test too little.
const LEAST_OPERATIONS: u64 = 150;

#[test]
fn a_power_cut_at_any_operation_loses_and_doubles_nothing() {
    assert!(at_every_operation(&script(), Fault::PowerCut, &SURVIVALS, DRAWS) > LEAST_OPERATIONS);
}

#[test]
fn a_power_cut_while_a_segment_is_moved_leaves_it_in_one_place() {
    assert!(
        at_every_operation(&there_and_back(), Fault::PowerCut, &SURVIVALS, 2 * DRAWS) > LEAST_OPERATIONS / 2
    );
}

/// A process dies and leaves something unsynced; the next one builds on it, until the power fails.
#[test]
fn a_power_cut_soon_after_an_interrupted_move_leaves_a_segment_in_one_place() {
    // Drawn at random, because all of them take minutes.
    const SOON: u64 = 80;
    const CUTS: u64 = 4;
    let ended = Fault::Error { kind: ErrorKind::Other, done: false, lasting: true };
    for after in 0.. {
        let mut random = fastrand::Rng::with_seed(after);
        for draw in 0..CUTS {
            let mut world = World::new(draw, 4, false);
            world.apply(&Step::Fault { after, fault: ended });
            let mut came = false;
            for step in &there_and_back() {
                world.apply(step);
                if !came && world.disk.fault_came() {
                    came = true;
                    world.apply(&Step::Fault { after: random.u64(..SOON), fault: Fault::PowerCut });
                    world.apply(&Step::Reopen);
                }
            }
            world.apply(&Step::Reopen);
            if !came {
                assert!(after > LEAST_OPERATIONS / 2);
                return;
            }
        }
    }
}

#[test]
fn an_error_of_the_disk_at_any_operation_loses_and_doubles_nothing() {
    for done in [false, true] {
        for lasting in [false, true] {
            let fault = Fault::Error { kind: ErrorKind::Other, done, lasting };
            assert!(at_every_operation(&script(), fault, &[0, 4], 1) > LEAST_OPERATIONS, "{fault:?}");
        }
    }
}

#[test]
fn a_full_disk_at_any_operation_loses_and_doubles_nothing() {
    for lasting in [false, true] {
        let fault = Fault::Error { kind: ErrorKind::StorageFull, done: false, lasting };
        assert!(at_every_operation(&script(), fault, &[0, 4], 1) > LEAST_OPERATIONS, "{fault:?}");
    }
}
