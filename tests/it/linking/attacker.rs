//! The attacker: has every table, and guesses which visitors of two groups are one person.
//!
//! A group is the visitors of one site in one epoch. For each visitor of the first group a clue may point to visitors of the second one, more
//! or less strongly. The attacker guesses the strongest, and draws among equals.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fastrand::Rng;
use serde_json::Value;

use super::MARK;
use crate::common::StoreClient;

/// What describes a browser and where it is, as far as a version of the program stores it.
const BROWSER: [&str; 11] = [
    "browser",
    "browser_version",
    "engine",
    "os",
    "os_version",
    "device",
    "screen",
    "screen_width",
    "screen_height",
    "spoofed",
    "cookies_enabled",
];
const PLACE: [&str; 9] =
    ["language", "timezone", "country", "region", "city", "asn", "network", "ip_version", "data_centre"];
/// What is less probable than this is not chance. A test that holds fails with this probability, for each clue and column.
const CONFIDENCE: f64 = 1e-6;
const RUNNING: &str = "running numbers that continue";
/// Numbers that are at most so far apart may count on: the next one, or the one after an event that is missing.
const NEXT: u64 = 2;
/// Views are linked with the page before them if that was seen at most so long before, in s.
const SOON: f64 = 30.0;

/// A column of a table, such as `events.address`.
pub type Column = String;

/// Everything that the store holds, by table. Aggregation states are in hexadecimal.
pub fn read_tables(store: &StoreClient) -> BTreeMap<String, Vec<Value>> {
    let names = store.rows(
        "SELECT name FROM system.tables WHERE database = 'footfall' \
         AND (engine NOT LIKE '%View' OR name IN ('visits', 'daily')) ORDER BY name",
    );
    let read = |table: &String| {
        let columns: Vec<String> = store
            .rows(&format!("DESCRIBE TABLE {table}"))
            .iter()
            .filter_map(|line| {
                let (name, rest) = line.split_once('\t')?;
                let is_state = rest.starts_with("AggregateFunction");
                Some(if is_state { format!("hex({name}) AS {name}") } else { name.to_owned() })
            })
            .collect();
        store.objects(&format!("SELECT {} FROM {table}", columns.join(", ")))
    };
    names.iter().map(|table| (table.clone(), read(table))).collect()
}

/// Host and path.
type Page = (String, String);

/// A view, or what else the attacker knows the time and the page of.
#[derive(Clone, Default)]
struct Moment {
    time: f64,
    seq: u64,
    is_view: bool,
    is_leave: bool,
    page: Page,
    referrer: Page,
}

/// One visitor as the tables show them.
#[derive(Default)]
pub struct Profile {
    values: BTreeMap<Column, BTreeSet<String>>,
    moments: Vec<Moment>,
    /// The person's identity, for the score: several people if they share address and browser.
    people: BTreeSet<String>,
}

/// The visitors of one site in one epoch.
#[derive(Default)]
pub struct Group {
    profiles: Vec<Profile>,
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Object(map) if map.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A time such as `2026-11-22 09:14:03.250`, in s.
fn seconds(time: &str) -> Option<f64> {
    let time: jiff::civil::DateTime = time.parse().ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_millisecond() as f64 / 1_000.0)
}

/// Divides the rows that name a visitor, by site and epoch.
pub fn groups(tables: &BTreeMap<String, Vec<Value>>) -> BTreeMap<(String, u64), Group> {
    let mut profiles: BTreeMap<(String, u64), BTreeMap<String, Profile>> = BTreeMap::new();
    for (table, rows) in tables {
        for row in rows {
            let (Some(visitor), Some(epoch)) = (text(&row["visitor"]), row["epoch"].as_u64()) else {
                continue;
            };
            let site = row["site"].as_str().unwrap_or_default().to_owned();
            let profile = profiles.entry((site, epoch)).or_default().entry(visitor).or_default();
            for (column, value) in row.as_object().into_iter().flatten() {
                if column == "props" {
                    // Not the attacker's to read: it tells who everybody is.
                    profile.people.extend(value["who"].as_str().map(str::to_owned));
                } else if let Some(value) = text(value) {
                    profile.values.entry(format!("{table}.{column}")).or_default().insert(value);
                }
            }
            // The events that say who somebody is are not there for the attacker.
            if table == "events" && row["name"] != MARK {
                let get = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
                profile.moments.push(Moment {
                    time: seconds(&get("time")).unwrap_or_default(),
                    seq: row["seq"].as_u64().unwrap_or_default(),
                    is_view: row["kind"] == "view",
                    is_leave: row["kind"] == "leave",
                    page: (get("host"), get("path")),
                    referrer: (get("referrer_host"), get("referrer_path")),
                });
            }
        }
    }
    let group = |profiles: BTreeMap<String, Profile>| {
        let mut profiles: Vec<Profile> = profiles.into_values().collect();
        for profile in &mut profiles {
            profile.moments.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.seq.cmp(&b.seq)));
        }
        Group { profiles }
    };
    profiles.into_iter().map(|(key, profiles)| (key, group(profiles))).collect()
}

