//! The fingerprints held against the store: for each day and site, that its events are those of the segments and no others.
//!
//! Segments go on arriving while this looks. What was shipped is read before the events and after them; the events must be what was
//! shipped before, and of each collector the first so many of the segments that came between, in the order of their numbers, with or
//! without what this machine's collector is shipping now. Where no such choice fits, [`culprit`](super::culprit) says who it was.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::spool::{Inventory, SegmentDigests, SegmentId};
use crate::store::Client;
use crate::store::reconcile::culprit::{self, BUCKET_MS, Culprit, Shipped, Sum};
use crate::store::reconcile::{BooksError, Key, number, rows};

/// Days and sites of which segments are named; of what goes beyond, only numbers.
const MAX_NAMED: usize = 32;
/// Segments of a collector that may arrive between the first and the last question.
const MAX_BETWEEN: usize = 64;
/// Choices of segments that were under way; beyond, the books are looked at again.
const MAX_CHOICES: usize = 20_000;
/// Numbers of lost segments that are named one by one.
const MAX_HOLES: u64 = 1_000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// All of a segment's events of a day and site are not in the store.
    Missing {
        /// The segment.
        segment: String,
        /// How many events.
        events: u64,
        /// Day of receipt, days since 1970-01-01.
        #[serde(serialize_with = "crate::store::reconcile::date")]
        day: u16,
        /// Site id.
        site: String,
    },
    /// A segment's events of a day and site are in the store more than once.
    Doubled {
        /// The segment.
        segment: String,
        /// How many events are too many.
        events: u64,
        /// Day of receipt, days since 1970-01-01.
        #[serde(serialize_with = "crate::store::reconcile::date")]
        day: u16,
        /// Site id.
        site: String,
    },
    /// Events are missing or too many that make up no whole segments.
    Events {
        /// How many there are too many; negative: missing. 0: as many as there should be, but not the same.
        events: i64,
        /// The first segment in whose time that is so.
        from: String,
        /// The last one.
        to: String,
        /// Day of receipt, days since 1970-01-01.
        #[serde(serialize_with = "crate::store::reconcile::date")]
        day: u16,
        /// Site id.
        site: String,
    },
    /// Events are missing or too many by the books' counts, and no segment tells more.
    Counted {
        /// How many there are too many; negative: missing.
        events: i64,
        /// Day of receipt, days since 1970-01-01.
        #[serde(serialize_with = "crate::store::reconcile::date")]
        day: u16,
        /// Site id.
        site: String,
    },
    /// A segment of this machine's collector is neither in its spool nor was it ever shipped.
    Lost {
        /// The segment.
        segment: String,
    },
    /// Events of a segment were lost to damage on the disk, and nobody has acknowledged it by discarding what is left.
    Damaged {
        /// The segment.
        segment: String,
        /// How many, if its books tell.
        events: Option<u64>,
        /// How many rows of the audit besides, if its seal tells.
        audit: Option<u64>,
    },
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { segment, events, day, site } => {
                let day = crate::store::reconcile::text_of(*day);
                write!(f, "segment {segment} is missing: {events} events of {site} on {day}")
            }
            Self::Doubled { segment, events, day, site } => {
                let day = crate::store::reconcile::text_of(*day);
                write!(f, "segment {segment} is doubled: {events} events of {site} on {day} are too many")
            }
            Self::Events { events, from, to, day, site } => {
                let day = crate::store::reconcile::text_of(*day);
                let what = match events {
                    0 => "other events than were shipped, as many as there should be,".to_owned(),
                    1.. => format!("{events} events too many"),
                    _ => format!("{} events missing", events.unsigned_abs()),
                };
                write!(f, "{what} of {site} on {day}, of segments {from} to {to}")
            }
            Self::Counted { events, day, site } => {
                let what = if *events < 0 { "missing" } else { "too many" };
                let day = crate::store::reconcile::text_of(*day);
                write!(
                    f,
                    "{} events of {site} on {day} are {what}, by the count of the books",
                    events.unsigned_abs()
                )
            }
            Self::Lost { segment } => write!(
                f,
                "segment {segment} is lost: it is neither in the spool nor was it shipped, and what it held is not known"
            ),
            Self::Damaged { segment, events, audit } => {
                let what = match (events, audit) {
                    (Some(events), None | Some(0)) => format!("{events} events"),
                    (Some(events), Some(rows)) => format!("{events} events and {rows} audit rows"),
                    (None, _) => "nobody knows how many events".to_owned(),
                };
                write!(
                    f,
                    "segment {segment} was damaged on the disk: {what} are lost; `footfall spool discard {segment}` acknowledges it"
                )
            }
        }
    }
}

