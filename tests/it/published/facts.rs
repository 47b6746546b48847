//! Planted facts: whether a visitor, whose day, country and browser are known, read a page.
//!
//! Each fact has a site and a day of its own, and people around it. Half of the facts are true, by a coin that nothing else depends on. The
//! kinds of populations are those that are worst for the visitor.

use footfall::event::DeviceClass;
use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::Person;

/// Facts lie on so many sites and days.
pub const SITES: usize = 20;
pub const DAYS: usize = 20;
/// The first day.
const FIRST: Date = date(2026, 9, 1);
/// Pages that many read.
const POPULAR: [&str; 6] = ["/a", "/b", "/c", "/d", "/e", "/f"];
/// The pages of the facts.
const TARGETS: [&str; 4] = ["/hiv-test", "/divorce", "/debts", "/union"];

/// What the people around a visitor are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody else has the visitor's country or browser. Many read the page.
    Alone,
    /// The same, and all others are alike.
    AmongEqual,
    /// The same as `Alone`, and nobody else reads the page.
    OnlyReader,
    /// The same, and exactly four others read the page.
    FifthReader,
    /// The same, and everybody else reads the page.
    LastReader,
    /// Five others come from the visitor's country.
    OfSix,
    /// A dozen people in all.
    SmallSite,
    /// The visitor is like many others.
    Common,
}

const KINDS: [Kind; 8] = [
    Kind::Alone,
    Kind::AmongEqual,
    Kind::OnlyReader,
    Kind::FifthReader,
    Kind::LastReader,
    Kind::OfSix,
    Kind::SmallSite,
    Kind::Common,
];

#[derive(Debug, Clone)]
pub struct Fact {
    pub site: String,
    pub day: Date,
    pub kind: Kind,
    /// The visitor, without the page.
    pub visitor: Person,
    pub page: &'static str,
    pub is_true: bool,
    pub others: Vec<Person>,
}

impl Fact {
    /// Everybody of the day.
    pub fn people(&self) -> Vec<Person> {
        let mut people = self.others.clone();
        people.push(self.visitor_as_seen());
        people
    }

    /// The visitor, who read the page if the fact is true.
    pub fn visitor_as_seen(&self) -> Person {
        let mut visitor = self.visitor.clone();
        visitor.pages.push(if self.is_true { self.page } else { POPULAR[0] });
        visitor
    }
}

/// Numbers that look random, the same for a seed each time (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    pub fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// [`SITES`] times [`DAYS`] facts.
pub fn facts(random: &mut Random) -> Vec<Fact> {
    let places = (0..DAYS).flat_map(|day| (0..SITES).map(move |site| (site, day)));
    places.enumerate().map(|(number, (site, day))| fact(number, site, day, random)).collect()
}

fn fact(number: usize, site: usize, day: usize, random: &mut Random) -> Fact {
    let kind = KINDS[number % KINDS.len()];
    let first = (number as u64 + 1) * 10_000;
    let page = random.one_of(&TARGETS);
    let size = match kind {
        Kind::SmallSite => 11,
        _ => 40 + random.below(80),
    };
    let popularity = 20 + random.below(50);
    let mut others: Vec<Person> = (0..size)
        .map(|place| {
            let mut person = other(first + place as u64, kind, random);
            let reads = match kind {
                Kind::OnlyReader => false,
                Kind::FifthReader => (1..=4).contains(&place),
                Kind::LastReader => true,
                _ => random.is(popularity),
            };
            if reads {
                person.pages.push(page);
            }
            person
        })
        .collect();
    let mut visitor = other(first + 5_000, kind, random);
    match kind {
        Kind::Common => {}
        Kind::OfSix => {
            others.iter_mut().take(5).for_each(|person| person.country = "LU");
            visitor.country = "LU";
        }
        _ => (visitor.country, visitor.browser) = ("LU", "Opera"),
    }
    visitor.pages = vec!["/"];
    let day = FIRST + i64::try_from(day).unwrap().days();
    Fact { site: format!("site-{site}"), day, kind, visitor, page, is_true: random.is(50), others }
}

fn other(visitor: u64, kind: Kind, random: &mut Random) -> Person {
    let mut person = Person::common(visitor);
    if kind != Kind::AmongEqual {
        person.country = random.one_of(&["RU", "RU", "RU", "KZ", "KZ", "BY"]);
        person.browser = random.one_of(&["Chrome", "Chrome", "Chrome", "Firefox", "Safari"]);
        person.device = random.one_of(&[DeviceClass::Desktop, DeviceClass::Mobile, DeviceClass::Mobile]);
        (person.source, person.channel) = random.one_of(&[
            ("Direct", "Direct"),
            ("Google", "Organic Search"),
            ("Yandex", "Organic Search"),
        ]);
    }
    for _ in 0..random.below(3) {
        person.pages.push(random.one_of(&POPULAR));
    }
    person
}
