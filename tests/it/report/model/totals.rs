//! Totals of a period, and by hour, day, week and month.

use std::collections::{BTreeMap, BTreeSet};

use footfall::event::EventKind;
use jiff::civil::Date;

use super::answer::{Cell, Expected, Order};
use super::breakdown::DailyVisitors;
use super::ledger::{Kept, Ledger, Question};
use super::visit::Visit;

pub fn overview(ledger: &Ledger, question: &Question) -> Expected {
    let kept = |from, to| ledger.kept(from, to, question.counts_bots(), &question.conditions);
    let (from, to) = question.before();
    let (now, before) = (kept(question.from, question.to), kept(from, to));
    let (now, before) = (without_few_days(&now.visits, question), without_few_days(&before.visits, question));
    let is_few = |visits: &[&Visit]| protects(question) && daily_visitors(visits) == 0;
    if is_few(&now) {
        return Expected::default();
    }
    let (is_hidden, before) = (is_few(&before), total(&before));
    let cells = total(&now).into_iter().zip(before);
    let row = cells.flat_map(|(now, before)| [now, if is_hidden { Cell::Empty } else { before }]);
    Expected { rows: vec![row.collect()], order: Order::Given }
}

/// Whether figures of few visitors are left out.
fn protects(question: &Question) -> bool {
    !question.conditions.is_empty() && question.k > 1
}

/// The visits of the days that enough visitors have.
fn without_few_days<'a>(visits: &[&'a Visit], question: &Question) -> Vec<&'a Visit> {
    let mut by_day: BTreeMap<Date, Vec<&Visit>> = BTreeMap::new();
    visits.iter().for_each(|visit| by_day.entry(visit.day).or_default().push(visit));
    let is_many = |visits: &Vec<&Visit>| !protects(question) || daily_visitors(visits) >= question.k as u64;
    by_day.into_values().filter(is_many).flatten().collect()
}

fn daily_visitors(visits: &[&Visit]) -> u64 {
    let mut visitors = DailyVisitors::default();
    visits.iter().for_each(|visit| visitors.add(visit.day, visit.visitor()));
    visitors.sum()
}

fn total(visits: &[&Visit]) -> [Cell; 7] {
    let count = visits.len() as u64;
    let views = visits.iter().map(|visit| visit.views()).sum();
    let engaged_ms: u64 = visits.iter().map(|visit| visit.engaged_ms()).sum();
    let [views_per_visit, bounce_rate, duration] = means(visits);
    [
        Cell::Count(daily_visitors(visits)),
        Cell::Count(count),
        Cell::Count(views),
        views_per_visit,
        bounce_rate,
        duration,
        Cell::ratio(engaged_ms as f64 / 1000.0, count, 1),
    ]
}

/// Views per visit, bounce rate and duration.
fn means(visits: &[&Visit]) -> [Cell; 3] {
    let count = visits.len() as u64;
    let views: u64 = visits.iter().map(|visit| visit.views()).sum();
    let bounces = visits.iter().filter(|visit| visit.is_bounce()).count() as u64;
    let duration_s: u64 = visits.iter().map(|visit| visit.duration_s()).sum();
    [
        Cell::ratio(views as f64, count, 2),
        Cell::percent(bounces, count),
        Cell::ratio(duration_s as f64, count, 1),
    ]
}

/// In s. In every zone an hour, or what clock changes leave of it, begins at a quarter of an hour UTC.
const QUARTER: usize = 900;

#[derive(Debug, Default)]
struct Bucket<'a> {
    visitors: u64,
    views: u64,
    visits: Vec<&'a Visit>,
}

pub fn timeseries(ledger: &Ledger, question: &Question, by: &str) -> Expected {
    let kept = ledger.kept(question.from, question.to, question.counts_bots(), &question.conditions);
    let (labels, mut buckets) =
        if by == "hour" { hours(ledger, question, &kept) } else { days(question, &kept, by) };
    if protects(question) {
        buckets.retain(|_, bucket| bucket.visitors >= question.k as u64);
    }
    let row = |label: String| {
        let bucket = buckets.get(&label)?;
        let mut cells =
            vec![Cell::text(label), Cell::Count(bucket.visitors), Cell::Count(bucket.visits.len() as u64)];
        cells.push(Cell::Count(bucket.views));
        cells.extend(means(&bucket.visits));
        Some(cells)
    };
    Expected { rows: labels.into_iter().filter_map(row).collect(), order: Order::Given }
}

type Buckets<'a> = (Vec<String>, BTreeMap<String, Bucket<'a>>);

/// An empty bucket for each label, and the labels in the order of their first time.
fn empty<'a>(all: impl Iterator<Item = String>) -> Buckets<'a> {
    let (mut labels, mut buckets) = (Vec::new(), BTreeMap::new());
    for label in all {
        if buckets.insert(label.clone(), Bucket::default()).is_none() {
            labels.push(label);
        }
    }
    (labels, buckets)
}

/// Views are those of the hour's events; a visit counts in the hour in which it began; visitors did one of both.
fn hours<'a>(ledger: &Ledger, question: &Question, kept: &Kept<'a>) -> Buckets<'a> {
    let zone = &ledger.zone;
    let hour = |time: i64| zone.text(time, "%Y-%m-%d %H:00 %z");
    let end = zone.start(question.to.tomorrow().unwrap());
    let (labels, mut buckets) = empty((zone.start(question.from)..end).step_by(QUARTER).map(hour));
    let mut visitors: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for event in &kept.events {
        visitors.entry(hour(event.time)).or_default().insert(event.who.visitor);
        let bucket = buckets.get_mut(&hour(event.time)).unwrap();
        bucket.views += u64::from(event.kind == EventKind::View);
    }
    for visit in &kept.visits {
        visitors.entry(hour(visit.start())).or_default().insert(visit.visitor());
        buckets.get_mut(&hour(visit.start())).unwrap().visits.push(visit);
    }
    for (hour, visitors) in visitors {
        buckets.get_mut(&hour).unwrap().visitors = visitors.len() as u64;
    }
    (labels, buckets)
}

/// Days, weeks and months have the figures of their visits.
fn days<'a>(question: &Question, kept: &Kept<'a>, by: &str) -> Buckets<'a> {
    let label = |day: Date| match by {
        "week" => {
            let mut monday = day;
            while monday.weekday() != jiff::civil::Weekday::Monday {
                monday = monday.yesterday().unwrap();
            }
            monday.to_string()
        }
        "month" => day.first_of_month().to_string(),
        _ => day.to_string(),
    };
    let all = std::iter::successors(Some(question.from), |day| day.tomorrow().ok());
    let (labels, mut buckets) = empty(all.take_while(|day| *day <= question.to).map(label));
    for visit in without_few_days(&kept.visits, question) {
        let bucket = buckets.get_mut(&label(visit.day)).unwrap();
        bucket.views += visit.views();
        bucket.visits.push(visit);
    }
    for bucket in buckets.values_mut() {
        bucket.visitors = daily_visitors(&bucket.visits);
    }
    (labels, buckets)
}
