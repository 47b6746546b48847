//! A collector that is away from the cluster for days, while a shard is added. Its clock is moved.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::bed::{ClusterBed, NOWHERE, set_urls};
use crate::clock;
use crate::common::{Collector, EpochKeys, eventually};
use crate::doubt;
use crate::load::{Ledger, Plan, Running};
use crate::nodes::ClusterNode;

const SITE: &str = "away";
/// What the collector accepts on each day, at least.
const EVENTS: u64 = 400;
const BEACONS_A_SECOND: u32 = 12;
/// The collector is killed while it ships until a kill has hit it between an insert and its note of it, at most so often.
const KILLS: usize = 15;
/// What the collector logs then at its next start.
const FOUND: &str = "the store has events of the segment already";
/// A segment is shipped within this time, also while other tests use the machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// A day is closed five minutes after its end.
const AFTER_CLOSING: i64 = 5 * 60 + 10;

pub struct AwayCollector {
    collector: Collector,
    /// Runs until all is shipped.
    load: Option<Running>,
    keys: EpochKeys,
    first_day: Date,
}

impl AwayCollector {
    /// Lets a collector accept beacons tomorrow and on the day after, while it reaches no node, and kills it.
    pub fn collect(bed: &ClusterBed) -> Result<Self, String> {
        let first_day = Timestamp::now().to_zoned(TimeZone::UTC).date() + 1.day();
        let mut collector = bed.clock.install_in(bed.another_collector());
        set_urls(&collector, &[NOWHERE.to_owned()]);
        set_clock(bed, first_day, 12 * 3600);
        collector.start();
        let plan = Plan {
            target: collector.listen,
            connections: 8,
            events: 2,
            site: SITE.to_owned(),
            seed: 99,
            rate: Some(BEACONS_A_SECOND),
            longest_pause: Duration::from_secs(2),
        };
        let load = Some(Running::start(plan, Ledger::default()));
        let mut away = Self { collector, load, keys: EpochKeys::default(), first_day };
        away.wait_for_events(bed, 1, EVENTS)?;
        // The key's midnight passes while no node is reached.
        set_clock(bed, first_day + 1.day(), 12 * 3600);
        away.wait_for_events(bed, 2, 2 * EVENTS)?;
        away.kill();
        Ok(away)
    }

    /// Starts it again soon after the midnight from which the new shard is used, and kills it while it ships. At last the tokens of its inserts are forgotten.
    /// Then everything that it acknowledged is stored once, where it belongs.
    pub fn return_to(mut self, bed: &mut ClusterBed) -> Result<(), String> {
        let growth = last_growth(bed)?;
        set_clock(bed, growth, 5);
        self.check_addresses(bed)?;
        self.kill_while_it_ships(bed)?;
        forget_tokens(bed)?;
        self.collector.start();
        self.wait_for_new_day(bed, growth)?;
        // It closes its days itself. Others would hold the lease most of the time.
        bed.stop_closers();
        set_clock(bed, growth + 1.day(), AFTER_CLOSING);
        bed.wait("its key turns", || self.has_keys(4))?;
        let (_, ledger) = self.load.take().expect("a load was started").stop();
        self.check_events(bed, &ledger)?;
        bed.wait("days are closed, the first of the new shard, too", || {
            check_days(bed, self.first_day, growth)
        })?;
        check_places(bed, growth)?;
        bed.wait("what was sent twice counts once", || doubt::check_accounts(bed, &self.collector))?;
        println!("a collector that was away for days had {} events, each stored once", ledger.len());
        self.kill();
        bed.start_closers();
        Ok(())
    }

    fn wait_for_new_day(&mut self, bed: &ClusterBed, growth: Date) -> Result<(), String> {
        let new_day =
            format!("SELECT count() FROM events WHERE site = '{SITE}' AND toDate(time, 'UTC') = '{growth}'");
        bed.wait("the collector that is back ships events of the new day", || {
            self.keys.add(&self.collector.path("key"));
            match bed.nodes.nodes[0].store.number(&new_day) {
                EVENTS.. => Ok(()),
                events => Err(format!("{events} events")),
            }
        })
    }

