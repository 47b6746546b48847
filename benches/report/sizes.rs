//! What the tables take on disk.

use std::time::Duration;

use footfall::store::Client;

/// How often the state of merges is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// Nothing merges if so many looks in a row found no merge and the same parts.
const QUIET_LOOKS: u32 = 10;

/// Whether the store was filled before.
pub async fn holds_events(reader: &Client) -> bool {
    reader.query("SELECT count() FROM events").fetch_one::<u64>().await.is_ok_and(|events| events > 0)
}

/// Waits until no merge runs and none begins.
pub async fn rest(reader: &Client) {
    let count = "SELECT count() FROM system.merges";
    let names = "SELECT sum(cityHash64(name)) FROM system.parts WHERE active AND database = 'footfall'";
    let (mut before, mut quiet) = (0, 0);
    while quiet < QUIET_LOOKS {
        tokio::time::sleep(PAUSE).await;
        let merges: u64 = reader.query(count).fetch_one().await.expect("the number of merges");
        let parts: u64 = reader.query(names).fetch_one().await.expect("the names of parts");
        quiet = if merges == 0 && parts == before { quiet + 1 } else { 0 };
        before = parts;
    }
}

/// Prints the bytes that an event takes in each table.
pub async fn print(reader: &Client) {
    let events: u64 =
        reader.query("SELECT count() FROM events").fetch_one().await.expect("a number of events");
    let sql = "SELECT table, sum(rows) AS number, sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts \
               WHERE active AND database = 'footfall' GROUP BY table ORDER BY bytes DESC";
    let tables: Vec<(String, u64, u64, u64)> =
        reader.query(sql).fetch_all().await.expect("the tables' sizes");
    println!("{events} events\n");
    println!("| table | rows | parts | bytes an event |\n|---|--:|--:|--:|");
    let mut sums = [0.0; 2];
    for (table, rows, bytes, parts) in tables {
        let each = bytes as f64 / events as f64;
        sums[usize::from(table.starts_with("plausible"))] += each;
        println!("| `{table}` | {rows} | {parts} | {each:.2} |");
    }
    println!("| all of Footfall's | | | {:.2} |\n| both of Plausible's | | | {:.2} |\n", sums[0], sums[1]);
    let sql = "SELECT column, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns \
               WHERE active AND database = 'footfall' AND table = 'events' GROUP BY column ORDER BY bytes DESC LIMIT 16";
    let columns: Vec<(String, u64)> = reader.query(sql).fetch_all().await.expect("the columns' sizes");
    let columns =
        columns.into_iter().map(|(name, bytes)| format!("{name} {:.2}", bytes as f64 / events as f64));
    println!(
        "The largest columns of `events`, bytes an event: {}.\n",
        columns.collect::<Vec<_>>().join(", ")
    );
}
