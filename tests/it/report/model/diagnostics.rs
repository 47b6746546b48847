//! Reports for diagnostics: errors, failed resources, missing pages, speed; and who sent the requests. Nothing is folded.

use std::collections::{BTreeMap, BTreeSet};

use footfall::event::EventKind;

use super::answer::{Cell, Expected, Order, counts};
use super::breakdown::DailyVisitors;
use super::event::{Event, decimal};
use super::ledger::{Kept, Ledger};

fn grouped<'a, K: Ord>(
    events: impl Iterator<Item = &'a Event>,
    key: impl Fn(&'a Event) -> K,
) -> BTreeMap<K, Vec<&'a Event>> {
    let mut groups: BTreeMap<K, Vec<&Event>> = BTreeMap::new();
    for event in events {
        groups.entry(key(event)).or_default().push(event);
    }
    groups
}

fn of_kind<'a>(kept: &'a Kept<'_>, kind: EventKind) -> impl Iterator<Item = &'a Event> {
    kept.events.iter().copied().filter(move |event| event.kind == kind)
}

fn count(events: &[&Event], is: impl Fn(&Event) -> bool) -> u64 {
    events.iter().filter(|event| is(event)).count() as u64
}

fn share(events: &[&Event], is: impl Fn(&Event) -> bool) -> Cell {
    Cell::percent(count(events, is), events.len() as u64)
}

/// How many different values there are.
fn different(events: &[&Event], value: impl Fn(&Event) -> u64) -> Cell {
    Cell::Count(events.iter().map(|event| value(event)).collect::<BTreeSet<_>>().len() as u64)
}

fn requests(events: &[&Event]) -> Cell {
    Cell::Count(events.len() as u64)
}

fn daily_visitors(events: &[&Event]) -> Cell {
    let mut visitors = DailyVisitors::default();
    events.iter().for_each(|event| visitors.add(event.day, event.who.visitor));
    Cell::Count(visitors.sum())
}

fn first_seen(ledger: &Ledger, events: &[&Event]) -> Cell {
    Cell::Text(ledger.zone.second(events.iter().map(|event| event.time).min().unwrap()))
}

fn last_seen(ledger: &Ledger, events: &[&Event]) -> Cell {
    Cell::Text(ledger.zone.second(events.iter().map(|event| event.time).max().unwrap()))
}

/// Up to three of the most frequent texts that are not empty.
fn top(events: &[&Event], text: impl Fn(&Event) -> &'static str) -> Cell {
    Cell::Top(counts(events.iter().map(|event| text(event).to_owned()).filter(|text| !text.is_empty())))
}

fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::Error | EventKind::Resource | EventKind::Missing)
}

/// The number of the autonomous system; empty when unknown.
fn asn(asn: u32) -> Cell {
    Cell::Text(if asn == 0 { String::new() } else { asn.to_string() })
}

pub fn errors(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let row = |(group, events): (u64, Vec<&Event>)| {
        let source = |event: &&Event| match event.error.source {
            "" => String::new(),
            source => format!("{source}:{}:{}", event.error.line, event.error.column),
        };
        let browser = |event: &&Event| {
            format!("{} {}", event.who.browser, event.who.browser_version).trim_end().to_owned()
        };
        let releases = named_releases(&events);
        vec![
            Cell::OneOf(events.iter().map(|event| event.error.message.to_owned()).collect()),
            requests(&events),
            daily_visitors(&events),
            last_seen(ledger, &events),
            Cell::Text(format!("{group:016x}")),
            Cell::OneOf(events.iter().map(source).collect()),
            first_seen(ledger, &events),
            top(&events, |event| event.path),
            Cell::Top(counts(events.iter().map(browser).filter(|text| !text.is_empty()))),
            top(&events, |event| event.release),
            release(releases.iter().min()),
            release(releases.iter().max()),
            last_stack(&events),
        ]
    };
    let groups = grouped(of_kind(kept, EventKind::Error), |event| event.error.group);
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(1) }
}

