//! Copies of one event that slipped past the collector's memory: found by page load and number, and removed.
//!
//! Of the copies the earliest received stays, the others are deleted. Before they are, the segments say which go (as a row of
//! collector 0) and the books how many, with a token made of what goes: whoever is interrupted between the two finds the same copies and writes the same line,
//! which ClickHouse takes once. Copies that are alike to the last byte get one more, received a millisecond earlier,
//! which stays in their place. Two runs at once leave a copy too many at worst, never none: the earliest is never deleted.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Target, VisitsError};
use crate::event::COLUMNS;
use crate::spool::{SEGMENTS_COLUMNS, fingerprint};
use crate::store::books::text_of;

/// Events whose copies are removed by one statement.
const BATCH: usize = 1_000;
/// Copies of one event that are removed by one statement.
const COPIES: usize = 100;
/// Longest statement, in bytes: `BATCH` times `COPIES` rows of a site id and four numbers fit.
const MAX_QUERY: &str = "33554432";
/// Name of their line in the books.
const ENTRY: &str = "copy";
const DAY_MS: i64 = 86_400_000;
/// Rows among which copies are looked for at once; bounds the memory of the look-up to some tens of MB.
const ROWS_AT_ONCE: u64 = 1_000_000;

/// An event of which there are copies.
#[derive(clickhouse::Row, serde::Deserialize)]
struct Copied {
    site: String,
    page_load: u64,
    seq: u32,
    /// `received` of the copies, Unix ms, the earliest first.
    received: Vec<i64>,
}

/// A stretch of events, as Unix seconds.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) since: i64,
    pub(super) until: i64,
    /// How many events there are, about.
    pub(super) rows: u64,
}

