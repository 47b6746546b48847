//! Publishes a day: writes the figures that viewers may read, under the generation of its computation.
//!
//! 1. [`insert`]: insert the figures into `daily_published_stored`.
//! 2. [`put_in_force`]: insert a row for each site that has figures, or had some, into `published_days`. This makes them visible together.
//! 3. Insert a row for each site into `publications`.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 | the day is computed and published again, with the same noise; the rows are deleted after that |
//! | 2 | the day is published again, with the same noise; figures differ if rows came in between |
//! | 3 | nothing is left to do |
//!
//! It reads the rows of all shards, on one node, under the generations that are given: those that were computed just now, and those in force of other
//! shards. Its own generation is the highest of them.
//!
//! A closed day is published once. When it is computed again, its publication stays: two publications of nearly the same data would tell the
//! difference. It is published anew, with new noise, only if so many visitors came late that the figures would be wrong without them, and a few
//! times at most. Of an open day totals are published, at most once an hour, and only if enough visitors came or went since, for the same reason.

mod noise_key;

use std::collections::{BTreeMap, BTreeSet};

pub use self::noise_key::{NoiseKey, NoiseKeyError};

use super::computation::{Computation, Generations, RECENT, StoredGeneration};
use super::lease::Lease;
use super::tables::{CloseDayError, Tables, moment};
use crate::store::schema::PublishedQueries;

/// The draws of closed days come after those of open ones, of which there is one for each hour.
const FIRST_DRAW: u16 = 100;
/// How often a closed day is published at most. Each time has new noise, and the mean of several times has less.
const MOST_PUBLICATIONS: u16 = 3;
/// A day is published anew if the number of its visitors differs from that of its publication by at least so many; an open one is first published
/// with so many. With a new draw for the same people, the mean of all draws would be near the exact number. A closed day also needs a change …
const LEAST_CHANGE: u64 = 20;
/// … of at least one in so many.
const CHANGED_PART: u64 = 10;
/// The table of the figures.
pub(super) const TABLE: &str = "daily_published_stored";

/// What publishing needs besides the day.
#[derive(Debug, Clone)]
pub struct Publisher {
    key: NoiseKey,
    k: u32,
}

impl Publisher {
    /// `k`: the least number of visitors of a published figure.
    pub fn new(key: NoiseKey, k: u32) -> Self {
        Self { key, k }
    }
}

/// Sites whose figures of a generation are inserted and not yet in force, by the draw of their noise.
pub(super) type Inserted = BTreeMap<u16, Vec<String>>;

/// The publication of a site's day that is in force.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, serde::Deserialize)]
struct Publication {
    site: String,
    draw: u16,
    visitors: u64,
}

/// The generation of published figures that are made from these exact ones.
pub(super) fn generation(generations: &Generations) -> u64 {
    generations.values().copied().max().unwrap_or(0)
}

/// Inserts the figures of the sites that are published now.
pub(super) async fn insert(
    computation: &Computation<'_>,
    publisher: &Publisher,
    generations: &Generations,
    lease: Option<&Lease>,
) -> Result<Inserted, CloseDayError> {
    let visitors = visitors(computation, generations).await?;
    let inserted = plan(computation, &visitors, &in_force(computation).await?);
    for (draw, sites) in &inserted {
        insert_sites(computation, publisher, generations, *draw, sites, lease).await?;
    }
    Ok(inserted)
}

