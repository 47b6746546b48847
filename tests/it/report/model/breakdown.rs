//! Reports with a row for each value: of what visits are, of what events are, of the hour. Rows of few visitors are folded.

use std::collections::{BTreeMap, BTreeSet};

use footfall::event::EventKind;
use jiff::civil::Date;

use super::answer::{Cell, Expected, Order};
use super::event::{Event, Identity, Origin};
use super::ledger::{Kept, Ledger, Question};
use super::visit::Visit;

/// What rows that are not shown are folded into.
pub const OTHER: &str = "(other)";

/// The visitors of each day. A pseudonym lives for a day, so visitors of several days are the sum.
#[derive(Debug, Clone, Default)]
pub struct DailyVisitors(BTreeMap<Date, BTreeSet<u64>>);

impl DailyVisitors {
    pub fn add(&mut self, day: Date, visitor: u64) {
        self.0.entry(day).or_default().insert(visitor);
    }

    pub fn sum(&self) -> u64 {
        self.0.values().map(|visitors| visitors.len() as u64).sum()
    }

    /// Whether no day had `k` different visitors.
    pub fn are_few(&self, k: usize) -> bool {
        self.0.values().all(|visitors| visitors.len() < k)
    }
}

/// What is added up for each row of a breakdown by what visits are.
#[derive(Debug, Clone, Copy, Default)]
struct VisitSums {
    visitors: u64,
    visits: u64,
    views: u64,
    bounces: u64,
    duration_s: u64,
}

/// The texts by which a report breaks visits down; `None` for a visit that it does not list.
type VisitTexts = fn(&Visit) -> Option<Vec<String>>;

/// The report, and its texts for a visit.
pub fn of_visits(report: &str) -> Option<VisitTexts> {
    Some(match report {
        "entries" => |visit| texts([visit.entry().0, visit.entry().1]),
        "exits" => |visit| texts([visit.exit().0, visit.exit().1]),
        "sources" => |visit| texts([origin(visit).source]),
        "channels" => |visit| texts([origin(visit).channel]),
        "referring-pages" => |visit| {
            let Origin { referrer_host, referrer_path, .. } = *origin(visit);
            texts([referrer_host, referrer_path]).filter(is_given)
        },
        "campaigns" => campaign,
        "utm-sources" => |visit| texts([origin(visit).utm_source]).filter(is_given),
        "utm-mediums" => |visit| texts([origin(visit).utm_medium]).filter(is_given),
        "utm-contents" => |visit| texts([origin(visit).utm_content]).filter(is_given),
        "utm-terms" => |visit| texts([origin(visit).utm_term]).filter(is_given),
        "screens" => |visit| texts([who(visit).screen.name()]),
        "countries" => |visit| texts([who(visit).country]),
        "regions" => |visit| texts([who(visit).country, who(visit).region]),
        "cities" => |visit| texts([who(visit).country, who(visit).city]),
        "networks" => |visit| Some(vec![who(visit).network.to_owned(), who(visit).asn.to_string()]),
        "browsers" => |visit| texts([who(visit).browser]),
        "browser-versions" => |visit| texts([who(visit).browser, who(visit).browser_version]),
        "systems" => |visit| texts([who(visit).os, who(visit).os_version]),
        "devices" => |visit| texts([who(visit).device.name()]),
        "languages" => |visit| texts([who(visit).language]),
        _ => return None,
    })
}

fn who(visit: &Visit) -> &Identity {
    &visit.first().who
}

fn origin(visit: &Visit) -> &Origin {
    &visit.first().origin
}

fn texts<const N: usize>(texts: [&str; N]) -> Option<Vec<String>> {
    Some(texts.map(str::to_owned).to_vec())
}

#[allow(clippy::ptr_arg)] // As `Option::filter` has it.
fn is_given(texts: &Vec<String>) -> bool {
    texts.iter().any(|text| !text.is_empty())
}

