//! Goals and funnels: what happens from the first to the last event of a visit counts for the visit.

use std::collections::{BTreeMap, BTreeSet};

use footfall::config::{Funnel, Goal, GoalCondition, PagePattern, Site, Sites};
use footfall::event::EventKind;
use jiff::civil::Date;

use super::answer::{Cell, Expected, Order};
use super::breakdown::{DailyVisitors, OTHER, of_visits};
use super::event::Event;
use super::ledger::{Kept, Ledger, Question};
use super::visit::Visit;

/// Whether an event meets a goal.
type Meets = fn(&Event) -> bool;

/// Names of goals, and which events meet them. The first ones are the steps of the funnel, in this order.
const GOALS: [(&str, Meets); 5] = [
    ("Home", |event| event.kind == EventKind::View && event.path == "/"),
    ("Doctors", |event| event.kind == EventKind::View && event.path.starts_with("/doctors")),
    ("Booking", |event| event.kind == EventKind::Event && event.name == "booking"),
    ("Autumn", |event| event.kind == EventKind::Ad && event.name == "click" && event.ad == "autumn"),
    ("Read", |event| event.kind == EventKind::Leave && event.scroll_depth >= 50),
];
const STEPS: usize = 3;

/// The same goals as settings of a site.
pub fn settings(site: &str) -> Sites {
    let page = |pattern| GoalCondition::Page(PagePattern::parse(pattern).unwrap());
    let conditions = [
        page("/"),
        page("/doctors*"),
        GoalCondition::Event("booking".to_owned()),
        GoalCondition::AdClick("autumn".to_owned()),
        GoalCondition::Scroll { percent: 50, page: None },
    ];
    let goals: Vec<Goal> = GOALS
        .iter()
        .zip(conditions)
        .map(|((name, _), condition)| Goal { name: (*name).to_owned(), condition })
        .collect();
    let funnels = vec![Funnel { name: "Booking".to_owned(), steps: goals[..STEPS].to_vec() }];
    Sites::new([Site { id: site.into(), goals, funnels, ..Site::localhost() }])
}

/// The value and the detail of a visit in the dimension `by`.
fn group(visit: &Visit, by: &str) -> (String, String) {
    let origin = &visit.first().origin;
    let one = |text: &str| (text.to_owned(), String::new());
    let report = match by {
        "site" => return one(""),
        "referrer" => return (origin.referrer_host.to_owned(), origin.referrer_path.to_owned()),
        "utm_source" => return one(origin.utm_source),
        "utm_medium" => return one(origin.utm_medium),
        "utm_content" => return one(origin.utm_content),
        "utm_term" => return one(origin.utm_term),
        "os" => return one(visit.first().who.os),
        "entry" => "entries".to_owned(),
        "exit" => "exits".to_owned(),
        "country" => "countries".to_owned(),
        "city" => "cities".to_owned(),
        "browser_version" => "browser-versions".to_owned(),
        "os_version" => "systems".to_owned(),
        other => format!("{other}s"),
    };
    let mut texts = of_visits(&report).unwrap()(visit).unwrap_or_default().into_iter();
    (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
}

/// The events from the first to the last one of a visit, in the order in which they happened.
fn events_of<'a>(ledger: &'a Ledger, visit: &Visit) -> Vec<&'a Event> {
    let time = visit.start()..=visit.start() + i64::try_from(visit.duration_s()).unwrap();
    let is_own = |event: &&Event| {
        event.who.visitor == visit.visitor() && event.is_bot() == visit.is_bot() && time.contains(&event.time)
    };
    let mut events: Vec<&Event> = ledger.events.iter().filter(is_own).collect();
    events.sort_by_key(|event| (event.time, event.page_load, event.seq));
    events
}

#[derive(Debug, Default)]
struct Met {
    visitors: DailyVisitors,
    /// Each event; each page load that was left.
    occasions: BTreeSet<(Date, u64, u32)>,
    all: DailyVisitors,
}

