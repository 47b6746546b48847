//! Reports with a row for each value: of what visits are, of what events are. Rows of few visitors are folded.

use std::collections::{BTreeMap, BTreeSet};

use footfall::event::EventKind;
use jiff::civil::Date;

use super::answer::{Cell, Expected, Order};
use super::event::{Event, Identity, Origin};
use super::ledger::{Kept, Question};
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
        "campaigns" => campaign,
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