/// Whether there are copies of any event of the stretch.
pub(super) async fn any(target: &Target, stretch: Stretch) -> Result<bool, VisitsError> {
    let buckets = stretch.buckets();
    for bucket in 0..buckets {
        if !find(target, stretch, buckets, bucket).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the copies of the stretch's events, and says of how many events there were any.
pub(super) async fn remove(target: &Target, stretch: Stretch) -> Result<u64, VisitsError> {
    let buckets = stretch.buckets();
    let mut removed = 0;
    for bucket in 0..buckets {
        loop {
            let copied = find(target, stretch, buckets, bucket).await?;
            if copied.is_empty() {
                break;
            }
            keep_one(target, stretch, &copied).await?;
            removed += copied.len() as u64;
        }
    }
    Ok(removed)
}

impl Stretch {
    /// The condition that a row is one of these events.
    fn holds<'a>(&self, events: impl Iterator<Item = &'a Copied>) -> String {
        let events: Vec<_> = events.map(|event| format!("({})", event.identity())).collect();
        format!(
            "time >= fromUnixTimestamp({}) AND time < fromUnixTimestamp({}) AND (site, page_load, seq) IN ({})",
            self.since,
            self.until,
            events.join(",")
        )
    }

    fn buckets(&self) -> u64 {
        self.rows / ROWS_AT_ONCE + 1
    }
}

async fn find(
    target: &Target,
    stretch: Stretch,
    buckets: u64,
    bucket: u64,
) -> Result<Vec<Copied>, VisitsError> {
    let sql = format!(
        "SELECT toString(site) AS site, page_load, seq, \
         arraySlice(arraySort(groupArray(toUnixTimestamp64Milli(events.received))), 1, {COPIES}) AS received FROM events \
         WHERE time >= fromUnixTimestamp({{since:Int64}}) AND time < fromUnixTimestamp({{until:Int64}}) \
         AND page_load % {{buckets:UInt64}} = {{bucket:UInt64}} \
         GROUP BY site, page_load, seq HAVING count() > 1 LIMIT {BATCH}"
    );
    let copied = target
        .client
        .query(&sql)
        .param("since", stretch.since)
        .param("until", stretch.until)
        .param("buckets", buckets)
        .param("bucket", bucket)
        .fetch_all::<Copied>()
        .await?;
    Ok(copied)
}

async fn keep_one(target: &Target, stretch: Stretch, copied: &[Copied]) -> Result<(), VisitsError> {
    let mut going = String::new();
    let mut books = BTreeMap::<(i64, &str), Going>::new();
    for event in copied {
        let stays = usize::from(!event.is_alike());
        for &received in &event.received[stays..] {
            // Writing to a text cannot fail.
            let _ = write!(going, "({},{received}),", event.identity());
            books.entry((received.div_euclid(DAY_MS), &event.site)).or_default().add(event, received, 1);
        }
        if event.is_alike() {
            let received = event.received[0] - 1;
            books.entry((received.div_euclid(DAY_MS), &event.site)).or_default().add(event, received, -1);
        }
    }
    let going = going.trim_end_matches(',');
    // Booked first, under a token that follows from what goes: a round that is killed after it books the same again, which changes
    // nothing, whether the earlier row is there by then or not.
    book(target, &books, going).await?;
    let alike: Vec<_> = copied.iter().filter(|event| event.is_alike()).collect();
    if !alike.is_empty() {
        write_earlier(target, stretch, &alike).await?;
    }
    let delete = format!(
        "DELETE FROM {} WHERE {} AND (site, page_load, seq, toUnixTimestamp64Milli(received)) IN ({going})",
        target.local("events"),
        stretch.holds(copied.iter()),
    );
    target.run_long(&delete, MAX_QUERY).await
}

/// Writes one more copy of events whose copies are alike, received a millisecond before them.
async fn write_earlier(target: &Target, stretch: Stretch, alike: &[&Copied]) -> Result<(), VisitsError> {
    let columns = COLUMNS.join(", ");
    let values = COLUMNS.iter().map(|&column| match column {
        "received" => "copy.received - INTERVAL 1 MILLISECOND".to_owned(),
        column => format!("copy.{column}"),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let insert = format!(
        "INSERT INTO events ({columns}) SELECT {values} FROM events AS copy WHERE {} \
         ORDER BY copy.received LIMIT 1 BY copy.site, copy.page_load, copy.seq",
        stretch.holds(alike.iter().copied()),
    );
    target.run_long(&insert, MAX_QUERY).await
}

/// Tells the segments which rows of each day of receipt (UTC) and site go, and then the books how many.
async fn book(target: &Target, books: &BTreeMap<(i64, &str), Going>, going: &str) -> Result<(), VisitsError> {
    let digest = Sha256::digest(going);
    let number = u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (mut prints, mut lines) = (Vec::new(), Vec::new());
    for ((day, site), Going { rows, fingerprint, first, last }) in
        books.iter().filter(|(_, going)| going.rows > 0)
    {
        let site = text(site);
        // Literals, since the embedded store evaluates no expressions among values: a number is a time in its own unit.
        let day = text_of(u16::try_from(*day).unwrap_or(u16::MAX));
        prints.push(format!("('{day}', {site}, 0, {number}, {rows}, {fingerprint}, {first}, {last})"));
        lines.push(format!("('{day}', {site}, '{ENTRY}', {rows}, '{}')", text_of(u16::MAX)));
    }
    let columns = SEGMENTS_COLUMNS.join(", ");
    for insert in [
        format!("INSERT INTO segments ({columns}) VALUES {}", prints.join(",")),
        format!("INSERT INTO books (day, site, entry, events, expires) VALUES {}", lines.join(",")),
    ] {
        let query = target.client.query(&insert).with_setting("max_query_size", MAX_QUERY);
        query.with_setting("insert_deduplication_token", format!("{ENTRY}-{digest}")).execute().await?;
    }
    Ok(())
}

/// Rows that go from one day and site.
#[derive(Default)]
struct Going {
    rows: i64,
    fingerprint: u64,
    /// When they were received, Unix ms.
    first: i64,
    last: i64,
}

impl Going {
    fn add(&mut self, event: &Copied, received: i64, rows: i64) {
        let print = fingerprint(event.page_load, event.seq).wrapping_mul(rows.cast_unsigned());
        (self.first, self.last) = match (self.first, self.last) {
            (0, 0) => (received, received),
            (first, last) => (first.min(received), last.max(received)),
        };
        self.rows += rows;
        self.fingerprint = self.fingerprint.wrapping_add(print);
    }
}

impl Copied {
    /// Whether the earliest two copies were received in the same millisecond.
    fn is_alike(&self) -> bool {
        self.received[0] == self.received[1]
    }

    /// What the event is known by, as parts of an SQL tuple.
    fn identity(&self) -> String {
        format!("{},{},{}", text(&self.site), self.page_load, self.seq)
    }
}

/// A string literal for ClickHouse.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