fn campaign(visit: &Visit) -> Option<Vec<String>> {
    let Origin { utm_source, utm_medium, utm_campaign, .. } = *origin(visit);
    if [utm_source, utm_medium, utm_campaign].iter().all(|text| text.is_empty()) {
        return None;
    }
    let has_origin = !utm_source.is_empty() || !utm_medium.is_empty();
    let origin = if has_origin { format!("{utm_source} / {utm_medium}") } else { String::new() };
    Some(vec![utm_campaign.to_owned(), origin])
}

/// The texts of a folded row, as many as the report has.
fn folded(count: usize) -> Vec<String> {
    let mut texts = vec![String::new(); count];
    OTHER.clone_into(&mut texts[0]);
    texts
}

pub fn visit_breakdown(kept: &Kept<'_>, question: &Question, texts: VisitTexts) -> Expected {
    let mut groups: BTreeMap<Vec<String>, Vec<&Visit>> = BTreeMap::new();
    for visit in &kept.visits {
        if let Some(texts) = texts(visit) {
            groups.entry(texts).or_default().push(visit);
        }
    }
    let mut rows: BTreeMap<Vec<String>, VisitSums> = BTreeMap::new();
    for (texts, visits) in groups {
        let mut visitors = DailyVisitors::default();
        visits.iter().for_each(|visit| visitors.add(visit.day, visit.visitor()));
        let texts = if visitors.are_few(question.k) { folded(texts.len()) } else { texts };
        let sums = rows.entry(texts).or_default();
        sums.visitors += visitors.sum();
        sums.visits += visits.len() as u64;
        for visit in visits {
            sums.views += visit.views();
            sums.bounces += u64::from(visit.is_bounce());
            sums.duration_s += visit.duration_s();
        }
    }
    let all = kept.visits.len() as u64;
    let row = |(texts, sums): (Vec<String>, VisitSums)| {
        let mut cells: Vec<Cell> = texts.into_iter().map(Cell::Text).collect();
        cells.extend([
            Cell::Count(sums.visitors),
            Cell::Count(sums.visits),
            Cell::percent(sums.visits, all),
            Cell::ratio(sums.views as f64, sums.visits, 2),
            Cell::percent(sums.bounces, sums.visits),
            Cell::ratio(sums.duration_s as f64, sums.visits, 1),
        ]);
        cells
    };
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(row).collect();
    let order = Order::Descending(rows.first().map_or(0, |row| row.len() - 6));
    Expected { rows, order }
}

pub fn pages(kept: &Kept<'_>, question: &Question) -> Expected {
    let mut pages: BTreeMap<(&str, &str), Vec<&Event>> = BTreeMap::new();
    for event in &kept.events {
        pages.entry((event.path, event.host)).or_default().push(event);
    }
    let mut rows: BTreeMap<(&str, &str), (u64, u64, u64)> = BTreeMap::new();
    let mut all_views = 0;
    for (mut page, events) in pages {
        let views: Vec<&&Event> = events.iter().filter(|event| event.kind == EventKind::View).collect();
        if views.is_empty() {
            continue;
        }
        let mut visitors = DailyVisitors::default();
        views.iter().for_each(|view| visitors.add(view.day, view.who.visitor));
        if visitors.are_few(question.k) {
            page = (OTHER, "");
        }
        let (sum_views, sum_visitors, sum_engaged) = rows.entry(page).or_default();
        *sum_views += views.len() as u64;
        *sum_visitors += visitors.sum();
        *sum_engaged += events.iter().map(|event| u64::from(event.engaged_ms)).sum::<u64>();
        all_views += views.len() as u64;
    }
    let row = |((path, host), (views, visitors, engaged))| {
        vec![
            Cell::text(path),
            Cell::text(host),
            Cell::Count(views),
            Cell::percent(views, all_views),
            Cell::Count(visitors),
            Cell::ratio(engaged as f64 / 1000.0, views, 1),
        ]
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Descending(2) }
}

