//! Names segments in few statements. No I/O.
//!
//! The whole site would be one condition, but it would also delete events that another collector ships meanwhile and nobody has recorded.

/// Most numbers that a statement names one by one: at most half of the 1 MiB that ZooKeeper takes at once.
const NUMBERS: usize = 25_000;
/// Most terms of a statement. Each row is compared with each of them.
const TERMS: usize = 100;
/// Shorter ranges are named number by number: a row is looked up in all numbers of a term at once.
const SHORTEST_RANGE: usize = 100;

/// A part of a condition, which names segments of one collector.
struct SegmentTerm {
    sql: String,
    /// How many it names one by one.
    numbers: usize,
}

/// Conditions that hold for these segments together, and for no others. `segments`: collector and number, in order, each once.
pub(super) fn conditions(segments: &[(u64, u64)]) -> Vec<String> {
    let (mut conditions, mut terms, mut numbers) = (Vec::new(), Vec::new(), 0);
    for term in segments.chunk_by(|one, next| one.0 == next.0).flat_map(terms_of_collector) {
        if terms.len() == TERMS || numbers + term.numbers > NUMBERS {
            conditions.push(format!("({})", terms.join(" OR ")));
            (terms, numbers) = (Vec::new(), 0);
        }
        numbers += term.numbers;
        terms.push(term.sql);
    }
    if !terms.is_empty() {
        conditions.push(format!("({})", terms.join(" OR ")));
    }
    conditions
}

fn terms_of_collector(segments: &[(u64, u64)]) -> Vec<SegmentTerm> {
    let collector = segments[0].0;
    let (mut terms, mut single) = (Vec::new(), Vec::new());
    for run in segments.chunk_by(|(_, number), (_, next)| number.checked_add(1) == Some(*next)) {
        match run {
            [(_, first), .., (_, last)] if run.len() >= SHORTEST_RANGE => {
                let sql = format!("collector = {collector} AND segment BETWEEN {first} AND {last}");
                terms.push(SegmentTerm { sql, numbers: 0 });
            }
            _ => single.extend(run.iter().map(|(_, number)| *number)),
        }
    }
    terms.extend(single.chunks(NUMBERS).map(|numbers| {
        let named = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let sql = format!("collector = {collector} AND segment IN ({named})");
        SegmentTerm { sql, numbers: numbers.len() }
    }));
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The segments for which a condition holds.
    fn named(condition: &str) -> Vec<(u64, u64)> {
        let mut named = Vec::new();
        for term in condition.trim_matches(['(', ')']).split(" OR ") {
            let (collector, segments) = term.split_once(" AND segment ").unwrap();
            let collector = collector.strip_prefix("collector = ").unwrap().parse::<u64>().unwrap();
            let number = |text: &str| text.trim_matches(['(', ')']).parse::<u64>().unwrap();
            if let Some((first, last)) =
                segments.strip_prefix("BETWEEN ").and_then(|it| it.split_once(" AND "))
            {
                named.extend((number(first)..=number(last)).map(|segment| (collector, segment)));
            } else {
                let list = segments.strip_prefix("IN ").unwrap();
                named.extend(list.split(',').map(|segment| (collector, number(segment))));
            }
        }
        named
    }

    #[test]
    fn conditions_name_each_segment_once_and_no_other_in_statements_of_bounded_length() {
        let dense = (1..=2_000_000).map(|number| (7, number));
        let sparse = (0..60_000).map(|number| (8, u64::MAX - 3 * number));
        let many = (100..400).map(|collector| (collector, 5));
        let ranges = (0..150).flat_map(|range| (0..100).map(move |number| (9, range * 1_000 + number)));
        for (segments, most) in [
            (Vec::new(), 0),
            (vec![(1, 1)], 1),
            (dense.clone().collect(), 1),
            (sparse.clone().collect::<Vec<_>>(), 3),
            (many.clone().collect(), 3),
            (ranges.clone().collect(), 2),
            (dense.chain(sparse).chain(many).chain(ranges).collect(), 9),
        ] {
            let mut segments = segments;
            segments.sort_unstable();
            let conditions = conditions(&segments);
            assert!(conditions.len() <= most, "{} conditions for {}", conditions.len(), segments.len());
            assert!(conditions.iter().all(|condition| condition.len() < 600_000));
            let mut all: Vec<_> = conditions.iter().flat_map(|condition| named(condition)).collect();
            all.sort_unstable();
            assert!(all == segments, "{} segments are named, not {}", all.len(), segments.len());
        }
    }
}