    /// Each acknowledged event is stored once, and nothing else of the site.
    fn check_events(&self, bed: &ClusterBed, ledger: &Ledger) -> Result<(), String> {
        let sql = format!("SELECT uniqExact(event_id) FROM events WHERE site = '{SITE}'");
        bed.wait("all that it acknowledged is stored", || match bed.nodes.nodes[0].store.number(&sql) {
            stored if stored == ledger.len() as u64 => Ok(()),
            stored => Err(format!("{stored} of {}", ledger.len())),
        })?;
        let ids = |page_load, number| self.keys.event_ids(SITE, page_load, number);
        let difference = ledger.compare(bed.stored_ids(SITE)?, ids);
        if difference.is_none() {
            return Ok(());
        }
        let (missing, twice) = (difference.missing.len(), difference.twice.len());
        Err(format!(
            "{missing} of its events are missing, {twice} are stored twice, {} are unknown",
            difference.unknown.len()
        ))
    }
}

impl AwayCollector {
    fn has_keys(&mut self, count: usize) -> Result<(), String> {
        self.keys.add(&self.collector.path("key"));
        if self.keys.count() >= count { Ok(()) } else { Err(format!("it had {} keys", self.keys.count())) }
    }

    /// Waits until it has had so many keys, and has so many events in its spool.
    fn wait_for_events(&mut self, bed: &ClusterBed, keys: usize, events: u64) -> Result<(), String> {
        bed.wait("the collector that is away accepts events", || {
            self.has_keys(keys)?;
            match doubt::spool_rows(&self.collector) {
                Some(rows) if rows >= events => Ok(()),
                rows => Err(format!("{rows:?} events wait")),
            }
        })
    }

    fn kill(&mut self) {
        let pid = self.collector.pid();
        self.collector.kill();
        clock::remove_leftovers(pid);
    }

