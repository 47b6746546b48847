//! Counts of a corpus by kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::row::Row;

#[derive(Default)]
struct Count {
    rows: usize,
    wrong: usize,
    spoilt: usize,
}

/// Counts by kind, of positives and of negatives.
pub struct Tally {
    kinds: BTreeMap<(bool, String), Count>,
    found: f64,
    mistaken: f64,
    positives: usize,
    negatives: usize,
}

impl Tally {
    pub fn of(rows: &[Row]) -> Self {
        let mut kinds: BTreeMap<(bool, String), Count> = BTreeMap::new();
        let mut counted = [Count::default(), Count::default()];
        for row in rows {
            let wrong = usize::from(row.problem().is_some());
            let count = kinds.entry((!row.is_positive(), row.kind.clone())).or_default();
            count.rows += 1;
            count.wrong += wrong;
            count.spoilt += usize::from(row.is_spoilt());
            if row.is_counted() {
                let all = &mut counted[usize::from(!row.is_positive())];
                all.rows += 1;
                all.wrong += wrong;
            }
        }
        let share = |count: &Count| count.wrong as f64 / count.rows.max(1) as f64;
        Self {
            kinds,
            found: 1.0 - share(&counted[0]),
            mistaken: share(&counted[1]),
            positives: counted[0].rows,
            negatives: counted[1].rows,
        }
    }

    /// Share of the positives that are removed completely.
    pub fn found(&self) -> f64 {
        self.found
    }

    /// Share of the negatives that are changed.
    pub fn mistaken(&self) -> f64 {
        self.mistaken
    }

    /// A summary, the kinds that are not all right, and those that are.
    pub fn table(&self, name: &str) -> String {
        let mut text = format!(
            "personal data: {name}: found {:.2} % of {} positives, took {:.2} % of {} negatives for personal\n",
            self.found * 100.0,
            self.positives,
            self.mistaken * 100.0,
            self.negatives
        );
        for ((_, kind), count) in self.kinds.iter().filter(|(_, count)| count.spoilt > 0) {
            writeln!(text, "  {kind}: {} of {} lose more than they have to", count.spoilt, count.rows)
                .expect("a text grows");
        }
        for is_negative in [false, true] {
            let kinds = self.kinds.iter().filter(|((negative, _), _)| *negative == is_negative);
            let (right, wrong): (Vec<_>, Vec<_>) = kinds.partition(|(_, count)| count.wrong == 0);
            for ((_, kind), count) in wrong {
                let what = if is_negative { "mistaken" } else { "missed" };
                writeln!(text, "  {kind}: {} of {} {what}", count.wrong, count.rows).expect("a text grows");
            }
            let right: Vec<String> =
                right.into_iter().map(|((_, kind), count)| format!("{kind} {}", count.rows)).collect();
            let what = if is_negative { "all stay" } else { "all found" };
            writeln!(text, "  {what}: {}", right.join(", ")).expect("a text grows");
        }
        text
    }
}