/// Own events, outbound links and downloads, by name.
pub fn names(kept: &Kept<'_>, question: &Question, kind: EventKind) -> Expected {
    let mut groups: BTreeMap<&str, (u64, DailyVisitors)> = BTreeMap::new();
    for event in kept.events.iter().filter(|event| event.kind == kind) {
        let (events, visitors) = groups.entry(event.name).or_default();
        *events += 1;
        visitors.add(event.day, event.who.visitor);
    }
    let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, (events, visitors)) in groups {
        let name = if visitors.are_few(question.k) { OTHER } else { name };
        let row = rows.entry(name).or_default();
        *row = (row.0 + events, row.1 + visitors.sum());
    }
    let mut all = DailyVisitors::default();
    kept.visits.iter().for_each(|visit| all.add(visit.day, visit.visitor()));
    let row = |(name, (events, visitors))| {
        let mut cells = vec![Cell::text(name), Cell::Count(events), Cell::Count(visitors)];
        if kind == EventKind::Event {
            cells.push(Cell::ratio(events as f64, visitors, 2));
            // A visitor may be in several folded rows.
            cells.push(if name == OTHER { Cell::Empty } else { Cell::percent(visitors, all.sum()) });
        }
        cells
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Descending(1) }
}

pub fn props(kept: &Kept<'_>, question: &Question) -> Expected {
    type Values<'a> = BTreeMap<&'a str, (u64, DailyVisitors)>;
    let mut properties: BTreeMap<(&str, &str), Values<'_>> = BTreeMap::new();
    for event in kept.events.iter().filter(|event| event.kind == EventKind::Event) {
        for (property, value) in event.props {
            let values = properties.entry((event.name, property)).or_default();
            let (events, visitors) = values.entry(value).or_default();
            *events += 1;
            visitors.add(event.day, event.who.visitor);
        }
    }
    // Values of few are folded within their property, and a property with no other values is folded with its event.
    let mut rows: BTreeMap<(&str, &str, &str), (u64, u64)> = BTreeMap::new();
    for ((event, property), values) in properties {
        let all_few = values.values().all(|(_, visitors)| visitors.are_few(question.k));
        for (value, (events, visitors)) in values {
            let value = if visitors.are_few(question.k) { OTHER } else { value };
            let texts = if all_few { (OTHER, "", OTHER) } else { (event, property, value) };
            let row = rows.entry(texts).or_default();
            *row = (row.0 + events, row.1 + visitors.sum());
        }
    }
    let mut whole: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for ((event, property, _), (events, _)) in &rows {
        *whole.entry((event, property)).or_default() += events;
    }
    let row = |((event, property, value), (events, visitors))| {
        vec![
            Cell::text(event),
            Cell::text(property),
            Cell::text(value),
            Cell::Count(events),
            Cell::percent(events, whole[&(event, property)]),
            Cell::Count(visitors),
        ]
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Any }
}

/// What happened to a block in one page load.
#[derive(Debug, Default)]
struct Impressions {
    shown: u64,
    viewable: u64,
    clicks: u64,
}

#[derive(Debug, Default)]
struct AdSums {
    impressions: u64,
    viewable: u64,
    clicks: u64,
    visitors: u64,
}

pub fn ads(kept: &Kept<'_>, question: &Question) -> Expected {
    type Loads = BTreeMap<(Date, u64, u64, bool), Impressions>;
    let mut blocks: BTreeMap<(&str, &str), (Loads, DailyVisitors)> = BTreeMap::new();
    for event in kept.events.iter().filter(|event| event.kind == EventKind::Ad) {
        let (loads, visitors) = blocks.entry((event.ad, event.slot)).or_default();
        let day = event.day;
        visitors.add(day, event.who.visitor);
        let load = loads.entry((day, event.who.visitor, event.page_load, event.is_bot())).or_default();
        match event.name {
            "impression" => load.shown += 1,
            "viewable" => load.viewable += 1,
            "click" => load.clicks += 1,
            other => unreachable!("no block was ever {other}"),
        }
    }
    let mut rows: BTreeMap<(&str, &str), AdSums> = BTreeMap::new();
    for (block, (loads, visitors)) in blocks {
        let block = if visitors.are_few(question.k) { (OTHER, "") } else { block };
        let sums = rows.entry(block).or_default();
        sums.visitors += visitors.sum();
        for load in loads.values() {
            // Each impression is viewable and clicked at most once. Without one the page load stands for it.
            let at_most = load.shown.max(1);
            sums.impressions += load.shown;
            sums.viewable += load.viewable.min(at_most);
            sums.clicks += load.clicks.min(at_most);
        }
    }
    let rate = |part: u64, whole: u64| Cell::percent(part.min(whole), whole);
    let row = |((ad, slot), sums): ((&str, &str), AdSums)| {
        vec![
            Cell::text(ad),
            Cell::text(slot),
            Cell::Count(sums.impressions),
            Cell::Count(sums.viewable),
            rate(sums.viewable, sums.impressions),
            Cell::Count(sums.clicks),
            rate(sums.clicks, sums.impressions),
            Cell::Count(sums.visitors),
        ]
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Descending(2) }
}

