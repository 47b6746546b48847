//! Visits of a ledger, as `docs/fields.md` and `sql/schema/0005_visits.sql` describe them.

use std::collections::BTreeMap;

use footfall::event::EventKind;
use jiff::civil::Date;

use super::event::{ColumnValue, Event, text};

/// A longer pause between two events ends a visit.
const LONGEST_PAUSE: i64 = 30 * 60;

#[derive(Debug, Clone)]
pub struct Visit {
    pub day: Date,
    /// In the order in which they happened; the first one opened the visit.
    pub events: Vec<Event>,
}

/// The visits of each visitor on each day. A bot's events are visits of their own.
pub fn visits(events: &[Event]) -> Vec<Visit> {
    let mut clients: BTreeMap<(Date, u64, bool), Vec<&Event>> = BTreeMap::new();
    for event in events {
        clients.entry((event.day, event.who.visitor, event.is_bot())).or_default().push(event);
    }
    let mut visits = Vec::new();
    for ((day, ..), mut events) in clients {
        events.sort_by_key(|event| (event.time, event.page_load, event.seq));
        let mut visit: Option<Visit> = None;
        for event in events {
            let last = visit.as_ref().and_then(|visit| visit.events.last());
            if last.is_some_and(|last| event.time - last.time > LONGEST_PAUSE) {
                visits.extend(visit.take());
            }
            match &mut visit {
                Some(visit) => visit.events.push(event.clone()),
                None if event.opens_visit() => visit = Some(Visit { day, events: vec![event.clone()] }),
                // It belongs to no visit.
                None => {}
            }
        }
        visits.extend(visit);
    }
    visits
}

impl Visit {
    pub fn first(&self) -> &Event {
        &self.events[0]
    }

    pub fn start(&self) -> i64 {
        self.first().time
    }

    pub fn is_bot(&self) -> bool {
        self.first().is_bot()
    }

    pub fn visitor(&self) -> u64 {
        self.first().who.visitor
    }

    pub fn duration_s(&self) -> u64 {
        let last = self.events.iter().map(|event| event.time).max().unwrap_or(self.start());
        u64::try_from(last - self.start()).unwrap()
    }

    pub fn views(&self) -> u64 {
        self.events.iter().filter(|event| event.kind == EventKind::View).count() as u64
    }

    pub fn is_bounce(&self) -> bool {
        self.views() == 1 && !self.events.iter().any(Event::is_action)
    }

    pub fn engaged_ms(&self) -> u64 {
        self.events.iter().map(|event| u64::from(event.engaged_ms)).sum()
    }

    /// Path and host of the first view; of the first event when there is no view.
    pub fn entry(&self) -> (&'static str, &'static str) {
        let view = self.events.iter().find(|event| event.kind == EventKind::View);
        let page = view.unwrap_or(self.first());
        (page.path, page.host)
    }

    /// Path and host of the last view; of the first event when there is no view.
    pub fn exit(&self) -> (&'static str, &'static str) {
        let view = self.events.iter().rev().find(|event| event.kind == EventKind::View);
        let page = view.unwrap_or(self.first());
        (page.path, page.host)
    }

    /// The value of a column that describes the visit or its visitor.
    pub fn column(&self, name: &str) -> ColumnValue {
        match name {
            "entry_path" => text(self.entry().0),
            "entry_host" => text(self.entry().1),
            "exit_path" => text(self.exit().0),
            "exit_host" => text(self.exit().1),
            _ => self.first().column(name, None),
        }
    }
}