/// Pseudonyms that occur in tables whose rows name no visitor, and states of visitor counts that occur on several sites.
pub fn pseudonyms_elsewhere(
    tables: &BTreeMap<String, Vec<Value>>,
    groups: &BTreeMap<(String, u64), Group>,
) -> Vec<String> {
    let columns = |group: &Group| -> Vec<String> { group.columns().into_iter().cloned().collect() };
    let identifiers = groups.values().flat_map(|group| {
        let columns = columns(group).into_iter().filter(|column| group.is_identifier(column));
        columns
            .flat_map(|column| group.own_values(&column).into_keys().map(str::to_owned).collect::<Vec<_>>())
    });
    // Shorter values are numbers that anything may have.
    let identifiers: HashSet<String> = identifiers.filter(|value| value.len() > 12).collect();
    let mut found = Vec::new();
    let mut sites_of_states: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (table, rows) in tables {
        for row in rows.iter().filter(|row| row.get("visitor").is_none()) {
            let text = row.to_string();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            found.extend(
                words.filter(|word| identifiers.contains(*word)).map(|word| format!("{table}: {word}")),
            );
            if let (Some(state), Some(site)) = (row["visitors"].as_str(), row["site"].as_str()) {
                sites_of_states.entry(state).or_default().insert(site);
            }
        }
    }
    let recurring = sites_of_states.into_iter().filter(|(_, sites)| sites.len() > 1);
    found.extend(recurring.map(|(state, sites)| format!("{state}: {sites:?}")));
    found
}

impl Group {
    pub fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Whether a visitor of this group and one of another are the same person.
    fn is_same(&self, one: usize, second: &Self, other: usize) -> bool {
        !self.profiles[one].people.is_disjoint(&second.profiles[other].people)
    }

    /// How many visitors of another group are the same person.
    fn partners(&self, one: usize, second: &Self) -> usize {
        (0..second.len()).filter(|other| self.is_same(one, second, *other)).count()
    }

    fn columns(&self) -> BTreeSet<&Column> {
        self.profiles.iter().flat_map(|profile| profile.values.keys()).collect()
    }

    /// The values of a column that belong to one visitor each, with the visitor.
    fn own_values(&self, column: &str) -> HashMap<&str, usize> {
        let mut holders: HashMap<&str, Option<usize>> = HashMap::new();
        for (index, profile) in self.profiles.iter().enumerate() {
            for value in profile.values.get(column).into_iter().flatten() {
                holders.entry(value).and_modify(|holder| *holder = None).or_insert(Some(index));
            }
        }
        holders.into_iter().filter_map(|(value, holder)| Some((value, holder?))).collect()
    }

    /// Whether a column identifies visitors: at least half of them hold a value that nobody else of the group holds.
    fn is_identifier(&self, column: &str) -> bool {
        let owners: HashSet<usize> = self.own_values(column).into_values().collect();
        owners.len() * 2 >= self.profiles.len()
    }
}

/// How many values of an identifier occur in both groups.
#[derive(Debug)]
pub struct Recurrence {
    pub column: Column,
    pub values: (usize, usize),
    pub recurring: usize,
    /// How many would, if all values were drawn at random from the numbers or seconds that they span; 0 for texts.
    pub expected: f64,
}

impl Recurrence {
    /// Whether chance explains how many values recur. Numbers that are measured are not quite evenly spread, so twice as many are expected.
    pub fn is_by_chance(&self) -> bool {
        at_least(self.recurring, self.expected * 2.0) > CONFIDENCE
    }
}

/// How many values recur. Numbers that follow one another count once: the events of a page load are numbered from a random number on, so that two page loads
/// that meet by chance have several numbers in common.
fn coincidences<'a>(values: impl Iterator<Item = &'a String>) -> usize {
    let values: HashSet<&str> = values.map(String::as_str).collect();
    let follows = |value: &str| {
        let before = value.parse().ok().and_then(|number: u64| number.checked_sub(1));
        before.is_some_and(|before| values.contains(before.to_string().as_str()))
    };
    values.iter().filter(|value| !follows(value)).count()
}

