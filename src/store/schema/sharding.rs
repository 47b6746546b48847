//! On which shard of a cluster a row lies, and how that changes when the cluster grows.
//!
//! A Distributed table gives a row to the shard whose index is the remainder of its sharding expression by the number of shards. A new shard alone would
//! divide every row in another way: an insert that is repeated would store rows twice, and a visitor's events of one day would lie on two shards. So the
//! expression says from which moment on how many shards count. A new shard is used by events of days that begin later.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days between the decision and the first day that uses a new shard: every collector and every node must know of it by then.
const DAYS_AHEAD: i64 = 3;

/// How many shards count from which moment on. It is stored as text, such as `2,1796338800:3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// Unix seconds and a number of shards, in order. The first one's moment is 0 and stands for the beginning of time.
    steps: Vec<(i64, u32)>,
}

impl Sharding {
    /// The same number of shards at all times.
    pub fn new(shards: u32) -> Self {
        Self { steps: vec![(0, shards)] }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for (at, step) in text.split(',').enumerate() {
            let (moment, shards) = if at == 0 { ("0", step) } else { step.split_once(':')? };
            steps.push((moment.parse().ok()?, shards.parse().ok().filter(|shards| *shards > 0)?));
        }
        steps.is_sorted_by(|(a, _), (b, _)| a < b).then_some(Self { steps })
    }

    /// How many shards count in the end.
    pub(super) fn shards(&self) -> u32 {
        self.steps.last().map_or(1, |(_, shards)| *shards)
    }

    /// How often the cluster has grown. Of two versions, the one that has grown more is newer.
    pub(super) fn growths(&self) -> usize {
        self.steps.len() - 1
    }

    /// The moment at which the last growth takes effect, if there was one.
    pub(super) fn last_growth(&self) -> Option<Timestamp> {
        let (moment, _) = self.steps[1..].last()?;
        Timestamp::from_second(*moment).ok()
    }

    /// The same with more shards, from the beginning of a later day on.
    ///
    /// # Errors
    /// [`jiff::Error`] outside the range of times.
    pub(super) fn grown(&self, shards: u32, now: Timestamp, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let last = self.steps.last().map_or(0, |(moment, _)| *moment);
        let after = now.max(Timestamp::from_second(last)?);
        let day = after.to_zoned(zone.clone()).date().checked_add(DAYS_AHEAD.days())?;
        let moment = day.to_zoned(zone.clone())?.timestamp().as_second();
        let mut steps = self.steps.clone();
        steps.push((moment, shards));
        Ok(Self { steps })
    }

    /// The sharding expression of rows with a time and a hash. `moment` is an expression of type `DateTime`.
    pub(super) fn expression(&self, moment: &str, hash: &str) -> String {
        let (last, before) = self.steps.split_last().expect("there is a first step");
        // A remainder is smaller than the number of shards, so the remainder that ClickHouse takes of it changes nothing.
        let mut cases = String::new();
        for ((_, shards), (until, _)) in before.iter().zip(&self.steps[1..]) {
            cases += &format!("{moment} < toDateTime({until}, 'UTC'), {hash} % {shards}, ");
        }
        match cases.as_str() {
            "" => format!("{hash} % {}", last.1),
            cases => format!("multiIf({cases}{hash} % {})", last.1),
        }
    }
}

impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (moment, shards)) in self.steps.iter().enumerate() {
            if at == 0 { write!(f, "{shards}")? } else { write!(f, ",{moment}:{shards}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_new_shard_is_used_from_the_beginning_of_a_day_that_no_event_has_yet() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let two = Sharding::new(2);
        let three = two.grown(3, moment("2026-11-27T22:59:00Z"), &zone).unwrap();
        assert_eq!(three.last_growth(), Some(moment("2026-11-29T23:00:00Z")));
        // The next growth comes after the one that is planned.
        let four = three.grown(4, moment("2026-11-28T12:00:00Z"), &zone).unwrap();
        assert_eq!(four.last_growth(), Some(moment("2026-12-02T23:00:00Z")));
        assert_eq!((four.shards(), four.growths(), two.growths()), (4, 2, 0));
        for sharding in [&two, &three, &four] {
            assert_eq!(Sharding::parse(&sharding.to_string()).as_ref(), Some(sharding));
        }
    }

    #[test]
    fn the_expression_names_the_number_of_shards_of_each_time() {
        assert_eq!(Sharding::new(2).expression("time", "h"), "h % 2");
        assert_eq!(
            Sharding::parse("2,100:3,200:5").unwrap().expression("time", "h"),
            "multiIf(time < toDateTime(100, 'UTC'), h % 2, time < toDateTime(200, 'UTC'), h % 3, h % 5)"
        );
    }

    #[test]
    fn nonsense_is_not_taken_for_a_sharding() {
        for text in ["", "0", "2,3", "2,100:3,100:4", "2,x:3", "100:2"] {
            assert_eq!(Sharding::parse(text), None, "{text}");
        }
    }
}
