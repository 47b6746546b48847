//! The faults, each under load and while two closers close days without a pause.

use std::time::Duration;

use crate::away::AwayCollector;
use crate::bed::ClusterBed;

/// How long a fault lasts, if it lasts.
const WHILE: Duration = Duration::from_secs(15);
/// How long Keeper is away.
const KEEPER_AWAY: Duration = Duration::from_secs(60);

pub struct ClusterFault {
    pub name: &'static str,
    pub inject: fn(&mut ClusterBed) -> Result<(), String>,
}

/// In the order in which they are injected.
pub const FAULTS: &[ClusterFault] = &[
    ClusterFault {
        name: "doubled rows on a replica whose sibling does not fetch",
        inject: doubled_while_a_replica_lags,
    },
    ClusterFault {
        name: "late events on a replica whose sibling does not fetch",
        inject: late_events_while_a_replica_lags,
    },
    ClusterFault { name: "a replica that does not fetch", inject: a_replica_lags },
    ClusterFault {
        name: "a segment in doubt while a replica lags and tokens are forgotten",
        inject: crate::doubt::a_segment_is_asked_for_on_a_replica_that_lags,
    },
    ClusterFault { name: "a shard whose only live replica lags", inject: crate::doubt::reports_name_a_lag },
    ClusterFault { name: "kill -9 of each node", inject: kill_each },
    ClusterFault { name: "a node that is down while collectors start", inject: start_without_a_node },
    ClusterFault { name: "Keeper away for a minute", inject: keeper_away },
    ClusterFault { name: "a node lost with its disk and replaced", inject: replace_node },
    ClusterFault { name: "a new shard, while a collector is away for days", inject: add_shard },
];

/// The store makes copies of events on one replica while the other does not fetch them: what closing does must be the same on both. Some of these events have
/// been fetched before, and some lie on the first replica alone.
fn doubled_while_a_replica_lags(bed: &mut ClusterBed) -> Result<(), String> {
    for (writer, lagging) in [(0, 1), (3, 2)] {
        fetches(bed, lagging, "STOP")?;
        bed.wait("a replica has events that the other lacks", || {
            let rows = |node: usize| bed.nodes.nodes[node].store.number("SELECT count() FROM events_local");
            let (written, fetched) = (rows(writer), rows(lagging));
            if written > fetched { Ok(()) } else { Err(format!("{written} and {fetched} rows")) }
        })?;
        let double = "INSERT INTO events_local SELECT * FROM events_local \
                      WHERE (site = 'demo' AND toDate(time) < today() AND page_load % 5 = 0) \
                      OR (site = 'clinic' AND received > now() - 60) SETTINGS insert_deduplicate = 0";
        query(bed, writer, double)?;
        bed.wait_for_closing("while a replica lags")?;
        fetches(bed, lagging, "START")?;
    }
    Ok(())
}

/// A closed day gets events that one replica of the shard lacks while the day is closed again. Nobody comes on this day later, so visits that are missing then
/// would be missing for good.
fn late_events_while_a_replica_lags(bed: &mut ClusterBed) -> Result<(), String> {
    const VISITORS: u64 = 40;
    for (writer, lagging) in [(0, 1), (3, 2)] {
        fetches(bed, lagging, "STOP")?;
        let insert = format!(
            "INSERT INTO events_local (site, kind, visitor, page_load, time, expires) SELECT 'late', 'view', number, number,              toStartOfDay(now()) - INTERVAL 60 HOUR, '2100-01-01' FROM numbers({VISITORS})"
        );
        query(bed, writer, &insert)?;
        bed.wait_for_closing("while a replica lacks late events")?;
        fetches(bed, lagging, "START")?;
        for node in [writer, lagging] {
            bed.wait("the closed day has the visits of late events", || {
                let visits = "SELECT count() FROM visits_stored_local WHERE site = 'late' \
                              AND generation IN (SELECT max(generation) FROM days_local GROUP BY day, shard)";
                match bed.nodes.nodes[node].store.number(visits) {
                    VISITORS => Ok(()),
                    visits => Err(format!("{visits} visits on {}", bed.nodes.nodes[node].name())),
                }
            })?;
        }
        query(
            bed,
            writer,
            "DELETE FROM events_local WHERE site = 'late' SETTINGS lightweight_deletes_sync = 2",
        )?;
    }
    Ok(())
}