/// Columns that identify visitors in both groups, and whether their values recur.
pub fn recurrences(first: &Group, second: &Group) -> Vec<Recurrence> {
    let columns = first.columns().into_iter().filter(|column| {
        second.columns().contains(column) && first.is_identifier(column) && second.is_identifier(column)
    });
    let recurrence = |column: &Column| {
        let values = |group: &Group| -> HashSet<String> {
            group.own_values(column).into_keys().map(str::to_owned).collect()
        };
        let (one, other) = (values(first), values(second));
        let numbers: Option<Vec<f64>> =
            one.union(&other).map(|value| value.parse().ok().or_else(|| seconds(value))).collect();
        let span = numbers.map(|numbers| {
            let highest = numbers.iter().copied().fold(f64::MIN, f64::max);
            highest - numbers.iter().copied().fold(f64::MAX, f64::min) + 1.0
        });
        Recurrence {
            column: column.clone(),
            values: (one.len(), other.len()),
            recurring: coincidences(one.intersection(&other)),
            expected: span.map_or(0.0, |span| one.len() as f64 * other.len() as f64 / span),
        }
    };
    columns.map(recurrence).collect()
}

/// How strongly a clue points from a visitor of the first group to one of the second.
type Evidence = HashMap<(usize, usize), f64>;

/// How well the guesses from one clue are.
#[derive(Debug, Clone)]
pub struct Score {
    pub clue: String,
    /// Whether the clue is an identifier or a running number, which must not help.
    pub must_not_help: bool,
    pub guesses: usize,
    pub right: usize,
    /// Visitors of the first group who are in the second one, too.
    pub partners: usize,
    /// The probability with which a guess at random is right.
    pub chance: f64,
    /// Guesses and right ones among the tenth of the guesses that are the surest.
    pub surest: (usize, usize),
}

/// Runs all clues. `rng` draws among equals.
pub fn link(first: &Group, second: &Group, rng: &mut Rng) -> Vec<Score> {
    let mut clues: Vec<(String, bool, Evidence)> = Vec::new();
    let mut all = Evidence::new();
    for it in recurrences(first, second) {
        let found = equal_values(first, second, &it.column);
        if !it.is_by_chance() {
            all.extend(found.keys().map(|pair| (*pair, 1_000.0)));
        }
        clues.push((format!("equal `{}`", it.column), true, found));
    }
    let page = same_page(first, second);
    let running = running_numbers(first, second, &page);
    clues.push((RUNNING.to_owned(), true, running.clone()));
    let path = path_and_gap(first, second);
    clues.push(("path and gap".to_owned(), false, path.clone()));
    clues.push(("browser, system, screen".to_owned(), false, alike(first, second, &BROWSER)));
    clues.push(("language, time zone, place".to_owned(), false, alike(first, second, &PLACE)));
    let description = alike(first, second, &[&BROWSER[..], &PLACE[..]].concat());
    // Alone, pages and numbers point to many who are somebody else.
    for (pair, strength) in &description {
        let others = [&path, &running].map(|clue| clue.get(pair).copied().unwrap_or_default());
        *all.entry(*pair).or_default() += strength + others.iter().sum::<f64>();
    }
    clues.push(("both of these".to_owned(), false, description));
    clues.push(("all together".to_owned(), false, all));
    clues
        .into_iter()
        .map(|(name, must_not_help, found)| {
            // The page is a clue of its own, so chance is a guess among visitors on the same page.
            let among = (name == RUNNING).then_some(&page);
            score(first, second, name, must_not_help, &found, among, rng)
        })
        .collect()
}

/// Values that belong to one visitor in each group and are equal.
fn equal_values(first: &Group, second: &Group, column: &str) -> Evidence {
    let (one, other) = (first.own_values(column), second.own_values(column));
    let mut found = Evidence::new();
    for (value, holder) in one {
        if let Some(again) = other.get(value) {
            *found.entry((holder, *again)).or_default() += 1.0;
        }
    }
    found
}

/// Visitors whose first event is without a view, on the page of another's last event, who did not leave it: among them numbers may continue.
fn same_page(first: &Group, second: &Group) -> Evidence {
    let mut found = Evidence::new();
    for (one, before) in first.profiles.iter().enumerate() {
        for (other, after) in second.profiles.iter().enumerate() {
            let (Some(last), Some(next)) = (before.moments.last(), after.moments.first()) else { continue };
            if !next.is_view && !last.is_leave && next.page == last.page {
                found.insert((one, other), 0.0);
            }
        }
    }
    found
}

/// The number of the second visitor's first event follows that of the first one's last event: the closer, the stronger.
fn running_numbers(first: &Group, second: &Group, candidates: &Evidence) -> Evidence {
    let step = |(one, other): (usize, usize)| {
        let (last, next) = (first.profiles[one].moments.last()?, second.profiles[other].moments.first()?);
        Some(next.seq.saturating_sub(last.seq)).filter(|step| (1..=NEXT).contains(step))
    };
    candidates.keys().filter_map(|pair| Some((*pair, 1.0 / step(*pair)? as f64))).collect()
}