/// Time and release of the events that name one.
fn named_releases(events: &[&Event]) -> Vec<(i64, &'static str)> {
    events
        .iter()
        .map(|event| (event.time, event.release))
        .filter(|(_, release)| !release.is_empty())
        .collect()
}

fn release(found: Option<&(i64, &'static str)>) -> Cell {
    Cell::text(found.map_or("", |(_, release)| *release))
}

fn last_stack(events: &[&Event]) -> Cell {
    let stacks =
        events.iter().map(|event| (event.time, event.error.stack)).filter(|(_, stack)| !stack.is_empty());
    Cell::text(stacks.max().map_or("", |(_, stack)| stack))
}

pub fn releases(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let row = |(release, events): (&str, Vec<&Event>)| {
        let of_errors: Vec<&Event> =
            events.iter().copied().filter(|event| event.kind == EventKind::Error).collect();
        let [views, errors] =
            [EventKind::View, EventKind::Error].map(|kind| count(&events, |event| event.kind == kind));
        vec![
            Cell::text(release),
            Cell::Count(views),
            Cell::Count(errors),
            Cell::ratio(1000.0 * errors as f64, views, 2),
            daily_visitors(&of_errors),
            first_seen(ledger, &events),
            last_seen(ledger, &events),
        ]
    };
    let of_interest =
        kept.events.iter().copied().filter(|event| matches!(event.kind, EventKind::View | EventKind::Error));
    let groups = grouped(of_interest, |event| event.release);
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Any }
}

pub fn resources(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let element =
        |event: &Event| event.props.iter().find(|(name, _)| *name == "tag").map_or("", |(_, tag)| *tag);
    let row = |((resource, element), events): ((&str, &str), Vec<&Event>)| {
        vec![
            Cell::text(resource),
            Cell::text(element),
            requests(&events),
            daily_visitors(&events),
            last_seen(ledger, &events),
            first_seen(ledger, &events),
            top(&events, |event| event.path),
        ]
    };
    let groups = grouped(of_kind(kept, EventKind::Resource), |event| (event.name, element(event)));
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(2) }
}

pub fn missing(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let referrer = |event: &Event| format!("{}{}", event.origin.referrer_host, event.origin.referrer_path);
    let requests_of = |path: &str, host: &str| {
        of_kind(kept, EventKind::Missing).filter(|event| (event.path, event.host) == (path, host)).count()
            as u64
    };
    let row = |((path, host, referrer), events): ((&str, &str, String), Vec<&Event>)| {
        vec![
            Cell::text(path),
            Cell::text(host),
            Cell::Text(referrer),
            requests(&events),
            daily_visitors(&events),
            last_seen(ledger, &events),
            Cell::Count(requests_of(path, host)),
        ]
    };
    let groups =
        grouped(of_kind(kept, EventKind::Missing), |event| (event.path, event.host, referrer(event)));
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(6) }
}

/// The most that is good, and the most that is not poor.
type Thresholds = (f64, f64);

/// Name and column of each measure, and its thresholds.
const MEASURES: [(&str, &str, Option<Thresholds>); 9] = [
    ("LCP", "lcp_ms", Some((2500.0, 4000.0))),
    ("INP", "inp_ms", Some((200.0, 500.0))),
    ("CLS", "cls", Some((0.1, 0.25))),
    ("FCP", "fcp_ms", Some((1800.0, 3000.0))),
    ("TTFB", "ttfb_ms", Some((800.0, 1800.0))),
    ("DNS", "dns_ms", None),
    ("connect", "connect_ms", None),
    ("TLS", "tls_ms", None),
    ("load", "load_ms", None),
];