impl Finding {
    /// Whether it is about this day and site.
    pub(crate) fn is_of(&self, key: &Key) -> bool {
        match self {
            Self::Missing { day, site, .. }
            | Self::Doubled { day, site, .. }
            | Self::Events { day, site, .. }
            | Self::Counted { day, site, .. } => (*day, site) == (key.0, &key.1),
            Self::Lost { .. } | Self::Damaged { .. } => false,
        }
    }
}

/// What was shipped of a day and site, and what of it was taken out again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) shipped: Sum,
    pub(crate) removed: Sum,
}

impl Totals {
    fn expected(self) -> Sum {
        self.shipped.minus(self.removed)
    }
}

/// Everything that is needed to judge a day and site.
pub(crate) struct Proof<'a> {
    pub(crate) client: &'a Client,
    pub(crate) before: BTreeMap<Key, Totals>,
    pub(crate) after: BTreeMap<Key, Totals>,
    /// Segments that this machine's collector may be shipping now.
    pub(crate) shipping: Vec<(SegmentId, SegmentDigests)>,
}

impl Proof<'_> {
    /// Whether the segments say all that the books said before: `stored` and `removed` events of a day and site.
    pub(crate) fn covers(&self, key: &Key, stored: u64, removed: u64) -> bool {
        let totals = self.after.get(key).copied().unwrap_or_default();
        totals.shipped.events >= stored.cast_signed() && totals.removed.events >= removed.cast_signed()
    }

    /// Whether what is stored of a day and site is what the segments brought, event for event, though the books count more: a store
    /// that forgets the token of an insert in a power cut takes a segment's books twice, which cannot be told apart in a sum. Then
    /// what is too much is the sum of some segments. Where the segments do not tell of the whole day, what the books count beside
    /// them may be events that were there and are lost.
    pub(crate) async fn outweighs(&self, key: &Key, actual: Sum, booked: u64) -> Result<bool, BooksError> {
        let totals = |totals: &BTreeMap<Key, Totals>| totals.get(key).copied().unwrap_or_default();
        let (before, after) = (totals(&self.before), totals(&self.after));
        if after.shipped.events == 0 {
            return Ok(false);
        }
        let segments = shipped(self.client, key).await?;
        let is_right = [before.expected(), after.expected()].contains(&actual)
            || self.choices(key, &segments, before, after).contains(&actual);
        let excess = booked.saturating_sub(before.shipped.events.unsigned_abs());
        let sizes: Vec<_> = segments.iter().map(|segment| segment.sum.events.unsigned_abs()).collect();
        Ok(is_right && culprit::is_sum_of_some(&sizes, excess) && tell_of_all(self.client, key.0).await?)
    }

    /// Says what is wrong with each of these days and sites, given what is stored of them.
    pub(crate) async fn judge(&self, stored: &BTreeMap<Key, Sum>) -> Result<Vec<Finding>, BooksError> {
        let mut findings = Vec::new();
        let mut named = 0;
        for (key, actual) in stored {
            let totals = |totals: &BTreeMap<Key, Totals>| totals.get(key).copied().unwrap_or_default();
            let (before, after) = (totals(&self.before), totals(&self.after));
            if [before.expected(), after.expected()].contains(actual) {
                continue;
            }
            named += 1;
            if named > MAX_NAMED {
                findings.push(unnamed(key, actual.minus(after.expected()), None));
                continue;
            }
            let segments = shipped(self.client, key).await?;
            let expected = self.choices(key, &segments, before, after);
            if !expected.contains(actual) {
                findings.extend(self.culprits(key, &segments, *actual, &expected).await?);
            }
        }
        Ok(findings)
    }

    /// Every sum that the store may have of a day and site, the likeliest first.
    fn choices(&self, key: &Key, segments: &[Shipped], before: Totals, after: Totals) -> Vec<Sum> {
        let all = segments.iter().fold(Sum::default(), |sum, segment| sum.plus(segment.sum));
        let between = all.events - before.shipped.events;
        let mut choices = vec![all.minus(after.removed)];
        let mut collectors: BTreeMap<u64, Vec<&Shipped>> = BTreeMap::new();
        for segment in segments {
            collectors.entry(segment.name.collector).or_default().push(segment);
        }
        for segments in collectors.values_mut() {
            segments.sort_by_key(|segment| std::cmp::Reverse(segment.name.number));
            let mut suffix = Sum::default();
            let known = choices.clone();
            for segment in segments.iter().take(MAX_BETWEEN) {
                suffix = suffix.plus(segment.sum);
                if suffix.events > between || choices.len() > MAX_CHOICES {
                    break;
                }
                choices.extend(known.iter().map(|choice| choice.minus(suffix)));
            }
        }
        let there: HashSet<SegmentId> = segments.iter().map(|segment| segment.name).collect();
        for (name, prints) in &self.shipping {
            if let Some(print) = prints.get(key.0, &key.1).filter(|_| !there.contains(name)) {
                let sum = Sum { events: print.events.cast_signed(), fingerprint: print.fingerprint };
                choices.extend(choices.clone().into_iter().map(|choice| choice.plus(sum)));
            }
        }
        choices
    }

    async fn culprits(
        &self,
        key: &Key,
        segments: &[Shipped],
        actual: Sum,
        expected: &[Sum],
    ) -> Result<Vec<Finding>, BooksError> {
        let mut found = expected
            .iter()
            .take(MAX_BETWEEN)
            .find_map(|choice| culprit::one_or_two(segments, actual.minus(*choice)));
        let difference = actual.minus(expected[0]);
        if found.is_none() {
            let stored = by_time(self.client, key).await?;
            let deviations = culprit::deviations(segments, &stored);
            found = culprit::by_time(segments, &deviations, difference);
            if found.is_none() {
                let range = culprit::touched(segments, &deviations, difference);
                return Ok(vec![unnamed(key, difference, range)]);
            }
        }
        let mut found = found.unwrap_or_default();
        found.sort_by_key(|(segment, _)| (segment.name.number, segment.name.collector));
        Ok(found.into_iter().map(|culprit| named(key, culprit)).collect())
    }
}

