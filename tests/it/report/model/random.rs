//! Random ledgers and random filters, the same for the same seed.

use std::collections::HashMap;

use fastrand::Rng;
use footfall::event::EventKind;
use jiff::civil::Date;

use super::event::{ColumnValue, Event, Identity, Vitals};
use super::filter::{Condition, OF_EVENTS, OF_VISITORS, OF_VISITS};
use super::ledger::{Ledger, Zone};
use super::pools;

/// Pauses between events of a client, in s: short ones, and those around the 30 minutes that end a visit.
const PAUSES: [i64; 18] = [0, 0, 1, 2, 5, 10, 30, 60, 90, 300, 900, 1799, 1800, 1801, 1830, 1859, 1860, 5400];

/// What happens, as often as it is drawn.
const KINDS: [EventKind; 20] = [
    EventKind::View,
    EventKind::View,
    EventKind::View,
    EventKind::View,
    EventKind::View,
    EventKind::Leave,
    EventKind::Leave,
    EventKind::Leave,
    EventKind::Ad,
    EventKind::Ad,
    EventKind::Ad,
    EventKind::Ad,
    EventKind::Event,
    EventKind::Event,
    EventKind::Outbound,
    EventKind::Download,
    EventKind::Error,
    EventKind::Resource,
    EventKind::Vitals,
    EventKind::Missing,
];

pub fn ledger(seed: u64, site: String, zone: &str, first: Date) -> Ledger {
    let zone = Zone::named(zone);
    let days: Vec<Date> = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(4).collect();
    let mut writer = Writer::new(seed, zone.clone(), &days);
    for day in &days {
        for client in 0..pools::CLIENTS {
            if writer.random.f32() < 0.6 {
                writer.client_day(client, *day);
            }
        }
    }
    Ledger::new(seed, site, zone, days, writer.events)
}

struct Writer {
    random: Rng,
    zone: Zone,
    /// The first moment after the last day.
    end: i64,
    /// Beginnings of epochs: each midnight, and perhaps another moment.
    epochs: Vec<i64>,
    events: Vec<Event>,
    pseudonyms: HashMap<(&'static str, u64, i64), u64>,
    page_loads: u64,
}

impl Writer {
    fn new(seed: u64, zone: Zone, days: &[Date]) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut epochs: Vec<i64> = days.iter().map(|day| zone.start(*day)).collect();
        let end = zone.start(days.last().unwrap().tomorrow().unwrap());
        if random.bool() {
            // An operator turned the key.
            epochs.push(random.i64(epochs[0]..end));
            epochs.sort_unstable();
        }
        Self { random, zone, end, epochs, events: Vec::new(), pseudonyms: HashMap::new(), page_loads: 0 }
    }