/// The second visitor begins on a page that the first one had open, or comes from it. The rarer the page and the shorter the time between,
/// the stronger.
fn path_and_gap(first: &Group, second: &Group) -> Evidence {
    let mut found = Evidence::new();
    // Pages and when somebody had them open.
    let mut open: HashMap<&Page, Vec<(usize, f64, bool)>> = HashMap::new();
    for (index, profile) in first.profiles.iter().enumerate() {
        let last = profile.moments.last().map(|moment| &moment.page);
        for moment in &profile.moments {
            open.entry(&moment.page).or_default().push((index, moment.time, last == Some(&moment.page)));
        }
    }
    for (other, after) in second.profiles.iter().enumerate() {
        let Some(beginning) = after.moments.first() else { continue };
        // A tab that was open goes on without a view; otherwise the page names the one before.
        let (page, must_be_last) =
            if beginning.is_view { (&beginning.referrer, false) } else { (&beginning.page, true) };
        let visits = open.get(page).map_or(&[][..], Vec::as_slice);
        let candidates: HashSet<usize> = visits.iter().map(|visit| visit.0).collect();
        let rarity = (first.len() as f64 / candidates.len().max(1) as f64).log2();
        for (one, time, is_last) in visits {
            let gap = beginning.time - time;
            if gap < 0.0 || (must_be_last && !is_last) {
                continue;
            }
            let strength = rarity + 4.0 * (-gap / SOON).exp();
            let best = found.entry((*one, other)).or_insert(strength);
            *best = best.max(strength);
        }
    }
    found
}

/// Visitors whose values of all of these columns are the same: the rarer in the second group, the stronger.
fn alike(first: &Group, second: &Group, columns: &[&str]) -> Evidence {
    let describe = |profile: &Profile| -> Vec<Option<BTreeSet<String>>> {
        columns.iter().map(|column| profile.values.get(&format!("events.{column}")).cloned()).collect()
    };
    let mut described: HashMap<_, Vec<usize>> = HashMap::new();
    for (other, profile) in second.profiles.iter().enumerate() {
        described.entry(describe(profile)).or_default().push(other);
    }
    let mut found = Evidence::new();
    for (one, profile) in first.profiles.iter().enumerate() {
        let same = described.get(&describe(profile)).map_or(&[][..], Vec::as_slice);
        let strength = (second.len() as f64 / same.len().max(1) as f64).log2();
        found.extend(same.iter().map(|other| ((one, *other), strength)));
    }
    found
}

fn score(
    first: &Group,
    second: &Group,
    clue: String,
    must_not_help: bool,
    found: &Evidence,
    among: Option<&Evidence>,
    rng: &mut Rng,
) -> Score {
    let mut candidates: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for (&(one, other), &strength) in found {
        candidates.entry(one).or_default().push((other, strength));
    }
    let mut guesses = Vec::new();
    let mut chance = 0.0;
    for (one, mut of_one) in candidates {
        of_one.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let equals = of_one.iter().take_while(|(_, strength)| *strength == of_one[0].1).count();
        let guess = of_one[rng.usize(..equals)].0;
        let choice: Vec<usize> = match among {
            Some(pairs) => (0..second.len()).filter(|other| pairs.contains_key(&(one, *other))).collect(),
            None => (0..second.len()).collect(),
        };
        let partners = choice.iter().filter(|other| first.is_same(one, second, **other)).count();
        chance += partners as f64 / choice.len() as f64;
        // How much better the guess is than the next one.
        let margin = of_one[0].1 - of_one.get(1).map_or(0.0, |next| next.1);
        guesses.push((margin, first.is_same(one, second, guess)));
    }
    guesses.sort_by(|a, b| b.0.total_cmp(&a.0));
    let right = |guesses: &[(f64, bool)]| guesses.iter().filter(|(_, right)| *right).count();
    let tenth = &guesses[..guesses.len().div_ceil(10)];
    Score {
        clue,
        must_not_help,
        guesses: guesses.len(),
        right: right(&guesses),
        partners: (0..first.len()).filter(|one| first.partners(*one, second) > 0).count(),
        chance: if guesses.is_empty() { 0.0 } else { chance / guesses.len() as f64 },
        surest: (tenth.len(), right(tenth)),
    }
}

impl Score {
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.guesses.max(1) as f64
    }

    /// Whether guesses at random are right as often.
    pub fn is_by_chance(&self) -> bool {
        at_least(self.right, self.guesses as f64 * self.chance) > CONFIDENCE
    }
}

/// The probability that a Poisson-distributed number with this mean is at least `count`.
fn at_least(count: usize, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut below = 0.0;
    for number in 0..count {
        below += term;
        term *= mean / (number + 1) as f64;
    }
    // Below the precision of 1 - below, the first term of the tail is as good.
    (1.0_f64 - below).max(term).min(1.0)
}
