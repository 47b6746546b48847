//! Faults that leave a collector or a reader with replicas that lag.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use crate::bed::{ClusterBed, NOWHERE, set_urls, store_settings, succeed};
use crate::common::{Collector, beacon, eventually};

const SITE: &str = "doubt";
const EVENTS: u64 = 40;
/// The tables into which a segment is inserted. In the first two columns a row of the test says so, and which one it is.
const WITH_TOKENS: [TableWithTokens; 3] = [
    TableWithTokens {
        table: "events",
        names: ["site", "name"],
        columns: "page_load, time, expires",
        values: "now(), '2100-01-01'",
    },
    TableWithTokens {
        table: "segments",
        names: ["site", "outcome"],
        columns: "segment, day",
        values: "today()",
    },
    TableWithTokens {
        table: "audit",
        names: ["action", "detail"],
        columns: "number, time",
        values: "now64(3)",
    },
];
/// A segment is shipped, or is known to be stored, within this time, also while other tests use the machine.
const TIMEOUT: Duration = Duration::from_secs(120);

struct TableWithTokens {
    table: &'static str,
    names: [&'static str; 2],
    /// A number first, and `values` for the others.
    columns: &'static str,
    values: &'static str,
}

impl TableWithTokens {
    /// Inserts a row under a token.
    fn insert(&self, name: &str, number: u64, token: &str) -> String {
        let Self { table, names: [owner, which], columns, values } = self;
        format!(
            "INSERT INTO {table}_local ({owner}, {which}, {columns}) SELECT 'token', '{name}', {number}, {values} \
             SETTINGS insert_deduplicate = 1, insert_deduplication_token = '{token}'"
        )
    }
}

/// A collector shipped a segment and crashed before it noted that. Since then the cluster has forgotten its tokens, and one replica of each shard does not
/// fetch. The collector asks these first. The segment's account and its rows of the audit are sent a second time.
pub fn a_segment_is_asked_for_on_a_replica_that_lags(bed: &mut ClusterBed) -> Result<(), String> {
    let lagging: Vec<_> =
        (0..bed.nodes.nodes.len()).filter(|node| bed.nodes.nodes[*node].replica == 2).collect();
    let mut collector = collector(bed, lagging[0]);
    let spooled = spool_events(&mut collector, &bed.nodes.urls(lagging[0]));
    for node in &lagging {
        query(bed, *node, "SYSTEM STOP FETCHES events_local")?;
    }
    ship(&mut collector);
    let stored = stored(bed)?;
    forget_tokens(bed)?;
    copy(spooled.path(), &collector.data().join("spool"));
    ship(&mut collector);
    let again = self::stored(bed)?;
    for node in &lagging {
        query(bed, *node, "SYSTEM START FETCHES events_local")?;
    }
    if (stored, again) != (EVENTS, EVENTS) {
        return Err(format!(
            "{stored} rows of {EVENTS} events were stored, and {again} after they were asked for"
        ));
    }
    bed.wait("what was sent twice counts once", || check_accounts(bed, &collector))
}

/// Rows of `segments` and `audit` that were inserted twice count once: `footfall verify` and `footfall audit verify` find nothing, and rows of the audit are
/// one when they are merged.
pub fn check_accounts(bed: &ClusterBed, collector: &Collector) -> Result<(), String> {
    for arguments in [&["verify", "--to", "2100-01-01"][..], &["audit", "verify"]] {
        succeed(collector, arguments)?;
    }
    let mut turns = 0;
    for node in (0..bed.nodes.nodes.len()).filter(|node| bed.nodes.nodes[*node].replica == 1) {
        query(bed, node, "OPTIMIZE TABLE audit_local FINAL")?;
        let of_turns = |what: &str| {
            let sql = format!("SELECT {what} FROM audit_local WHERE action = 'key turned'");
            number(bed, node, &sql)
        };
        let (rows, different) = (of_turns("count()")?, of_turns("uniqExact(collector, run, number)")?);
        if rows > different {
            return Err(format!("the audit has {rows} rows of {different} turns of keys"));
        }
        turns += rows;
    }
    if turns > 0 { Ok(()) } else { Err("the audit has no turn of a key".to_owned()) }
}

/// The only replica that a shard has left lags. Reports are answered from it, and say so.
pub fn reports_name_a_lag(bed: &mut ClusterBed) -> Result<(), String> {
    query(bed, 1, "SYSTEM STOP FETCHES events_local")?;
    bed.wait("the replica lags", || {
        let delay = "SELECT absolute_delay FROM system.replicas WHERE table = 'events_local'";
        match bed.nodes.nodes[1].store.number(delay) {
            0..=12 => Err("it lags by 12 s at most".to_owned()),
            _ => Ok(()),
        }
    })?;
    bed.nodes.nodes[0].kill();
    let named = bed.wait("a report names the lag", || {
        let report = bed.collectors[0]
            .command(&["report", "bots", "--site", "clinic", "--k", "1", "--format", "json"]);
        let answer = String::from_utf8_lossy(&report.stdout).into_owned();
        if answer.contains("all replicas of a shard are more than 10 s behind") {
            Ok(())
        } else {
            Err(answer)
        }
    });
    bed.nodes.nodes[0].start();
    query(bed, 1, "SYSTEM START FETCHES events_local")?;
    named
}

fn collector(bed: &ClusterBed, first: usize) -> Collector {
    let sites = format!("[[site]]\nid = \"{SITE}\"\nhosts = [\"clinic.example\"]\n");
    let settings = format!("timezone = \"UTC\"\n[spool]\nseal_after = \"1s\"\n{sites}");
    Collector::with_store(bed.nodes.nodes[first].store, &store_settings(&bed.nodes.urls(first)), &settings)
}

/// A copy of the collector's spool with sealed segments that it has not shipped: no node is at the address that it is given.
fn spool_events(collector: &mut Collector, urls: &[String]) -> tempfile::TempDir {
    set_urls(collector, &[NOWHERE.to_owned()]);
    collector.start();
    for page_load in 0..EVENTS {
        if page_load + 1 == EVENTS {
            // The audit gets a row of it, which is on the disk before the last event is acknowledged.
            succeed(collector, &["key", "rotate"]).expect("a key can be rotated");
            eventually("the key turns", TIMEOUT, || collector.log().contains("key rotated"));
        }
        let body = beacon::good_beacon(SITE, page_load, 0, "/");
        let answer = collector.beacon(&body).expect("the collector answers");
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }
    collector.kill();
    set_urls(collector, urls);
    let spooled = tempfile::tempdir().expect("a temporary directory can be made");
    copy(&collector.data().join("spool"), spooled.path());
    spooled
}

/// Runs the collector until its spool is empty.
fn ship(collector: &mut Collector) {
    collector.start();
    eventually("the spool is empty", TIMEOUT, || spool_rows(collector) == Some(0));
    collector.kill();
}

/// The number of events in the spool of a collector that runs.
pub fn spool_rows(collector: &Collector) -> Option<u64> {
    let metrics = collector.metrics();
    metrics.lines().find_map(|line| line.strip_prefix("footfall_spool_rows ")?.parse().ok())
}

/// Rows on the replicas that do not lag, once these have fetched what the others took.
fn stored(bed: &ClusterBed) -> Result<u64, String> {
    let sql = format!("SELECT count() FROM events_local WHERE site = '{SITE}'");
    let mut nodes = bed.nodes.nodes.iter().enumerate().filter(|(_, node)| node.replica == 1);
    nodes.try_fold(0, |sum, (node, _)| {
        query(bed, node, "SYSTEM SYNC REPLICA events_local LIGHTWEIGHT")?;
        Ok(sum + number(bed, node, &sql)?)
    })
}

fn query(bed: &ClusterBed, node: usize, sql: &str) -> Result<(), String> {
    let node = &bed.nodes.nodes[node];
    node.store.query(sql).map(|_| ()).map_err(|error| format!("{}: {error}", node.name()))
}

/// Lets each shard forget the tokens of earlier inserts, and shows that an insert under an old token is stored again.
pub fn forget_tokens(bed: &ClusterBed) -> Result<(), String> {
    let nodes = (0..bed.nodes.nodes.len()).filter(|node| bed.nodes.nodes[*node].replica == 1);
    let tables: Vec<_> = nodes.flat_map(|node| WITH_TOKENS.iter().map(move |table| (node, table))).collect();
    let last = Cell::new(0);
    // The token that is left is another one than the first.
    let mark = |node: usize, table: &TableWithTokens| {
        let number = last.get() + 1;
        last.set(number);
        query(bed, node, &table.insert("first", number, "first"))?;
        query(bed, node, &table.insert("other", number, &format!("other {number}")))
    };
    for (node, table) in &tables {
        mark(*node, table)?;
        remember(bed, *node, table, 1)?;
        look_often(bed, *node, table)?;
        // A replica that starts looks for tokens to forget soon.
        query(bed, *node, &format!("SYSTEM RESTART REPLICA {}_local", table.table))?;
    }
    let forgotten = bed.wait("tokens are forgotten", || {
        tables.iter().try_for_each(|(node, table)| {
            mark(*node, table)?;
            let TableWithTokens { table, names: [owner, which], .. } = table;
            let stored =
                format!("SELECT count() FROM {table}_local WHERE {owner} = 'token' AND {which} = 'first'");
            match number(bed, *node, &stored)? {
                0 | 1 => Err(format!("an old token of {table} is known")),
                _ => Ok(()),
            }
        })
    });
    for (node, table) in tables {
        remember(bed, node, table, 100_000)?;
        look_as_before(bed, node, table)?;
        let TableWithTokens { table, names: [owner, _], .. } = table;
        let delete = format!(
            "DELETE FROM {table}_local WHERE {owner} = 'token' SETTINGS lightweight_deletes_sync = 1"
        );
        query(bed, node, &delete)?;
    }
    forgotten
}

/// How many tokens a replica leaves when it looks for old ones.
fn remember(bed: &ClusterBed, node: usize, table: &TableWithTokens, tokens: u32) -> Result<(), String> {
    let table = table.table;
    let set = format!("ALTER TABLE {table}_local MODIFY SETTING replicated_deduplication_window = {tokens}");
    query(bed, node, &set)
}

/// A replica of a table with few inserts looks for old tokens every five minutes only.
fn look_often(bed: &ClusterBed, node: usize, table: &TableWithTokens) -> Result<(), String> {
    let table = table.table;
    let set = format!(
        "ALTER TABLE {table}_local MODIFY SETTING cleanup_delay_period = 1, max_cleanup_delay_period = 2"
    );
    query(bed, node, &set)
}

fn look_as_before(bed: &ClusterBed, node: usize, table: &TableWithTokens) -> Result<(), String> {
    let table = table.table;
    let reset =
        format!("ALTER TABLE {table}_local RESET SETTING cleanup_delay_period, max_cleanup_delay_period");
    query(bed, node, &reset)
}

fn number(bed: &ClusterBed, node: usize, sql: &str) -> Result<u64, String> {
    let answer = bed.nodes.nodes[node].store.query(sql).map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer).trim().to_owned();
    answer.parse().map_err(|_| answer)
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory can be read") {
        let entry = entry.expect("a directory can be read");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a file can be copied");
        }
    }
}