fn named((day, site): &Key, (segment, times): Culprit) -> Finding {
    let events = segment.sum.events.unsigned_abs() * times.unsigned_abs();
    let (segment, day, site) = (segment.name.to_string(), *day, site.clone());
    if times < 0 {
        Finding::Missing { segment, events, day, site }
    } else {
        Finding::Doubled { segment, events, day, site }
    }
}

fn unnamed((day, site): &Key, difference: Sum, range: Option<(SegmentId, SegmentId)>) -> Finding {
    let text = |name: Option<SegmentId>| name.map_or_else(|| "?".to_owned(), |name| name.to_string());
    let (from, to) = (text(range.map(|it| it.0)), text(range.map(|it| it.1)));
    Finding::Events { events: difference.events, from, to, day: *day, site: site.clone() }
}

/// Sums of the segments by day and site.
pub(crate) async fn totals(
    client: &Client,
    days: &std::ops::RangeInclusive<u16>,
) -> Result<BTreeMap<Key, Totals>, BooksError> {
    let sql = "SELECT toUInt16(day), site, sumIf(events, collector != 0), sumIf(fingerprint, collector != 0), \
               sumIf(events, collector = 0), sumIf(fingerprint, collector = 0) FROM segments FINAL \
               WHERE day BETWEEN toDate({first:UInt16}) AND toDate({last:UInt16}) AND events > 0 GROUP BY day, site";
    let mut totals = BTreeMap::new();
    let parameters = [("first", days.start().to_string()), ("last", days.end().to_string())];
    for row in rows(client, sql, &parameters).await? {
        let [day, site, numbers @ ..] = row.as_slice() else { continue };
        let [events, fingerprint, removed, of_removed] = numbers else { continue };
        let sum = |events: &String, fingerprint: &String| -> Result<Sum, BooksError> {
            Ok(Sum { events: number(&row, events)?, fingerprint: number(&row, fingerprint)? })
        };
        let shipped = sum(events, fingerprint)?;
        let removed = sum(removed, of_removed)?;
        totals.insert((number(&row, day)?, site.clone()), Totals { shipped, removed });
    }
    Ok(totals)
}

