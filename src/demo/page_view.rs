//! What happens on one page of the clinic, as encoded rows.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;

use crate::demo::clinic::{self, ADS};
use crate::demo::draw::{chance, log_normal, mix, pick};
use crate::enrich;
use crate::event::{DeviceClass, EventKind, EventRow, UniqueText, UnixDay, UnixSeconds};

/// Pages on which a script fails, per 1,000.
const SCRIPT_ERRORS: u32 = 9;
/// Pages on which a broken release fails, per 1,000 in the browser that it fails in.
const RELEASE_ERRORS: u64 = 600;
/// Pages on which an element fails to load, per 1,000.
const RESOURCE_ERRORS: u32 = 6;

/// The collector that all rows of the demonstration name.
pub(crate) const DEMO_COLLECTOR: u64 = 0x6465_6d6f;

/// Rows in ClickHouse's RowBinary format.
#[derive(Default)]
pub(crate) struct EncodedRows {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: usize,
    /// The number of the segment that they stand for.
    pub(crate) segment: u64,
    /// Rows by the day of their receipt (UTC, since 1970-01-01) and their last day of retention, for reconciliation.
    pub(crate) received: BTreeMap<(UnixDay, UnixDay), u64>,
    /// Page load and number of each event, which begin its row.
    #[cfg(test)]
    pub(crate) identities: Vec<[u8; 12]>,
}

/// Writes the rows of one page load.
pub(crate) struct PageWriter<'a, 'r> {
    /// What all rows share. Its `time` is the page load's; its `received` is that of the first beacon.
    pub(crate) row: EventRow<'a>,
    pub(crate) rows: &'r mut EncodedRows,
    /// Whether the page's release fails in the visitor's browser.
    pub(crate) is_broken: bool,
    /// When the page's last beacon is received, Unix ms.
    pub(crate) last: i64,
    /// Only events within this time, Unix ms, are written. The others count all the same, so that each event has the same number
    /// however often a day is written.
    pub(crate) span: &'r Range<i64>,
}