/// Puts inserted figures in force. The caller has waited until no query is planned that does not see them.
pub(super) async fn put_in_force(
    computation: &Computation<'_>,
    publisher: &Publisher,
    generations: &Generations,
    inserted: &Inserted,
) -> Result<(), CloseDayError> {
    let Computation { day, .. } = computation;
    let tables = computation.shards.any();
    let (exact, generation) = (list(generations), generation(generations));
    for (draw, sites) in inserted {
        let visible = format!(
            "INSERT INTO published_days (day, site, generation, expires) \
             SELECT '{date}', site, {generation}, max(expires) FROM (\
                 SELECT site, expires FROM {TABLE} WHERE day = '{date}' AND generation = {generation} \
                 UNION ALL SELECT site, expires FROM published_days WHERE day = '{date}'\
             ) WHERE site IN {{sites:Array(String)}} GROUP BY site",
            date = day.date,
        );
        tables.run_for_sites(&visible, &[], sites).await?;
        let sql = format!(
            "INSERT INTO publications (day, site, starts, ends, draw, k, visitors, generation, expires) \
             SELECT '{}', site, {}, {}, {draw}, {}, sum(visitors), {generation}, max(expires) FROM (\
                 SELECT site, visitors, expires FROM daily_stored \
                 WHERE day = '{}' AND generation IN ({exact}) AND dimension = 'total' AND NOT bots \
                 UNION ALL SELECT arrayJoin({{sites:Array(String)}}), 0, today()\
             ) WHERE site IN {{sites:Array(String)}} GROUP BY site",
            day.date,
            moment(day.starts),
            moment(day.ends),
            publisher.k,
            day.date,
        );
        tables.run_for_sites(&sql, &[], sites).await?;
    }
    Ok(())
}