    fn choose<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.random.usize(..values.len())]
    }

    /// No pseudonym recurs in another epoch.
    fn pseudonym(&mut self, purpose: &'static str, of: u64, epoch: i64) -> u64 {
        let random = &mut self.random;
        *self.pseudonyms.entry((purpose, of, epoch)).or_insert_with(|| random.u64(..))
    }

    /// The epoch in which a moment lies.
    fn epoch(&self, time: i64) -> i64 {
        *self.epochs.iter().rev().find(|epoch| **epoch <= time).unwrap()
    }

    /// One or several runs of events; some may pass midnight.
    fn client_day(&mut self, client: usize, day: Date) {
        let (start, next) = (self.zone.start(day), self.zone.start(day.tomorrow().unwrap()));
        for _ in 0..self.random.usize(1..=3) {
            let begin = match self.random.u8(..6) {
                0 => start + self.random.i64(0..4),
                1 => next - self.random.i64(1..2400),
                // Clocks change at night.
                2 => start + self.random.i64(0..4 * 3600),
                _ => self.random.i64(start..next),
            };
            let is_spam = client < pools::PEOPLE && self.random.u8(..12) == 0;
            self.run_of_events(client, begin, is_spam);
        }
    }

    fn run_of_events(&mut self, client: usize, begin: i64, is_spam: bool) {
        let mut time = begin;
        let mut load = self.next_load();
        let mut origin = self.choose(&pools::ORIGINS);
        let mut page = (self.choose(&pools::HOSTS), self.choose(&pools::PATHS));
        let mut kind = if self.random.u8(..5) == 0 { self.choose(&KINDS) } else { EventKind::View };
        let mut has_vitals = false;
        for seq in 0..self.random.u32(1..12) {
            if time >= self.end {
                return;
            }
            if kind == EventKind::View {
                page = (self.choose(&pools::HOSTS), self.choose(&pools::PATHS));
                if seq > 0 && self.random.bool() {
                    load = self.next_load();
                    origin = self.choose(&pools::ORIGINS);
                    has_vitals = false;
                }
            }
            // There is one set of measures for each page load.
            if kind == EventKind::Vitals && std::mem::replace(&mut has_vitals, true) {
                kind = EventKind::Leave;
            }
            let who = self.identity(client, time, is_spam);
            let epoch = i64::from(who.epoch);
            let event = Event {
                page_load: self.pseudonym("page load", load, epoch),
                seq: 1000 + seq,
                time,
                day: self.zone.day(time),
                received: time + self.random.i64(0..100),
                who,
                origin,
                host: page.0,
                path: page.1,
                query: self.choose(&pools::QUERIES),
                release: self.choose(&pools::RELEASES),
                kind,
                cookies: self.choose(&pools::COOKIES),
                ..Event::default()
            };
            let event = self.detailed(event);
            self.events.push(event);
            time += self.choose(&PAUSES);
            kind = self.choose(&KINDS);
        }
    }

    fn next_load(&mut self) -> u64 {
        self.page_loads += 1;
        self.page_loads
    }

    fn identity(&mut self, client: usize, time: i64, is_spam: bool) -> Identity {
        let epoch = self.epoch(time);
        let known = pools::client(client);
        let known = if is_spam { pools::spammer(&known) } else { known };
        // Clients 0 and 5 share an address, and so a place.
        let address = if client == 5 { 0 } else { client as u64 };
        Identity {
            visitor: self.pseudonym("visitor", client as u64, epoch),
            address: self.pseudonym("address", address, epoch),
            epoch: u32::try_from(epoch).unwrap(),
            ip_version: pools::client(address as usize).ip_version,
            ..known
        }
    }

    /// The event with what its kind carries.
    fn detailed(&mut self, event: Event) -> Event {
        match event.kind {
            EventKind::View => event,
            EventKind::Leave => {
                Event { engaged_ms: self.random.u32(..90_000), scroll_depth: self.random.u8(..=100), ..event }
            }
            EventKind::Event => {
                Event { name: self.choose(&pools::EVENTS), props: self.choose(&pools::PROPS), ..event }
            }
            EventKind::Ad => {
                let (ad, slot) = self.choose(&pools::ADS);
                Event { name: self.choose(&pools::AD_ACTIONS), ad, slot, ..event }
            }
            EventKind::Outbound => Event { name: self.choose(&pools::LINKS), ..event },
            EventKind::Download => Event { name: self.choose(&pools::FILES), ..event },
            EventKind::Error => Event { error: self.choose(&pools::ERRORS), ..event },
            EventKind::Resource => {
                let (name, props) = self.choose(&pools::RESOURCES);
                Event { name, props, ..event }
            }
            EventKind::Vitals => Event { vitals: self.vitals(), ..event },
            EventKind::Missing => Event { path: self.choose(&pools::GONE), ..event },
        }
    }

    fn vitals(&mut self) -> Vitals {
        let mut time = || self.random.bool().then(|| pools::TIMES[self.random.usize(..pools::TIMES.len())]);
        let [lcp_ms, inp_ms, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms] =
            std::array::from_fn(|_| time());
        let cls = self.random.bool().then(|| pools::SCORES[self.random.usize(..pools::SCORES.len())]);
        Vitals { lcp_ms, inp_ms, cls, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms }
    }
}