/// Whether the segments tell of the whole of a day: each collector that shipped on it has a segment of a day before, or its very first
/// one. What was put together from another segment has that one's number, once.
async fn tell_of_all(client: &Client, day: u16) -> Result<bool, BooksError> {
    let sql = "SELECT count() FROM (SELECT min(day) AS since, min(number) AS lowest, max(number) AS highest FROM segments \
               WHERE collector IN (SELECT collector FROM segments WHERE day = toDate({day:UInt16}) AND collector != 0) \
               GROUP BY collector) WHERE since >= toDate({day:UInt16}) AND lowest > 0 AND NOT (lowest = highest AND lowest IN ( \
               SELECT number FROM segments WHERE day BETWEEN toDate({day:UInt16}) - 1 AND toDate({day:UInt16}) AND collector IN ( \
               SELECT collector FROM segments WHERE collector != 0 AND (day < toDate({day:UInt16}) OR number = 0))))";
    match rows(client, sql, &[("day", day.to_string())]).await?.as_slice() {
        [row] if row.len() == 1 => Ok(number::<u64>(row, &row[0])? == 0),
        answer => Err(crate::store::reconcile::answer(&answer.concat())),
    }
}

/// What each segment brought to a day and site.
async fn shipped(client: &Client, (day, site): &Key) -> Result<Vec<Shipped>, BooksError> {
    let sql = "SELECT collector, number, events, fingerprint, toUnixTimestamp64Milli(first), \
               toUnixTimestamp64Milli(last) FROM segments FINAL \
               WHERE day = toDate({day:UInt16}) AND site = {site:String} AND collector != 0 AND events > 0 \
               ORDER BY number, collector";
    let parameters = [("day", day.to_string()), ("site", site.clone())];
    let mut segments = Vec::new();
    for row in rows(client, sql, &parameters).await? {
        let [collector, place, events, fingerprint, first, last] = row.as_slice() else { continue };
        segments.push(Shipped {
            name: SegmentId { collector: number(&row, collector)?, number: number(&row, place)? },
            sum: Sum { events: number(&row, events)?, fingerprint: number(&row, fingerprint)? },
            first: number(&row, first)?,
            last: number(&row, last)?,
        });
    }
    Ok(segments)
}

