//! A ledger of events, and what a report under filters keeps of it.

use std::collections::BTreeSet;

use footfall::report::Comparison;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::event::Event;
use super::filter::{Condition, Scope};
use super::visit::{self, Visit};

#[derive(Debug, Clone)]
pub struct Zone(pub TimeZone);

impl Zone {
    pub fn named(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap())
    }

    pub fn day(&self, time: i64) -> Date {
        Timestamp::from_second(time).unwrap().to_zoned(self.0.clone()).date()
    }

    /// Unix time of the first second of a day.
    pub fn start(&self, day: Date) -> i64 {
        day.to_zoned(self.0.clone()).unwrap().timestamp().as_second()
    }

    /// A time as `format` has it, in `strftime`'s terms.
    pub fn text(&self, time: i64, format: &str) -> String {
        Timestamp::from_second(time).unwrap().to_zoned(self.0.clone()).strftime(format).to_string()
    }

    pub fn second(&self, time: i64) -> String {
        self.text(time, "%Y-%m-%d %H:%M:%S")
    }
}

#[derive(Debug)]
pub struct Ledger {
    pub seed: u64,
    pub site: String,
    pub zone: Zone,
    /// The days on which events begin, in order.
    pub days: Vec<Date>,
    pub events: Vec<Event>,
    pub visits: Vec<Visit>,
}

/// What is asked of a report.
#[derive(Debug, Clone)]
pub struct Question {
    pub from: Date,
    pub to: Date,
    pub bots: bool,
    pub k: usize,
    pub comparison: Comparison,
    pub conditions: Vec<Condition>,
}

/// The events and visits that a report shows.
#[derive(Debug)]
pub struct Kept<'a> {
    pub events: Vec<&'a Event>,
    pub visits: Vec<&'a Visit>,
}

impl Ledger {
    pub fn new(seed: u64, site: String, zone: Zone, days: Vec<Date>, events: Vec<Event>) -> Self {
        let visits = visit::visits(&events);
        Self { seed, site, zone, days, events, visits }
    }

    /// What passes the filters on the days from `first` to `last`. Without `bots`, nothing that a bot did matters.
    pub fn kept(&self, first: Date, last: Date, bots: bool, conditions: &[Condition]) -> Kept<'_> {
        let is_in = |day: Date| (first..=last).contains(&day);
        let events: Vec<&Event> =
            self.events.iter().filter(|event| is_in(event.day) && (bots || !event.is_bot())).collect();
        let visits: Vec<&Visit> =
            self.visits.iter().filter(|visit| is_in(visit.day) && (bots || !visit.is_bot())).collect();

        let of = |scope: Scope| conditions.iter().filter(move |condition| condition.scope() == scope);
        // The visitors of a day who did what the filters on events ask for, all of it in one event.
        let doers: BTreeSet<(Date, u64)> = events
            .iter()
            .filter(|event| of(Scope::Event).all(|condition| condition.passes_event(event)))
            .map(|event| (event.day, event.who.visitor))
            .collect();
        // The visitors of a day with a visit that the filters on visits ask for.
        let comers: BTreeSet<(Date, u64)> = visits
            .iter()
            .filter(|visit| of(Scope::Visit).all(|condition| condition.passes_visit(visit)))
            .map(|visit| (visit.day, visit.visitor()))
            .collect();

        let keeps_event = |event: &&Event| {
            let own =
                of(Scope::Visitor).chain(of(Scope::Event)).all(|condition| condition.passes_event(event));
            own && (of(Scope::Visit).next().is_none() || comers.contains(&(event.day, event.who.visitor)))
        };
        let keeps_visit = |visit: &&Visit| {
            let own =
                of(Scope::Visitor).chain(of(Scope::Visit)).all(|condition| condition.passes_visit(visit));
            own && (of(Scope::Event).next().is_none() || doers.contains(&(visit.day, visit.visitor())))
        };
        Kept {
            events: events.into_iter().filter(keeps_event).collect(),
            visits: visits.into_iter().filter(keeps_visit).collect(),
        }
    }
}

impl Question {
    /// Whether bots are counted: asked for, or implied by a filter that only bots pass.
    pub fn counts_bots(&self) -> bool {
        self.bots || self.conditions.iter().any(Condition::is_about_bots)
    }

    /// The first and the last day of the period of comparison.
    pub fn before(&self) -> (Date, Date) {
        let (mut from, mut to) = (self.from, self.to);
        match self.comparison {
            Comparison::Previous => {
                while to >= self.from {
                    (from, to) = (from.yesterday().unwrap(), to.yesterday().unwrap());
                }
            }
            Comparison::Weekdays => {
                while to >= self.from {
                    for _ in 0..7 {
                        (from, to) = (from.yesterday().unwrap(), to.yesterday().unwrap());
                    }
                }
            }
            Comparison::Year => {
                let earlier = |day: Date| {
                    let same = Date::new(day.year() - 1, day.month(), day.day());
                    same.unwrap_or_else(|_| Date::new(day.year() - 1, 2, 28).unwrap())
                };
                (from, to) = (earlier(from), earlier(to));
            }
        }
        (from, to)
    }
}