    /// Without the new addresses, what the last run left waits, and `footfall config check` names the nodes. Then it gets the addresses.
    fn check_addresses(&mut self, bed: &ClusterBed) -> Result<(), String> {
        let is_old = |node: &&ClusterNode| node.shard != new_shard(bed);
        let old: Vec<_> = bed.nodes.nodes.iter().filter(is_old).map(ClusterNode::url).collect();
        for (urls, is_complete) in [(old, false), (bed.nodes.urls(0), true)] {
            set_urls(&self.collector, &urls);
            let output = self.collector.command(&["config", "check"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.status.success() || text.contains("answers at no address of store.url") == is_complete
            {
                return Err(format!("`footfall config check` with {urls:?}: {text}"));
            }
            if !is_complete {
                self.collector.spawn();
                let waits = format!("no replica of shard {} answers", new_shard(bed));
                eventually("segments wait for the new shard", TIMEOUT, || {
                    self.collector.log().contains(&waits)
                });
                self.keys.add(&self.collector.path("key"));
                self.kill();
            }
        }
        match stored(bed) {
            0 => Ok(()),
            events => Err(format!("{events} events were stored without asking the new shard")),
        }
    }

    /// The events of a segment were stored at the moment of a kill, and the collector had not noted it.
    fn kill_while_it_ships(&mut self, bed: &ClusterBed) -> Result<(), String> {
        for _ in 0..KILLS {
            let before = stored(bed);
            self.collector.spawn();
            eventually("the collector that is back ships a segment", TIMEOUT, || {
                self.keys.add(&self.collector.path("key"));
                stored(bed) > before
            });
            self.kill();
            if self.collector.log().contains(FOUND) {
                return Ok(());
            }
        }
        Err(format!("none of {KILLS} kills came between an insert and its note"))
    }
}

fn stored(bed: &ClusterBed) -> u64 {
    bed.nodes.nodes[0].store.number(&format!("SELECT count() FROM events WHERE site = '{SITE}'"))
}

/// Moves the clock to a time of a day, in seconds after its midnight in UTC.
fn set_clock(bed: &ClusterBed, day: Date, seconds: i64) {
    let midnight = day.to_zoned(TimeZone::UTC).expect("a day has a midnight").timestamp();
    bed.clock.set(midnight.as_second() + seconds - Timestamp::now().as_second());
}

/// The day from which the new shard is used.
fn last_growth(bed: &ClusterBed) -> Result<Date, String> {
    let sharding = bed.nodes.nodes[0]
        .store
        .rows("SELECT argMax(value, changed) FROM settings WHERE name = 'sharding'")
        .concat();
    let moment = sharding.rsplit(',').next().and_then(|step| step.split_once(':')?.0.parse().ok());
    let moment = moment.and_then(|second| Timestamp::from_second(second).ok());
    moment.map(|moment| moment.to_zoned(TimeZone::UTC).date()).ok_or(format!("the sharding is {sharding:?}"))
}

fn new_shard(bed: &ClusterBed) -> u32 {
    bed.nodes.shards().last().copied().unwrap_or_default()
}

/// An insert that was under way when its collector was killed may still end, so its token is forgotten only then.
fn forget_tokens(bed: &ClusterBed) -> Result<(), String> {
    let killed = Instant::now();
    bed.wait("inserts that were under way end", || {
        let sql = format!(
            "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND elapsed > {}",
            killed.elapsed().as_secs_f64()
        );
        match bed.nodes.nodes.iter().map(|node| node.store.number(&sql)).sum() {
            0 => Ok(()),
            inserts => Err(format!("{inserts} are under way")),
        }
    })?;
    doubt::forget_tokens(bed)
}

/// Closed days of the collector that was away are complete and alike on all replicas: two on the old shards alone, and the first day of the new one on all.
fn check_days(bed: &ClusterBed, first: Date, growth: Date) -> Result<(), String> {
    let shards = bed.compare_days(&format!("day BETWEEN '{first}' AND '{growth}'"))?;
    let expected = |shard: u32| if shard == new_shard(bed) { 1 } else { 3 };
    match shards.iter().find(|(shard, days)| days.len() != expected(**shard)) {
        Some((shard, days)) => Err(format!("shard {shard} has closed {days:?}")),
        None => Ok(()),
    }
}

/// Events of days before the growth lie on the old shards alone, later ones on all, and those of a visitor on a day on one shard.
fn check_places(bed: &ClusterBed, growth: Date) -> Result<(), String> {
    let (mut events, mut places) = (BTreeMap::<(bool, u32), u64>::new(), HashMap::new());
    for node in bed.nodes.nodes.iter().filter(|node| node.replica == 1) {
        let sql = format!(
            "SELECT toDate(time, 'UTC') >= '{growth}', toDate(time, 'UTC'), visitor, count() FROM events_local WHERE site = '{SITE}' GROUP BY ALL"
        );
        for row in node.store.rows(&sql) {
            let [is_later, day, visitor, count] = row.split('\t').collect::<Vec<_>>()[..] else {
                return Err(row);
            };
            *events.entry((is_later == "1", node.shard)).or_default() +=
                count.parse::<u64>().map_err(|_| row.clone())?;
            let other = places.insert((day.to_owned(), visitor.to_owned()), node.shard);
            if let Some(other) = other {
                return Err(format!(
                    "events of visitor {visitor} on {day} lie on the shards {other} and {}",
                    node.shard
                ));
            }
        }
    }
    let shards = bed.nodes.shards();
    let expected = shards.iter().map(|shard| (true, *shard));
    let old = shards.iter().filter(|shard| **shard != new_shard(bed)).map(|shard| (false, *shard));
    if events.keys().copied().eq(old.chain(expected)) {
        Ok(())
    } else {
        Err(format!("events by day and shard: {events:?}"))
    }
}