fn a_replica_lags(bed: &mut ClusterBed) -> Result<(), String> {
    for node in 0..bed.nodes.nodes.len() {
        fetches(bed, node, "STOP")?;
        std::thread::sleep(WHILE);
        fetches(bed, node, "START")?;
    }
    Ok(())
}

fn kill_each(bed: &mut ClusterBed) -> Result<(), String> {
    for node in 0..bed.nodes.nodes.len() {
        bed.nodes.nodes[node].kill();
        std::thread::sleep(WHILE);
        bed.nodes.nodes[node].start();
    }
    Ok(())
}

fn start_without_a_node(bed: &mut ClusterBed) -> Result<(), String> {
    for node in [0, 3] {
        bed.nodes.nodes[node].kill();
        for collector in &mut bed.collectors {
            collector.kill();
            collector.start();
        }
        bed.wait_for_closing("without a node")?;
        bed.wait("`footfall migrate` leaves the node out", || bed.migrate_without_a_node())?;
        bed.nodes.nodes[node].start();
    }
    Ok(())
}

fn keeper_away(bed: &mut ClusterBed) -> Result<(), String> {
    bed.nodes.kill_keeper();
    std::thread::sleep(KEEPER_AWAY);
    bed.nodes.start_keeper();
    Ok(())
}

fn replace_node(bed: &mut ClusterBed) -> Result<(), String> {
    for node in [1, 2] {
        bed.nodes.nodes[node].kill();
        bed.nodes.nodes[node].lose_disk();
        bed.nodes.nodes[node].start();
        bed.wait("`footfall migrate` makes the tables of the new node", || bed.migrate(0))?;
    }
    Ok(())
}

/// The steps of `docs/cluster-confirmation.md`; days are closed after each. The new shard gets events of days that begin later, and none of the days before.
fn add_shard(bed: &mut ClusterBed) -> Result<(), String> {
    let away = AwayCollector::collect(bed)?;
    bed.nodes.add_shard(2);
    bed.nodes.nodes.iter_mut().for_each(crate::nodes::ClusterNode::start);
    bed.wait_for_closing("while no other node knows of the new shard")?;
    bed.name_all_nodes();
    bed.wait("`footfall migrate` makes the tables of the new shard", || bed.migrate(0))?;
    bed.wait_for_closing("while the new shard has tables and the other nodes do not name it")?;
    bed.nodes.name_all_nodes();
    bed.wait_for_closing("when every node names the new shard")?;
    for (days, is_used) in [(1, false), (2, false), (4, true), (30, true)] {
        // Two nodes take the same insert: each divides it alike.
        for node in [0, bed.nodes.nodes.len() - 1] {
            let insert = format!(
                "INSERT INTO events (site, visitor, time, expires) SELECT 'later', number, now() + INTERVAL {days} DAY, '2100-01-01' \
                 FROM numbers(60) SETTINGS distributed_foreground_insert = 1, insert_deduplication_token = 'later {days}'"
            );
            query(bed, node, &insert)?;
        }
        let later = format!("site = 'later' AND toDate(time) = toDate(now() + INTERVAL {days} DAY)");
        let rows: Vec<_> = bed.nodes.nodes.iter().filter(|node| node.replica == 1).collect();
        let rows = rows
            .into_iter()
            .map(|node| node.store.number(&format!("SELECT count() FROM events_local WHERE {later}")));
        let rows: Vec<u64> = rows.collect();
        if rows.iter().sum::<u64>() != 60 || (rows[2] > 0) != is_used {
            return Err(format!("shards have {rows:?} of 60 events in {days} days"));
        }
    }
    for node in bed.nodes.nodes.iter().filter(|node| node.replica == 1) {
        let delete = "DELETE FROM events_local WHERE site = 'later' SETTINGS lightweight_deletes_sync = 1";
        node.store.query(delete).map_err(|error| format!("{}: {error}", node.name()))?;
    }
    away.return_to(bed)
}

fn fetches(bed: &ClusterBed, node: usize, verb: &str) -> Result<(), String> {
    query(bed, node, &format!("SYSTEM {verb} FETCHES"))
}

fn query(bed: &ClusterBed, node: usize, sql: &str) -> Result<(), String> {
    let node = &bed.nodes.nodes[node];
    node.store.query(sql).map(|_| ()).map_err(|error| format!("{}: {error}", node.name()))
}