pub fn speed(kept: &Kept<'_>, by: &str) -> Expected {
    let group = |event: &Event| match by {
        "page" => event.path,
        "browser" => event.who.browser,
        "system" => event.who.os,
        "device" => event.who.device.name(),
        "country" => event.who.country,
        "network" => event.who.network,
        "release" => event.release,
        _ => "",
    };
    let mut rows = Vec::new();
    for (group, events) in grouped(of_kind(kept, EventKind::Vitals), group) {
        for (vital, column, thresholds) in MEASURES {
            let samples: Vec<f64> = events
                .iter()
                .filter_map(|event| match column {
                    "cls" => event.vitals.cls.map(decimal),
                    _ => event.vitals.time(column).map(f64::from),
                })
                .collect();
            if samples.is_empty() {
                continue;
            }
            let (unit, digits) = if vital == "CLS" { ("score", 3) } else { ("ms", 0) };
            let percentile = |percent| Cell::Rounded(percentile_of(&samples, percent), digits);
            let good = |threshold| samples.iter().filter(|sample| **sample <= threshold).count() as u64;
            rows.push(vec![
                Cell::text(group),
                Cell::text(vital),
                Cell::text(unit),
                Cell::Count(samples.len() as u64),
                percentile(50),
                percentile(75),
                percentile(95),
                thresholds.map_or(Cell::Empty, |(threshold, _)| {
                    Cell::percent(good(threshold), samples.len() as u64)
                }),
                Cell::text(
                    thresholds.map_or("", |thresholds| rating(percentile_of(&samples, 75), thresholds)),
                ),
            ]);
        }
    }
    Expected { rows, order: Order::Any }
}

fn rating(measure: f64, (good, not_poor): Thresholds) -> &'static str {
    match measure {
        _ if measure <= good => "good",
        _ if measure <= not_poor => "needs improvement",
        _ => "poor",
    }
}

/// The smallest sample that so many percent of samples do not exceed.
fn percentile_of(samples: &[f64], percent: usize) -> f64 {
    let at_most = |bound: f64| samples.iter().filter(|sample| **sample <= bound).count();
    let candidates = samples.iter().copied().filter(|bound| at_most(*bound) * 100 >= percent * samples.len());
    candidates.fold(f64::INFINITY, f64::min)
}

pub fn addresses(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let row = |((address, epoch), events): ((u64, u32), Vec<&Event>)| {
        vec![
            Cell::Text(format!("{address:016x}")),
            requests(&events),
            Cell::Count(count(&events, |event| event.kind == EventKind::View)),
            different(&events, |event| event.who.visitor),
            Cell::Count(count(&events, is_failure)),
            share(&events, Event::is_bot),
            Cell::text(events[0].who.network),
            Cell::text(events[0].who.country),
            last_seen(ledger, &events),
            first_seen(ledger, &events),
            Cell::Text(ledger.zone.text(epoch.into(), "%Y-%m-%d %H:%M")),
        ]
    };
    let groups = grouped(kept.events.iter().copied(), |event| (event.who.address, event.who.epoch));
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(1) }
}

pub fn networks(kept: &Kept<'_>) -> Expected {
    let all = kept.events.len() as u64;
    let row = |((network, number), events): ((&str, u32), Vec<&Event>)| {
        vec![
            Cell::text(network),
            asn(number),
            requests(&events),
            Cell::percent(events.len() as u64, all),
            different(&events, |event| event.who.address),
            different(&events, |event| event.who.visitor),
            share(&events, Event::is_bot),
            Cell::Count(count(&events, is_failure)),
            top(&events, |event| event.who.country),
        ]
    };
    let groups = grouped(kept.events.iter().copied(), |event| (event.who.network, event.who.asn));
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(2) }
}