/// The store's events of a day and site by their time of receipt.
async fn by_time(client: &Client, (day, site): &Key) -> Result<BTreeMap<i64, u64>, BooksError> {
    let sql = format!(
        "SELECT intDiv(toUnixTimestamp64Milli(received), {BUCKET_MS}) AS bucket, count() FROM events \
         WHERE toDate(received, 'UTC') = toDate({{day:UInt16}}) AND site = {{site:String}} \
         AND time >= toDateTime64(toDate({{day:UInt16}}), 3, 'UTC') - INTERVAL 2 DAY \
         AND time < toDateTime64(toDate({{day:UInt16}}), 3, 'UTC') + INTERVAL 2 DAY GROUP BY bucket"
    );
    let parameters = [("day", day.to_string()), ("site", site.clone())];
    let mut buckets = BTreeMap::new();
    for row in rows(client, &sql, &parameters).await? {
        let [bucket, events] = row.as_slice() else { continue };
        buckets.insert(number(&row, bucket)?, number(&row, events)?);
    }
    Ok(buckets)
}

/// What was lost to damage of these days; what is of no known day is of any.
pub(crate) fn damaged(
    inventory: &Inventory,
    days: &std::ops::RangeInclusive<u16>,
) -> impl Iterator<Item = Finding> {
    inventory.lost.iter().filter_map(|loss| {
        let books = loss.counts.iter().filter(|(_, count)| days.contains(&count.day));
        let events = loss.events.map(|_| books.map(|(_, count)| count.stored).sum());
        let is_loss = events != Some(0) || loss.audit != Some(0);
        is_loss.then(|| Finding::Damaged { segment: loss.segment.clone(), events, audit: loss.audit })
    })
}

/// Segments of the spool's collector that are nowhere: no segment of theirs lies in the spool, and the store was never told of
/// them. The spool is to be looked at before.
pub(crate) async fn lost(client: &Client, inventory: &Inventory) -> Result<Vec<Finding>, BooksError> {
    let Some(first) = inventory.first_segment else { return Ok(Vec::new()) };
    let collector = first.collector;
    let on_disk: BTreeSet<u64> = inventory
        .ids()
        .filter(|id| id.collector == collector && id.number >= first.number)
        .map(|id| id.number)
        .collect();
    let sql = "SELECT before + 1, toUInt64(number - 1) FROM (SELECT number, \
               lagInFrame(number, 1, number) OVER (ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before \
               FROM (SELECT DISTINCT number FROM segments WHERE collector = {collector:UInt64} AND number >= {since:UInt64})) \
               WHERE number > before + 1 \
               UNION ALL SELECT min(number), max(number) FROM segments \
               WHERE collector = {collector:UInt64} AND number >= {since:UInt64} HAVING count() > 0";
    let parameters = [("collector", collector.to_string()), ("since", first.number.to_string())];
    let mut known: Option<(u64, u64)> = None;
    let mut gaps = Vec::new();
    let answer = rows(client, sql, &parameters).await?;
    let ranges = answer.iter().map(|row| match row.as_slice() {
        [from, to] => Ok((number::<u64>(row, from)?, number::<u64>(row, to)?)),
        _ => Err(crate::store::reconcile::answer(row)),
    });
    let ranges = ranges.collect::<Result<Vec<_>, BooksError>>()?;
    // The row of the lowest and the highest number spans all others.
    if let Some(span) = ranges.iter().copied().max_by_key(|(from, to)| to - from) {
        known = Some(span);
        gaps.extend(ranges.iter().copied().filter(|range| *range != span));
    }
    let mut last = known.map(|(_, highest)| highest).or(on_disk.first().copied());
    for &on_disk in &on_disk {
        if let Some(before) = last.filter(|before| *before < on_disk) {
            gaps.extend((on_disk > before + 1).then_some((before + 1, on_disk - 1)));
            last = Some(on_disk);
        }
    }
    let numbers = gaps.into_iter().flat_map(|(from, to)| from..=to.min(from.saturating_add(MAX_HOLES)));
    Ok(numbers
        .filter(|number| !on_disk.contains(number))
        .map(|number| Finding::Lost { segment: SegmentId { collector, number }.to_string() })
        .collect())
}