pub fn goals(ledger: &Ledger, kept: &Kept<'_>, question: &Question, by: &str) -> Expected {
    let mut met: BTreeMap<(&str, (String, String)), Met> = BTreeMap::new();
    for visit in &kept.visits {
        let events = events_of(ledger, visit);
        for (name, meets) in GOALS {
            let row = met.entry((name, group(visit, by))).or_default();
            row.all.add(visit.day, visit.visitor());
            for event in events.iter().filter(|event| meets(event)) {
                row.visitors.add(visit.day, visit.visitor());
                let number = if event.kind == EventKind::Leave { 0 } else { event.seq };
                row.occasions.insert((visit.day, event.page_load, number));
            }
        }
    }
    let mut rows: BTreeMap<(&str, (String, String)), [u64; 3]> = BTreeMap::new();
    for ((name, group), met) in met {
        let is_few = question.k > 1 && met.visitors.are_few(question.k);
        let key = match (is_few, by) {
            (false, _) => (name, group),
            (true, "site") => (OTHER, group),
            (true, _) => (name, (OTHER.to_owned(), String::new())),
        };
        let [visitors, conversions, all] = rows.entry(key).or_default();
        *visitors += met.visitors.sum();
        *conversions += met.occasions.len() as u64;
        // Several goals of a site have the same visitors.
        *all = if by == "site" { met.all.sum() } else { *all + met.all.sum() };
    }
    let row = |((name, (group, detail)), [visitors, conversions, all]): ((&str, _), [u64; 3])| {
        vec![
            Cell::text(name),
            Cell::Text(group),
            Cell::Text(detail),
            Cell::Count(visitors),
            Cell::Count(conversions),
            Cell::Count(all),
            if name == OTHER { Cell::Empty } else { Cell::percent(visitors, all) },
        ]
    };
    Expected { rows: rows.into_iter().map(row).collect(), order: Order::Any }
}

pub fn funnel(ledger: &Ledger, kept: &Kept<'_>, question: &Question, by: &str) -> Expected {
    // The visitors of each group who took each step.
    let mut groups: BTreeMap<(String, String), [DailyVisitors; STEPS]> = BTreeMap::new();
    let mut visits: Vec<((String, String), &Visit, usize)> = Vec::new();
    for visit in &kept.visits {
        let mut taken = 0;
        for event in events_of(ledger, visit) {
            if taken < STEPS && GOALS[taken].1(event) {
                taken += 1;
            }
        }
        let group = group(visit, by);
        let steps = groups.entry(group.clone()).or_default();
        steps[..taken].iter_mut().for_each(|step| step.add(visit.day, visit.visitor()));
        visits.push((group, visit, taken));
    }
    let few: BTreeSet<&(String, String)> =
        groups.iter().filter(|(_, steps)| steps[0].are_few(question.k)).map(|(group, _)| group).collect();
    let mut shown: BTreeMap<(String, String), [DailyVisitors; STEPS]> = BTreeMap::new();
    for (group, visit, taken) in &visits {
        let group = if few.contains(group) { (OTHER.to_owned(), String::new()) } else { group.clone() };
        let steps = shown.entry(group).or_default();
        steps[..*taken].iter_mut().for_each(|step| step.add(visit.day, visit.visitor()));
    }
    let mut rows = Vec::new();
    for ((group, detail), steps) in shown {
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| !step.are_few(question.k)) {
            let lost = |before: u64| Cell::percent(before - step.sum(), before);
            rows.push(vec![
                Cell::text((at + 1).to_string()),
                Cell::text(GOALS[at].0),
                Cell::text(&*group),
                Cell::text(&*detail),
                Cell::Count(step.sum()),
                Cell::percent(step.sum(), steps[0].sum()),
                if at == 0 { Cell::Empty } else { lost(steps[at - 1].sum()) },
            ]);
        }
    }
    Expected { rows, order: Order::Any }
}
