//! The promise under crashes and disk errors: every acknowledged event exists exactly once and in order.
//!
//! | module | what it tests |
//! |---|---|
//! | [`model`] | the model: what was acknowledged, and a store that accepts each token once |
//! | this one | random steps with random faults |
//! | [`exhaustive`] | fixed scripts with every fault at every operation |
//! | [`repair`] | recovery that is interrupted |
//! | [`full`] | a full disk |
//! | [`scenarios`] | kinds of damage by name |

mod exhaustive;
mod full;
mod model;
mod repair;
mod scenarios;

use std::io::ErrorKind;

use proptest::prelude::*;

use crate::spool::log::disk::test_disk::Fault;
use model::{Step, World};

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![Just(ErrorKind::Other), Just(ErrorKind::StorageFull)];
    prop_oneof![
        2 => Just(Fault::PowerCut),
        1 => (kind, any::<bool>(), any::<bool>())
            .prop_map(|(kind, done, lasting)| Fault::Error { kind, done, lasting }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(1..4_u32, 1..6).prop_map(Step::Append),
        1 => Just(Step::Dropped),
        1 => Just(Step::Audit),
        2 => Just(Step::Ship),
        1 => Just(Step::ShipAndLoseTheAnswer),
        1 => Just(Step::Quarantine),
        1 => Just(Step::Split),
        1 => Just(Step::Requeue),
        1 => Just(Step::Reopen),
        3 => (0..60_u64, fault()).prop_map(|(after, fault)| Step::Fault { after, fault }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_and_however_the_disk_fails_no_acknowledged_event_is_lost_or_doubled(
        steps in prop::collection::vec(step(), 1..40),
        sealed_by_time: bool,
        survives in 0..=8_u8,
        seed: u64,
    ) {
        let mut world = World::new(seed, survives, sealed_by_time);
        for step in &steps {
            world.apply(step);
        }
        world.apply(&Step::Reopen);
    }
}