impl<'a> PageWriter<'a, '_> {
    /// `time` is Unix ms.
    pub(crate) fn write(&mut self, time: i64, kind: EventKind, fill: impl FnOnce(&mut EventRow<'a>)) {
        let seq = self.row.seq;
        self.row.seq += 1;
        if !self.span.contains(&time) {
            return;
        }
        let time = UnixSeconds::from_millis(time);
        let mut row = EventRow { time, kind, seq, ..self.row.clone() };
        // Events after the first beacon are sent with the last one.
        if time > row.received {
            row.received = UnixSeconds::from_millis(self.last.min(self.span.end)).max(time);
        }
        fill(&mut row);
        #[cfg(test)]
        let at = self.rows.bytes.len();
        row.encode(&mut self.rows.bytes);
        #[cfg(test)]
        self.rows.identities.extend(self.rows.bytes[at..].first_chunk());
        for number in [DEMO_COLLECTOR, self.rows.segment] {
            self.rows.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.rows.count += 1;
        *self.rows.received.entry((row.received.day(), row.expires)).or_default() += 1;
    }
}

/// Writes what a person does on one page from `time` on, and returns when they leave it. Both are Unix ms.
pub(crate) fn read_page(rng: &mut Rng, page: &mut PageWriter<'_, '_>, time: i64) -> i64 {
    let dwell = log_normal(rng, 28_000.0, 1.0).clamp(1_200.0, 20.0 * 60_000.0) as i64;
    let left = time + dwell;
    page.last = left + i64::from(rng.u32(30..600));
    page.write(time, EventKind::View, |_| {});
    if chance(rng, SCRIPT_ERRORS) {
        let error = pick(rng, clinic::ERRORS);
        fail(page, time + i64::from(rng.u32(200..1_000)), error);
    }
    if page.is_broken && mix(page.row.page_load, 1) % 1_000 < RELEASE_ERRORS {
        fail(page, time + 400, clinic::RELEASE_ERROR);
    }
    if chance(rng, RESOURCE_ERRORS) {
        let (name, props) = pick(rng, clinic::BROKEN);
        page.write(time + i64::from(rng.u32(300..1_200)), EventKind::Resource, |row| {
            row.name = name;
            row.props = props;
        });
    }
    advertise(rng, page, time, dwell);
    act(rng, page, time, dwell);
    let engaged = (dwell as f64 * (0.35 + 0.6 * rng.f64())) as u32;
    let depth = (rng.f64().sqrt() * 100.0) as u8;
    vitals(rng, page, left);
    page.write(left, EventKind::Leave, |row| {
        row.engaged_ms = engaged;
        row.scroll_depth = depth;
    });
    left + i64::from(rng.u32(100..700))
}

fn fail(
    page: &mut PageWriter<'_, '_>,
    time: i64,
    (message, source, line, column, stack): (&'static str, &'static str, u32, u32, &'static str),
) {
    page.write(time, EventKind::Error, |row| {
        row.error_message = UniqueText(message);
        row.error_source = UniqueText(source);
        row.error_line = line;
        row.error_column = column;
        row.error_stack = UniqueText(stack);
        row.error_group = enrich::error_group(message, source);
    });
}

/// The advertising block of 40 % of the pages: 70 % become viewable, and 2 % of those are clicked.
fn advertise(rng: &mut Rng, page: &mut PageWriter<'_, '_>, time: i64, dwell: i64) {
    if !chance(rng, 400) {
        return;
    }
    let (ad, slot) = pick(rng, ADS);
    let mut shown = |time: i64, name: &'static str| {
        page.write(time, EventKind::Ad, |row| {
            row.name = name;
            row.ad = ad;
            row.slot = slot;
        });
    };
    shown(time + i64::from(rng.u32(250..900)), "impression");
    if dwell > 2_500 && chance(rng, 700) {
        shown(time + i64::from(rng.u32(1_300..2_400)), "viewable");
        if chance(rng, 20) {
            shown(time + dwell - 150, "click");
        }
    }
}

/// Bookings, outbound links and downloads.
fn act(rng: &mut Rng, page: &mut PageWriter<'_, '_>, time: i64, dwell: i64) {
    let at = time + dwell * 3 / 4;
    let booking = if page.row.path == "/booking" { 260 } else { 4 };
    if chance(rng, booking) {
        let props = &clinic::BOOKINGS[rng.usize(..clinic::BOOKINGS.len())];
        page.write(at, EventKind::Event, |row| {
            row.name = "booking";
            row.props = props;
        });
    }
    if chance(rng, 15) {
        let name = pick(rng, &["yandex.ru/maps", "t.me/clinic_example", "prodoctorov.ru/moskva"]);
        page.write(at + 10, EventKind::Outbound, |row| row.name = name);
    }
    if chance(rng, 8) {
        let name = pick(rng, &["clinic.example/files/price-list.pdf", "clinic.example/files/consent.pdf"]);
        page.write(at + 20, EventKind::Download, |row| row.name = name);
    }
}

/// Page speed: realistic medians, higher for phones, with a long tail.
fn vitals(rng: &mut Rng, page: &mut PageWriter<'_, '_>, time: i64) {
    let phone = page.row.device == DeviceClass::Mobile;
    let slow = if phone { 1.45 } else { 1.0 };
    let dns = log_normal(rng, 12.0 * slow, 0.9);
    let connect = log_normal(rng, 28.0 * slow, 0.7);
    let tls = log_normal(rng, 36.0 * slow, 0.6);
    let ttfb = dns + connect + tls + log_normal(rng, 160.0, 0.6);
    let fcp = ttfb + log_normal(rng, 550.0 * slow, 0.5);
    let lcp = fcp + log_normal(rng, 620.0 * slow, 0.7);
    let load = lcp + log_normal(rng, 500.0 * slow, 0.8);
    let shift = if chance(rng, 450) { 0.0 } else { log_normal(rng, 0.04, 1.1).min(2.0) };
    let answer = chance(rng, 620).then(|| log_normal(rng, 90.0 * slow, 0.8) as u32);
    let measured = !matches!(page.row.engine, "WebKit");
    page.write(time, EventKind::Vitals, |row| {
        row.ttfb_ms = Some(ttfb as u32);
        row.fcp_ms = Some(fcp as u32);
        row.dns_ms = Some(dns as u32);
        row.connect_ms = Some(connect as u32);
        row.tls_ms = Some(tls as u32);
        row.load_ms = Some(load as u32);
        // WebKit does not measure these.
        row.lcp_ms = measured.then_some(lcp as u32);
        row.inp_ms = answer.filter(|_| measured);
        row.cls = measured.then_some((shift as f32 * 1_000.0).round() / 1_000.0);
    });
}