#[derive(Debug, Default)]
struct Hour {
    visitors: DailyVisitors,
    views: u64,
    events: u64,
}

pub fn hours(ledger: &Ledger, kept: &Kept<'_>, question: &Question) -> Expected {
    let mut hours: BTreeMap<(String, u32), Hour> = BTreeMap::new();
    for event in &kept.events {
        let weekday = event.day.weekday().to_monday_one_offset().to_string();
        let hour = ledger.zone.text(event.time, "%H").parse().unwrap();
        let row = hours.entry((weekday, hour)).or_default();
        row.visitors.add(event.day, event.who.visitor);
        row.views += u64::from(event.kind == EventKind::View);
        row.events += u64::from(event.kind == EventKind::Event);
    }
    let (mut shown, mut other) = (Vec::new(), None);
    for ((weekday, hour), row) in hours {
        let counts = [row.visitors.sum(), row.views, row.events];
        if row.visitors.are_few(question.k) {
            let sums: &mut [u64; 3] = other.get_or_insert([0; 3]);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        } else {
            shown.push((weekday, hour.to_string(), counts));
        }
    }
    shown.extend(other.map(|counts| (OTHER.to_owned(), String::new(), counts)));
    let row = |(weekday, hour, counts): (String, String, [u64; 3])| {
        [Cell::Text(weekday), Cell::Text(hour)].into_iter().chain(counts.map(Cell::Count)).collect()
    };
    Expected { rows: shown.into_iter().map(row).collect(), order: Order::Given }
}

#[derive(Debug, Default)]
struct Page {
    visitors: DailyVisitors,
    views: u64,
    /// The deepest point of each page load that was left.
    loads: BTreeMap<u64, u8>,
}

#[derive(Debug, Default)]
struct Depths {
    views: u64,
    visitors: u64,
    loads: Vec<u8>,
}

pub fn scroll(kept: &Kept<'_>, question: &Question) -> Expected {
    let mut pages: BTreeMap<(&str, &str), Page> = BTreeMap::new();
    for event in &kept.events {
        let page = pages.entry((event.path, event.host)).or_default();
        page.views += u64::from(event.kind == EventKind::View);
        if event.kind == EventKind::Leave {
            page.visitors.add(event.day, event.who.visitor);
            let deepest = page.loads.entry(event.page_load).or_default();
            *deepest = event.scroll_depth.max(*deepest);
        }
    }
    let mut rows: BTreeMap<(&str, &str), Depths> = BTreeMap::new();
    for (page, found) in pages.into_iter().filter(|(_, page)| !page.loads.is_empty()) {
        let page = if found.visitors.are_few(question.k) { (OTHER, "") } else { page };
        let row = rows.entry(page).or_default();
        row.views += found.views;
        row.visitors += found.visitors.sum();
        row.loads.extend(found.loads.values());
    }
    let row = |((path, host), row): ((&str, &str), Depths)| {
        let loads = row.loads.len() as u64;
        let sum: u64 = row.loads.iter().map(|depth| u64::from(*depth)).sum();
        let mut cells = vec![Cell::text(path), Cell::text(host), Cell::Count(row.views), Cell::Count(loads)];
        cells.push(Cell::ratio(sum as f64, loads, 1));
        for reached in [25, 50, 75, 100] {
            let many = row.loads.iter().filter(|depth| **depth >= reached).count() as u64;
            cells.push(Cell::percent(many, loads));
        }
        cells.push(Cell::Count(row.visitors));
        cells
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Descending(3) }
}