/// Generations as an SQL list.
fn list(generations: &Generations) -> String {
    generations.values().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// Day and generation of the publications in force of recent days.
pub(super) async fn in_force_by_day(tables: &Tables) -> Result<BTreeSet<(u16, u64)>, CloseDayError> {
    let sql = format!(
        "SELECT toUInt16(day), max(generation) FROM publications WHERE {} GROUP BY site, day",
        recent_days("days", "GLOBAL IN")
    );
    Ok(tables.client().query(&sql).fetch_all::<(u16, u64)>().await?.into_iter().collect())
}

fn recent_days(days: &str, is_in: &str) -> String {
    format!("day {is_in} (SELECT day FROM {days} GROUP BY day HAVING max(computed) > now64(3) - {RECENT})")
}

/// Computations of which a shard has published figures that no site has in force any more. One that was replaced by a generation from `looked_up` on
/// stays: a reader may have looked it up. One above those in force is under way.
pub(super) async fn replaced(
    tables: &Tables,
    in_force: &BTreeSet<(u16, u64)>,
    is_open: bool,
    looked_up: u64,
) -> Result<Vec<StoredGeneration>, CloseDayError> {
    let condition = if is_open { "is_open" } else { "true" };
    let sql = format!(
        "SELECT DISTINCT toUInt16(day) AS day, is_open, generation FROM {} WHERE {condition} AND {}",
        tables.local(TABLE),
        recent_days("days", "GLOBAL IN")
    );
    let mut stored = tables.client().query(&sql).fetch_all::<StoredGeneration>().await?;
    stored.retain(|StoredGeneration { day, generation, .. }| {
        let successors = in_force.range((*day, *generation)..=(*day, u64::MAX));
        successors.min().is_some_and(|(_, next)| next > generation && *next < looked_up)
    });
    Ok(stored)
}

/// The sites that are published now, by the draw of their noise.
fn plan(
    computation: &Computation<'_>,
    visitors: &BTreeMap<String, u64>,
    published: &[Publication],
) -> Inserted {
    let mut last: BTreeMap<&str, Option<&Publication>> =
        visitors.keys().map(|site| (&**site, None)).collect();
    last.extend(published.iter().map(|publication| (&*publication.site, Some(publication))));
    let mut plan = Inserted::new();
    for (site, last) in last {
        let now = visitors.get(site).copied().unwrap_or(0);
        if let Some(draw) = new_draw(computation, last, now) {
            plan.entry(draw).or_default().push(site.to_owned());
        }
    }
    plan
}

/// The draw of a site's new publication; `None` if the last one stays.
fn new_draw(computation: &Computation<'_>, last: Option<&Publication>, visitors: u64) -> Option<u16> {
    let elapsed = computation.began.as_second() - computation.day.starts;
    let hour = u16::try_from(elapsed.max(0) / 3_600).unwrap_or(FIRST_DRAW).min(FIRST_DRAW - 1);
    match last {
        _ if computation.is_open => {
            let (draw, before) = last.map_or((None, 0), |last| (Some(last.draw), last.visitors));
            let is_due = draw.is_none_or(|draw| draw < FIRST_DRAW && draw != hour);
            (is_due && before.abs_diff(visitors) >= LEAST_CHANGE).then_some(hour)
        }
        Some(last) if last.draw >= FIRST_DRAW => {
            let change = last.visitors.abs_diff(visitors);
            let is_large = change >= LEAST_CHANGE && change * CHANGED_PART >= last.visitors;
            (is_large && last.draw + 1 < FIRST_DRAW + MOST_PUBLICATIONS).then_some(last.draw + 1)
        }
        _ => Some(FIRST_DRAW),
    }
}

/// People who visited each site on the day.
async fn visitors(
    computation: &Computation<'_>,
    generations: &Generations,
) -> Result<BTreeMap<String, u64>, CloseDayError> {
    let sql = format!(
        "SELECT toString(site) AS of_site, sum(visitors) FROM daily_stored \
         WHERE day = toDate({{day:UInt16}}) AND generation IN ({}) AND dimension = 'total' AND NOT bots GROUP BY of_site",
        list(generations)
    );
    let tables = computation.shards.any();
    let query = tables.bounded(tables.client().query(&sql).param("day", computation.day_number()));
    Ok(query.fetch_all::<(String, u64)>().await?.into_iter().collect())
}

/// The publications of the day that are in force. A day of another zone is another day.
async fn in_force(computation: &Computation<'_>) -> Result<Vec<Publication>, CloseDayError> {
    let sql = "SELECT toString(site) AS site, draw, visitors FROM publications FINAL \
               WHERE day = toDate({day:UInt16}) AND starts = fromUnixTimestamp({starts:Int64}) \
               AND ends = fromUnixTimestamp({ends:Int64})";
    let query = computation.shards.any().client().query(sql).param("day", computation.day_number());
    let query = query.param("starts", computation.day.starts).param("ends", computation.day.ends);
    Ok(query.fetch_all::<Publication>().await?)
}

async fn insert_sites(
    computation: &Computation<'_>,
    publisher: &Publisher,
    generations: &Generations,
    draw: u16,
    sites: &[String],
    lease: Option<&Lease>,
) -> Result<(), CloseDayError> {
    let tables = computation.shards.any();
    let queries = PublishedQueries::new(publisher.k, tables.client().cluster().is_some());
    let queries = match computation.is_open {
        true => vec![queries.totals()],
        false => queries.of_day(computation.is_large()),
    };
    let [low, high] = publisher.key.of_publication(computation.day, draw).map(|half| half.to_string());
    let date = computation.day.date.to_string();
    let parameters =
        [("noise_low", &*low), ("noise_high", &high), ("day", &date), ("timezone", computation.zone)];
    let (columns, head) = (Tables::columns(TABLE), head(computation, generations));
    for query in queries {
        let sql = format!(
            "INSERT INTO {TABLE} ({columns}, generation, is_open)\n\
             SELECT {columns}, {}, {}\nFROM\n(\nWITH\n{head},\n{query}\n)",
            generation(generations),
            computation.is_open,
        );
        tables.run_for_sites(&sql, &parameters, sites).await?;
        if let Some(lease) = lease {
            lease.renew().await?;
        }
    }
    Ok(())
}

/// The tables that the queries read: people's rows of the day and the sites.
fn head(computation: &Computation<'_>, generations: &Generations) -> String {
    let (Computation { day, .. }, tables) = (computation, computation.shards.any());
    let (date, since, before) = (day.date, moment(day.starts), moment(day.ends));
    let of_computation = format!(
        "day = '{date}' AND generation IN ({}) AND site IN {{sites:Array(String)}}",
        list(generations)
    );
    // Each shard has figures of its own visitors.
    let exact = if tables.client().cluster().is_some() {
        "site, dimension, value, detail, sum(visitors) AS visitors"
    } else {
        "*"
    };
    format!(
        "visits AS (SELECT * FROM {} WHERE {of_computation} AND bot = ''),\n\
         events AS (SELECT * FROM {} WHERE site IN {{sites:Array(String)}} \
         AND toDate(time) >= toDate({since}) AND toDate(time) <= toDate({before}) \
         AND time >= {since} AND time < {before} AND expires >= today() AND bot = ''),\n\
         exact AS (SELECT {exact} FROM {} WHERE {of_computation} AND NOT bots{})",
        tables.qualified("visits_stored"),
        tables.qualified("events"),
        tables.qualified("daily_stored"),
        if exact == "*" { "" } else { " GROUP BY site, dimension, value, detail" },
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::super::calendar::Day;
    use super::super::shards::PinnedShards;
    use super::*;

    const DAY: Day = Day { date: date(1970, 1, 2), starts: 86_400, ends: 2 * 86_400 };

    fn computation(is_open: bool, hour: i64) -> Computation<'static> {
        let began = Timestamp::from_second(DAY.starts + hour * 3_600 + 100).unwrap();
        static SHARDS: PinnedShards = PinnedShards { shards: Vec::new() };
        Computation { day: &DAY, zone: "UTC", is_open, began, shards: &SHARDS, parts: Vec::new() }
    }

    fn last(draw: u16, visitors: u64) -> Publication {
        Publication { site: "clinic".to_owned(), draw, visitors }
    }

    #[test]
    fn an_open_day_has_a_new_draw_once_an_hour_and_only_for_other_people() {
        let open = |hour| computation(true, hour);
        for (before, now, draw) in [
            (100, 100, None),
            (100, 119, None),
            (100, 120, Some(6)),
            (100, 81, None),
            (100, 80, Some(6)),
            (1_000, 1_020, Some(6)),
            (0, 19, None),
            (0, 20, Some(6)),
        ] {
            assert_eq!(new_draw(&open(6), Some(&last(5, before)), now), draw, "{before} to {now}");
            assert_eq!(
                new_draw(&open(5), Some(&last(5, before)), now),
                None,
                "{before} to {now} in one hour"
            );
        }
        // Few visitors have no figures before the day closes.
        assert_eq!(new_draw(&open(0), None, 20), Some(0));
        assert_eq!(new_draw(&open(0), None, 19), None);
        // A site whose visitors stay the same has one draw however long the day is asked for.
        let mut publication = last(9, 100);
        let draws = (10..24).filter(|hour| match new_draw(&open(*hour), Some(&publication), 105) {
            Some(draw) => {
                publication = last(draw, 105);
                true
            }
            None => false,
        });
        assert_eq!(draws.count(), 0);
    }

    #[test]
    fn a_closed_day_is_published_once() {
        let open = |hour| computation(true, hour);
        let closed = computation(false, 30);
        assert_eq!(new_draw(&closed, None, 100), Some(100));
        assert_eq!(new_draw(&closed, Some(&last(23, 100)), 100), Some(100));
        assert_eq!(new_draw(&open(24), Some(&last(100, 100)), 900), None);
    }

    #[test]
    fn a_closed_day_is_published_anew_when_many_came_late_and_three_times_at_most() {
        let closed = computation(false, 30);
        for (before, now, draw) in [
            (100, 101, None),
            (100, 99, None),
            (100, 119, None),
            (100, 120, Some(101)),
            (100, 80, Some(101)),
            (100, 0, Some(101)),
            (30, 49, None),
            (1_000, 1_099, None),
            (1_000, 1_100, Some(101)),
        ] {
            assert_eq!(new_draw(&closed, Some(&last(100, before)), now), draw, "{before} to {now}");
        }
        assert_eq!(new_draw(&closed, Some(&last(101, 100)), 1_000), Some(102));
        assert_eq!(new_draw(&closed, Some(&last(102, 100)), 1_000), None);
    }

    #[test]
    fn sites_are_published_by_themselves() {
        let visitors = |number| BTreeMap::from([("clinic".to_owned(), number), ("shop".to_owned(), 50)]);
        let of_day = |number| plan(&computation(false, 30), &visitors(number), &[last(100, 100)]);
        let (clinic, shop) = (vec!["clinic".to_owned()], vec!["shop".to_owned()]);
        assert_eq!(of_day(101), Inserted::from([(100, shop.clone())]));
        assert_eq!(of_day(200), Inserted::from([(100, shop), (101, clinic.clone())]));
        assert_eq!(
            plan(&computation(false, 30), &BTreeMap::new(), &[last(100, 100)]),
            Inserted::from([(101, clinic)])
        );
    }
}