pub fn epochs(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let row = |(epoch, events): (u32, Vec<&Event>)| {
        let addresses = grouped(events.iter().copied(), |event| event.who.address);
        let came_back = |events: &&Vec<&Event>| {
            let mut times: Vec<i64> = events.iter().map(|event| event.time).collect();
            times.sort_unstable();
            times.windows(2).any(|pair| pair[1] - pair[0] > 30 * 60)
        };
        let all = addresses.len() as u64;
        let returning = addresses.values().filter(came_back).count() as u64;
        let of_version_6 = addresses.values().filter(|events| events[0].who.ip_version == 6).count() as u64;
        vec![
            Cell::Text(ledger.zone.text(epoch.into(), "%Y-%m-%d %H:%M")),
            requests(&events),
            Cell::Count(all),
            Cell::Count(all - returning),
            Cell::Count(returning),
            different(&events, |event| event.who.visitor),
            share(&events, Event::is_bot),
            Cell::percent(of_version_6, all),
        ]
    };
    let groups = grouped(kept.events.iter().copied(), |event| event.who.epoch);
    // The latest epoch first.
    Expected { rows: groups.into_iter().rev().map(row).collect(), order: Order::Given }
}

pub fn bots(ledger: &Ledger, kept: &Kept<'_>, by: &str) -> Expected {
    let all = kept.events.len() as u64;
    let row = |((category, _), events): ((&str, &str), Vec<&Event>)| {
        vec![
            Cell::text(category),
            top(&events, |event| event.who.bot),
            requests(&events),
            Cell::percent(events.len() as u64, all),
            Cell::Count(count(&events, |event| event.kind == EventKind::View)),
            different(&events, |event| event.who.address),
            share(&events, |event| event.who.data_centre),
            last_seen(ledger, &events),
        ]
    };
    let bots = kept.events.iter().copied().filter(|event| event.is_bot());
    let groups = grouped(bots, |event| {
        (event.who.bot_category.name(), if by == "category" { "" } else { event.who.bot })
    });
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(2) }
}

pub fn spoofed(ledger: &Ledger, kept: &Kept<'_>) -> Expected {
    let all = kept.events.len() as u64;
    let row = |((network, number), of_network): ((&str, u32), Vec<&Event>)| {
        let events: Vec<&Event> = of_network.iter().copied().filter(|event| event.who.spoofed).collect();
        (!events.is_empty()).then(|| {
            vec![
                Cell::text(network),
                asn(number),
                requests(&events),
                Cell::percent(events.len() as u64, all),
                share(&of_network, |event| event.who.spoofed),
                different(&events, |event| event.who.visitor),
                different(&events, |event| event.who.address),
                share(&events, Event::is_bot),
                share(&events, |event| event.who.data_centre),
                top(&events, |event| event.who.country),
                last_seen(ledger, &events),
            ]
        })
    };
    let groups = grouped(kept.events.iter().copied(), |event| (event.who.network, event.who.asn));
    Expected { rows: groups.into_iter().filter_map(row).collect(), order: Order::Descending(2) }
}

pub fn data_centres(kept: &Kept<'_>) -> Expected {
    let all = kept.events.len() as u64;
    let all_visitors =
        kept.events.iter().map(|event| event.who.visitor).collect::<BTreeSet<_>>().len() as u64;
    let row = |((network, number), events): ((&str, u32), Vec<&Event>)| {
        let visitors = events.iter().map(|event| event.who.visitor).collect::<BTreeSet<_>>().len() as u64;
        vec![
            Cell::text(network),
            Cell::Text(number.to_string()),
            requests(&events),
            Cell::percent(events.len() as u64, all),
            Cell::Count(visitors),
            Cell::percent(visitors, all_visitors),
            share(&events, Event::is_bot),
            top(&events, |event| event.who.bot),
            share(&events, |event| event.who.spoofed),
            top(&events, |event| event.who.country),
        ]
    };
    let servers = kept.events.iter().copied().filter(|event| event.who.data_centre);
    let groups = grouped(servers, |event| (event.who.network, event.who.asn));
    Expected { rows: groups.into_iter().map(row).collect(), order: Order::Descending(2) }
}
