//! How many events a shard has at which times, from the projection of `events`.

use std::collections::BTreeMap;

use super::calendar::Day;
use super::tables::{CloseDayError, Tables};

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

/// Events from `since` to before `until`, both at quarters of an hour.
pub(super) fn sum(counts: &BTreeMap<i64, u64>, since: i64, until: i64) -> u64 {
    counts.range(since..until).map(|(_, events)| events).sum()
}
