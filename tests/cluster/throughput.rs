//! How fast the cluster stores a backlog, and how much CPU its nodes take, against the single store for the same segments.

use std::time::{Duration, Instant};

use footfall::event::COLUMNS;
use footfall::store::{Client, RowFormat};

use crate::bed::ClusterBed;
use crate::common::{StoreClient, process};

const SEGMENTS: usize = 8;
const ROWS: u64 = 50_000;
/// Collectors that send at once.
const SENDERS: [usize; 2] = [1, 3];
/// Passes for each number of senders. The stores take turns, because other programs may use the machine.
const PASSES: usize = 2;

struct MeasuredStore {
    client: Client,
    /// One of each server, with its process.
    servers: Vec<(StoreClient, u32)>,
    took: Duration,
    cpu: Duration,
}

/// Sends the same segments to both stores and prints the ratios.
pub fn measure(bed: &ClusterBed) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let single = bed.single_store();
    let columns = COLUMNS.join(", ");
    let segments = (0..SEGMENTS).map(|segment| block(&single.store, &columns, segment));
    let segments = segments.collect::<Result<Vec<_>, _>>()?;
    for senders in SENDERS {
        let nodes = bed.nodes.nodes.iter().map(|node| (node.store, node.pid())).collect();
        let mut stores = [
            MeasuredStore::new(bed.client_of_single_store(), vec![(single.store, single.pid())]),
            MeasuredStore::new(bed.client(0), nodes),
        ];
        for pass in 0..PASSES {
            for turn in 0..stores.len() {
                let store = &mut stores[(turn + pass) % 2];
                store.settle(bed)?;
                let before = store.cpu_now()?;
                let began = Instant::now();
                let name = format!("throughput {senders} {pass}");
                runtime.block_on(send(&store.client, &columns, &segments, senders, &name))?;
                store.took += began.elapsed();
                // Replication and merges are part of it.
                store.settle(bed)?;
                store.cpu += store.cpu_now()? - before;
            }
        }
        print(senders, &stores);
    }
    Ok(())
}

impl MeasuredStore {
    fn new(client: Client, servers: Vec<(StoreClient, u32)>) -> Self {
        Self { client, servers, took: Duration::ZERO, cpu: Duration::ZERO }
    }

    /// Waits until no server merges or fetches.
    fn settle(&self, bed: &ClusterBed) -> Result<(), String> {
        let busy =
            "SELECT (SELECT count() FROM system.merges) + (SELECT sum(queue_size) FROM system.replicas)";
        bed.wait("merges and fetches are done", || {
            let busy: u64 = self.servers.iter().map(|(server, _)| server.number(busy)).sum();
            if busy == 0 { Ok(()) } else { Err(format!("{busy} are under way")) }
        })
    }

    /// CPU time that the servers took since their start.
    fn cpu_now(&self) -> Result<Duration, String> {
        self.servers
            .iter()
            .map(|(_, pid)| process::cpu(*pid).ok_or_else(|| format!("no process {pid}")))
            .sum()
    }

    fn rows_per_second(&self) -> f64 {
        rows() / self.took.as_secs_f64()
    }
}

fn rows() -> f64 {
    (ROWS * (SEGMENTS * PASSES) as u64) as f64
}

fn print(senders: usize, [single, cluster]: &[MeasuredStore; 2]) {
    println!(
        "{senders} senders: the single store took {:.0} rows/s, the cluster {:.0}: {:.2} times as many",
        single.rows_per_second(),
        cluster.rows_per_second(),
        cluster.rows_per_second() / single.rows_per_second(),
    );
    let millions = rows() / 1e6;
    println!(
        "{senders} senders: CPU a million rows: {:.1} s of the single store, {:.1} s of all nodes: {:.2} times as much",
        single.cpu.as_secs_f64() / millions,
        cluster.cpu.as_secs_f64() / millions,
        cluster.cpu.div_duration_f64(single.cpu),
    );
}

/// A block as a collector sends it, of invented events.
fn block(single: &StoreClient, columns: &str, segment: usize) -> Result<Vec<u8>, String> {
    let values = COLUMNS.iter().map(|column| match *column {
        "site" => "'throughput' AS site".to_owned(),
        "visitor" | "page_load" => format!("cityHash64({column}, number, {segment}) AS {column}"),
        column => column.to_owned(),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH demo AS (SELECT {columns} FROM events WHERE site = 'demo' LIMIT 1000) \
         SELECT {values} FROM demo CROSS JOIN numbers({}) AS copies ORDER BY page_load LIMIT {ROWS} FORMAT Native",
        ROWS.div_ceil(100),
    );
    single.query(&sql).map_err(|error| error.to_string())
}

/// Each sender sends its part of the segments one after the other.
async fn send(
    client: &Client,
    columns: &str,
    segments: &[Vec<u8>],
    senders: usize,
    name: &str,
) -> Result<(), String> {
    let mut sending = tokio::task::JoinSet::new();
    for sender in 0..senders {
        let own: Vec<_> = segments.iter().cloned().enumerate().skip(sender).step_by(senders).collect();
        let (client, columns, name) = (client.clone(), columns.to_owned(), name.to_owned());
        sending.spawn(async move {
            for (number, block) in own {
                let mut insert =
                    client.insert("events", &columns, RowFormat::Native, &format!("{name} {number}"));
                for (setting, value) in
                    [("max_insert_block_size", "1048576"), ("min_insert_block_size_rows", "1048576")]
                {
                    insert = insert.with_setting(setting, value);
                }
                insert.send(block.into()).await?;
                insert.end().await?;
            }
            Ok::<_, clickhouse::error::Error>(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(|error| error.to_string())?.map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}