/// A filter on one of the columns, with values that the ledger has, as a rule.
pub fn condition(random: &mut Rng, ledger: &Ledger, columns: &[&'static str]) -> Condition {
    let column = columns[random.usize(..columns.len())];
    let mut first = value(random, ledger, column);
    if random.u8(..8) == 0 {
        first = match first {
            ColumnValue::Text(_) => ColumnValue::Text(String::new()),
            ColumnValue::Word(_) if column == "bot_category" => ColumnValue::Word(""),
            ColumnValue::Flag(flag) => ColumnValue::Flag(!flag),
            other => other,
        };
    }
    let operators: &[&str] = match first {
        ColumnValue::Text(_) => &["=", "!=", "~", "!~"],
        ColumnValue::Word(_) | ColumnValue::Id(_) | ColumnValue::Flag(_) => &["=", "!="],
        ColumnValue::Number(_) | ColumnValue::Moment(_) | ColumnValue::Day(_) => {
            &["=", "!=", "<", "<=", ">", ">="]
        }
    };
    let operator = operators[random.usize(..operators.len())];
    let mut values = vec![first];
    while random.u8(..3) == 0 {
        values.push(value(random, ledger, column));
    }
    if operator.ends_with('~') {
        values = values.into_iter().map(|value| part(random, value)).collect();
    }
    Condition { column, operator, values }
}

fn value(random: &mut Rng, ledger: &Ledger, column: &'static str) -> ColumnValue {
    let (name, entry) = match column.split_once('.') {
        Some((name, entry)) => (name, Some(entry)),
        None => (column, None),
    };
    let mut draw = || {
        if OF_VISITS.contains(&column) {
            ledger.visits[random.usize(..ledger.visits.len())].column(name)
        } else {
            ledger.events[random.usize(..ledger.events.len())].column(name, entry)
        }
    };
    // Most events lack most columns: as a rule, prefer a value that says something.
    let mut found = draw();
    for _ in 0..20 {
        if !says_nothing(&found) {
            break;
        }
        found = draw();
    }
    if found == ColumnValue::Number(None) { ColumnValue::Number(Some(200.0)) } else { found }
}

fn says_nothing(value: &ColumnValue) -> bool {
    match value {
        ColumnValue::Text(text) => text.is_empty(),
        ColumnValue::Word(word) => word.is_empty(),
        ColumnValue::Number(number) => number.is_none_or(|number| number == 0.0),
        ColumnValue::Id(id) => *id == 0,
        ColumnValue::Flag(flag) => !flag,
        ColumnValue::Moment(_) | ColumnValue::Day(_) => false,
    }
}

/// A part of a text, in another case of letters.
fn part(random: &mut Rng, value: ColumnValue) -> ColumnValue {
    let ColumnValue::Text(text) = value else { return value };
    let letters: Vec<char> = text.chars().collect();
    let from = random.usize(..=letters.len() / 2);
    let to = random.usize(from..=letters.len());
    let text: String = letters[from..to].iter().collect();
    ColumnValue::Text(if random.bool() { text.to_uppercase() } else { text.to_lowercase() })
}

/// No filter; a filter of each kind; two together.
pub fn conditions(random: &mut Rng, ledger: &Ledger) -> Vec<Vec<Condition>> {
    let mut one = |columns: &[&'static str]| condition(random, ledger, columns);
    let bots = ["bot", "bot_category", "device", "data_centre", "spoofed"];
    vec![
        vec![],
        vec![one(&OF_VISITORS)],
        vec![one(&OF_VISITS)],
        vec![one(&OF_EVENTS)],
        vec![one(&["path", "name", "kind", "props.doctor", "ad"])],
        vec![one(&bots)],
        vec![one(&OF_VISITORS), one(&OF_EVENTS)],
        vec![one(&OF_VISITS), one(&OF_EVENTS)],
        vec![one(&["kind", "path", "host"]), one(&OF_EVENTS)],
        vec![one(&OF_VISITS), one(&OF_VISITORS)],
    ]
}
