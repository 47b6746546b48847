//! How many events a shard has at which times, from the projection of `events`, and which of its days lack rows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::calendar::Day;
use super::tables::{CloseDayError, Tables};
use crate::store::dates;

/// Events within their retention by quarter of an hour (Unix s), from the quarter of `since` (Unix s) on.
pub(super) async fn by_quarter(tables: &Tables, since: i64) -> Result<BTreeMap<i64, u64>, CloseDayError> {
    let sql = format!(
        "SELECT toInt64(toUnixTimestamp(toStartOfFifteenMinutes(time))) AS quarter, count() FROM {} \
         WHERE expires >= today() AND toStartOfFifteenMinutes(time) >= toDateTime(greatest({{since:Int64}}, 0), 'UTC') \
         GROUP BY quarter",
        tables.local("events")
    );
    let query = tables.client().query(&sql).param("since", since);
    Ok(query.fetch_all::<(i64, u64)>().await?.into_iter().collect())
}

pub(super) async fn of_day(tables: &Tables, day: &Day) -> Result<u64, CloseDayError> {
    let sql = format!(
        "SELECT count() FROM {} WHERE expires >= today() \
         AND toStartOfFifteenMinutes(time) >= fromUnixTimestamp({{since:Int64}}) \
         AND toStartOfFifteenMinutes(time) < fromUnixTimestamp({{before:Int64}})",
        tables.local("events")
    );
    let query = tables.client().query(&sql).param("since", day.starts).param("before", day.ends);
    Ok(query.fetch_one::<u64>().await?)
}

/// Whether a day was computed as an open or as a closed one. Generations of open days have partitions of their own, so that looking for them is cheap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DayKind {
    Open,
    Closed,
}

/// Days from `since` (days since 1970-01-01) on whose generation in force has other numbers of visits or figures than it had when it was computed.
///
/// A replica copies rows table by table. If the node that computed a day is lost for good, the others may have its row of `days` and not its visits.
/// Rows that have passed their retention do not count, because the number of the day's events has changed with them.
pub(super) async fn incomplete(
    tables: &Tables,
    kind: DayKind,
    since: u16,
) -> Result<BTreeSet<Date>, CloseDayError> {
    let is_open = kind == DayKind::Open;
    let rows_of = |table, [visits, figures]: [&str; 2]| {
        format!(
            "SELECT generation, {visits} AS visits, {figures} AS figures FROM {} \
             WHERE day >= toDate({{since:UInt16}}) AND is_open = {{is_open:Bool}} AND expires >= today() GROUP BY generation",
            tables.local(table)
        )
    };
    let sql = format!(
        "SELECT toUInt16(recorded.day) FROM {} AS recorded FINAL LEFT JOIN (\
             SELECT generation, sum(part.visits) AS visits, sum(part.figures) AS figures FROM ({} UNION ALL {}) AS part GROUP BY generation\
         ) AS stored ON recorded.generation = stored.generation \
         WHERE recorded.day >= toDate({{since:UInt16}}) AND recorded.is_closed != {{is_open:Bool}} \
         AND (recorded.visits, recorded.figures) != (stored.visits, stored.figures)",
        tables.local("days"),
        rows_of("visits_stored", ["count()", "0"]),
        rows_of("daily_stored", ["0", "count()"]),
    );
    let query = tables.client().query(&sql).param("since", since).param("is_open", is_open);
    Ok(query.fetch_all::<u16>().await?.into_iter().map(dates::day_date).collect())
}

/// Events from `since` to before `until`, both at quarters of an hour.
pub(super) fn sum(counts: &BTreeMap<i64, u64>, since: i64, until: i64) -> u64 {
    counts.range(since..until).map(|(_, events)| events).sum()
}
