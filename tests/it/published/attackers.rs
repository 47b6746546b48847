//! How far the two attackers get, as figures.
//!
//! ```sh
//! cargo test --test it published::attackers -- --nocapture --test-threads=1
//! ```
//!
//! `TEST_SEED=N` takes other facts and another noise key. `TEST_ALL=1` has an analyst attack all facts, too, and takes half an hour.

use std::collections::BTreeMap;

use footfall::access::Role;
use serde_json::Value;

use super::attack::{ATTACKS, Asker, attack, features};
use super::facts::{Fact, Kind, Random, facts};
use super::{Person, World, principal};

/// Facts of the second half are attacked, those of the first are the attacker's own, to learn from.
const ATTACKED: usize = 200;
/// Most guesses that may be right, in %.
const MOST_RIGHT: f64 = 60.0;

/// Selects the facts, with a number for each test.
fn seed(test: u64) -> u64 {
    super::seed() * 1_000 + test
}

async fn closed(facts: &[Fact]) -> World {
    let world = World::new().await;
    let mut days: BTreeMap<_, Vec<&Fact>> = BTreeMap::new();
    facts.iter().for_each(|fact| days.entry(fact.day).or_default().push(fact));
    for (day, facts) in days {
        for fact in facts {
            world.insert(&fact.site, day, &fact.people()).await;
        }
    }
    world.close().await;
    world
}

/// How many guesses are right, in %. Where there is no guess, a coin decides, which is right in half of the cases.
fn percent_right(facts: &[Fact], guesses: &[Option<bool>]) -> f64 {
    let points = |(fact, guess): (&Fact, &Option<bool>)| match guess {
        Some(guess) => f64::from(u8::from(*guess == fact.is_true)),
        None => 0.5,
    };
    100.0 * facts.iter().zip(guesses).map(points).sum::<f64>() / guesses.len() as f64
}

fn percent(right: usize, all: usize) -> f64 {
    100.0 * right as f64 / all as f64
}

#[tokio::test]
async fn an_attacker_who_knows_the_day_the_country_and_the_browser_does_no_better_than_a_coin() {
    let facts = facts(&mut Random(seed(1)));
    let world = closed(&facts).await;
    let (own, attacked) = facts.split_at(ATTACKED);
    let own = if all() { own } else { &own[..ATTACKED / 2] };
    let protected = guesses(&world, Role::Viewer, own, attacked).await;
    let by_analyst = by_analyst();
    let own_of_analyst = if all() { own } else { &[] };
    let exact = guesses(&world, Role::Analyst, own_of_analyst, &attacked[..by_analyst]).await;
    println!(
        "right in %: a viewer about {ATTACKED} facts, and an analyst, whose reports fold rows of few visitors, about {by_analyst}"
    );
    let mut worst = 0.0_f64;
    for (name, guesses) in &protected {
        worst = worst.max(percent_right(attacked, guesses));
        let text = |guesses: &Guesses| {
            let found = percent_right(attacked, guesses);
            format!("{found:5.1} ({} guesses)", guesses.iter().flatten().count())
        };
        println!("{name:40} {:22} {}", text(guesses), exact.get(name).map_or(String::new(), text));
    }
    assert!(worst <= MOST_RIGHT, "{worst} %");
}

/// Whether nothing is left out to save time.
fn all() -> bool {
    std::env::var_os("TEST_ALL").is_some()
}

/// Facts that are attacked by an analyst, whose reports with filters read events.
fn by_analyst() -> usize {
    if all() { ATTACKED } else { ATTACKED / 10 }
}

/// A guess about each fact.
type Guesses = Vec<Option<bool>>;

/// The guesses of each attack by a reader of a role.
async fn guesses(
    world: &World,
    role: Role,
    own: &[Fact],
    attacked: &[Fact],
) -> BTreeMap<&'static str, Guesses> {
    // An attacker who plants facts of his own learns from them what tells true ones.
    let (mut rows, mut truths) = (Vec::new(), Vec::new());
    for fact in own {
        rows.push(features(&Asker::new(world, principal(role), fact)).await);
        truths.push(if fact.is_true { 1.0 } else { -1.0 });
    }
    let weights = if own.is_empty() { Vec::new() } else { ridge(&rows, &truths) };
    let mut guesses: BTreeMap<&str, Guesses> = BTreeMap::new();
    for fact in attacked {
        let asker = Asker::new(world, principal(role), fact);
        for name in ATTACKS {
            guesses.entry(name).or_default().push(attack(name, &asker).await);
        }
        if own.is_empty() {
            continue;
        }
        let score: f64 =
            features(&asker).await.iter().zip(&weights).map(|(figure, weight)| figure * weight).sum();
        guesses.entry(LEARNED).or_default().push(Some(score > 0.0));
    }
    guesses
}

const LEARNED: &str = "all of it, learned from own facts";

/// The weights of a ridge regression, by Gaussian elimination.
fn ridge(rows: &[Vec<f64>], truths: &[f64]) -> Vec<f64> {
    let width = rows[0].len();
    let mut system = vec![vec![0.0; width + 1]; width];
    for (row, truth) in rows.iter().zip(truths) {
        for i in 0..width {
            for j in 0..width {
                system[i][j] += row[i] * row[j];
            }
            system[i][width] += row[i] * truth;
        }
    }
    (0..width).for_each(|i| system[i][i] += 10.0);
    for pivot in 0..width {
        let best = (pivot..width)
            .max_by(|a, b| system[*a][pivot].abs().total_cmp(&system[*b][pivot].abs()))
            .unwrap();
        system.swap(pivot, best);
        let row = system[pivot].clone();
        for (_, other) in system.iter_mut().enumerate().filter(|(at, _)| *at != pivot) {
            let factor = other[pivot] / row[pivot];
            other.iter_mut().zip(&row).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    (0..width).map(|i| system[i][width] / system[i][i]).collect()
}

/// The visitors of the pages, and those of the page in all and by country and browser.
async fn seen(world: &World, role: Role, fact: &Fact) -> Vec<Value> {
    let day = fact.day;
    let path = format!("site={}&from={day}&to={day}", fact.site);
    let mut seen = world.rows_for(role, &format!("/api/reports/pages?{path}&limit=1000")).await;
    for report in ["overview", "countries", "browsers"] {
        let filter = format!("filter=path%3D{}", fact.page);
        seen.extend(world.rows_for(role, &format!("/api/reports/{report}?{path}&{filter}")).await);
    }
    seen
}

/// Visitors of the page by its row, or else by the row of what was folded.
fn of_page(rows: &[Value], fact: &Fact) -> f64 {
    let row = |name: &str| rows.iter().find(|row| row["path"] == name);
    row(fact.page).or_else(|| row("(other)")).and_then(|row| row["visitors"].as_f64()).unwrap_or(0.0)
}

/// Guesses from what was seen of a day before and after a change: that the page gained or lost the visitor.
fn compare(before: &[Value], after: &[Value], fact: &Fact, what: &str) -> Option<bool> {
    let gained = of_page(after, fact) - of_page(before, fact);
    let by_visitor = match what {
        AMONG_OTHERS => gained - READERS_AMONG_OTHERS as f64,
        ERASED | ANOTHER_K => -gained,
        _ => gained,
    };
    (before != after).then_some(by_visitor > 0.5)
}

#[tokio::test]
async fn late_rows_erasures_and_another_k_tell_nothing() {
    let facts = facts(&mut Random(seed(2)));
    let attacked: Vec<Fact> =
        facts.into_iter().filter(|fact| fact.kind != Kind::SmallSite).take(ATTACKED).collect();
    // At first the visitor is not there.
    let absent: Vec<Fact> =
        attacked.iter().map(|fact| Fact { visitor: nobody(fact), ..fact.clone() }).collect();
    let world = World::new().await;
    for (fact, absent) in attacked.iter().zip(&absent) {
        let mut people = absent.others.clone();
        people.push(absent.visitor.clone());
        world.insert(&fact.site, fact.day, &people).await;
    }
    world.close().await;
    println!("right in %: a viewer, and an analyst, whose reports fold rows of few visitors");
    let mut before = seen_of_all(&world, &attacked).await;
    for what in [ALONE, AMONG_OTHERS, ERASED, ANOTHER_K] {
        change(&world, what, &attacked).await;
        let after = seen_of_all(&world, &attacked).await;
        let found = [0, 1].map(|role| {
            let group: Vec<usize> =
                (0..after[role].len()).filter(|place| is_of_group(*place, what)).collect();
            let facts: Vec<Fact> = group.iter().map(|place| attacked[*place].clone()).collect();
            let guess =
                |place: &usize| compare(&before[role][*place], &after[role][*place], &attacked[*place], what);
            let guesses: Guesses = group.iter().map(guess).collect();
            (percent_right(&facts, &guesses), guesses.iter().flatten().count())
        });
        let text = found.map(|(right, guesses)| format!("{right:5.1} ({guesses} guesses)"));
        println!("{what:50} {:22} {}", text[0], text[1]);
        assert!(found[0].0 <= MOST_RIGHT, "{what}: {found:?}");
        before = after;
    }
}

/// One visitor of four comes late alone, the others among others. Both are erased afterwards.
fn is_of_group(place: usize, what: &str) -> bool {
    match what {
        ALONE => place.is_multiple_of(4),
        AMONG_OTHERS => !place.is_multiple_of(4),
        _ => true,
    }
}

/// What a viewer sees of each fact, and an analyst of [`by_analyst`].
async fn seen_of_all(world: &World, facts: &[Fact]) -> [Vec<Vec<Value>>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    for (place, fact) in facts.iter().enumerate() {
        all[0].push(seen(world, Role::Viewer, fact).await);
        if place < by_analyst() {
            all[1].push(seen(world, Role::Analyst, fact).await);
        }
    }
    all
}

/// Changes the days, and has them computed again.
async fn change(world: &World, what: &str, attacked: &[Fact]) {
    for (_, fact) in attacked.iter().enumerate().filter(|(place, _)| is_of_group(*place, what)) {
        let late = |place: u64| Person {
            visitor: fact.visitor.visitor + 100 + place,
            pages: if place < READERS_AMONG_OTHERS { vec!["/", fact.page] } else { vec!["/"] },
            ..Person::common(0)
        };
        let people: Vec<Person> = match what {
            ALONE => vec![fact.visitor_as_seen()],
            AMONG_OTHERS => (0..60).map(late).chain([fact.visitor_as_seen()]).collect(),
            ERASED => continue,
            _ => vec![Person::common(fact.visitor.visitor + 2)],
        };
        world.insert(&fact.site, fact.day, &people).await;
    }
    if what == ERASED {
        let visitors: Vec<String> = attacked.iter().map(|fact| fact.visitor.visitor.to_string()).collect();
        world.execute(&format!("DELETE FROM events WHERE visitor IN ({})", visitors.join(", "))).await;
    }
    world.close_with(if what == ANOTHER_K { 9 } else { 5 }).await;
}

/// Of the others who come late. The attacker knows: they are his own.
const READERS_AMONG_OTHERS: u64 = 30;
const ALONE: &str = "rows of the visitor alone come late";
const AMONG_OTHERS: &str = "rows of the visitor and of 60 others come late";
const ERASED: &str = "the visitor is erased";
const ANOTHER_K: &str = "k is raised to 9";

/// Somebody in the visitor's place who is like everybody else.
fn nobody(fact: &Fact) -> Person {
    Person::common(fact.visitor.visitor + 1)
}

#[tokio::test]
async fn an_attacker_who_also_knows_everybody_else_is_measured() {
    let facts = facts(&mut Random(seed(3)));
    let world = closed(&facts).await;
    let mut by_kind: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut one_cell, mut all_cells) = (0, 0);
    let mut coin = Random(5);
    for fact in &facts {
        let cells = cells(&world, fact).await;
        let mut guess = |cells: &[Cell]| {
            let likelihood: f64 = cells.iter().map(Cell::likelihood).sum();
            if likelihood == 0.0 { coin.is(50) } else { likelihood > 0.0 }
        };
        one_cell += usize::from(guess(&cells[..1]) == fact.is_true);
        let is_right = guess(&cells) == fact.is_true;
        all_cells += usize::from(is_right);
        let (right, all) = by_kind.entry(format!("{:?}", fact.kind)).or_default();
        *right += usize::from(is_right);
        *all += 1;
    }
    let all = facts.len();
    println!("knows all others: {:.1} % right from the page's figure alone", percent(one_cell, all));
    println!("knows all others: {:.1} % right from all figures of the page", percent(all_cells, all));
    for (kind, (right, all)) in by_kind {
        println!("  {kind:12} {:5.1} %", percent(right, all));
    }
}

/// A published number of visitors, and the exact ones that the attacker knows without the visitor.
struct Cell {
    published: Option<u64>,
    /// Visitors of the cell and, for a cell of two values, those of the page and of the other value that are not in it.
    others: Vec<u64>,
    /// What the visitor would add to each if the fact were true, and if it were false.
    adds: [Vec<u64>; 2],
}

impl Cell {
    /// The logarithm of how much more likely the publication is if the fact is true.
    fn likelihood(&self) -> f64 {
        let [when_true, when_false] = self.adds.each_ref().map(|adds| {
            let exact: Vec<u64> = self.others.iter().zip(adds).map(|(others, add)| others + add).collect();
            probability(&exact, self.published)
        });
        // An event that the attacker's model excludes counts as very unlikely.
        (when_true.max(1e-9) / when_false.max(1e-9)).ln()
    }
}

/// The probability of a publication: the least number is uniform from 5 to 9, and the noise is 64 coins less 32.
fn probability(exact: &[u64], published: Option<u64>) -> f64 {
    let least = *exact.iter().min().unwrap();
    let shown = (least.saturating_sub(4)).min(5) as f64 / 5.0;
    let Some(published) = published else { return 1.0 - shown };
    let noise = |coins: i64| if (0..=64).contains(&coins) { binomial(coins as u32) } else { 0.0 };
    let coins = published as i64 - exact[0] as i64 + 32;
    shown * if published > 5 { noise(coins) } else { (0..=coins).map(noise).sum() }
}

fn binomial(successes: u32) -> f64 {
    let ways: f64 = (0..successes).map(|i| f64::from(64 - i) / f64::from(i + 1)).product();
    ways * 0.5_f64.powi(64)
}

/// The page's own cell, then the cells of the page and each value of the visitor.
async fn cells(world: &World, fact: &Fact) -> Vec<Cell> {
    let day = fact.day;
    let count =
        |keep: &dyn Fn(&Person) -> bool| fact.others.iter().filter(|person| keep(person)).count() as u64;
    let reads = |person: &Person| person.pages.contains(&fact.page);
    let of_page = count(&reads);
    let device = format!("{:?}", fact.visitor.device).to_lowercase();
    let own = [
        ("country", fact.visitor.country),
        ("browser", fact.visitor.browser),
        ("device", &device),
        ("source", fact.visitor.source),
        ("channel", fact.visitor.channel),
    ];
    let find = |filter: &str, value: &str, dimension: &str, of: &str| {
        let sql = format!(
            "SELECT visitors FROM daily_published WHERE site = '{}' AND day = '{day}' AND filter = '{filter}' \
             AND filter_value = '{value}' AND dimension = '{dimension}' AND value = '{of}'",
            fact.site
        );
        world.rows(&sql).first().map(|row| row.parse().unwrap())
    };
    let whole = find("", "", "page", fact.page);
    let mut cells = vec![Cell { published: whole, others: vec![of_page], adds: [vec![1], vec![0]] }];
    for (dimension, value) in own {
        let has = |person: &Person| match dimension {
            "country" => person.country == value,
            "browser" => person.browser == value,
            "device" => format!("{:?}", person.device).to_lowercase() == value,
            "source" => person.source == value,
            _ => person.channel == value,
        };
        let both = count(&|person| has(person) && reads(person));
        let published = find("page", fact.page, dimension, value);
        let others = vec![both, of_page - both, count(&has) - both];
        // A person who did not read the page is among the others with the value.
        if others[1] + others[2] > 0 && (whole.is_some() || published.is_some()) {
            cells.push(Cell { published, others, adds: [vec![1, 0, 0], vec![0, 0, 1]] });
        }
    }
    cells
}

/// The noise of a cell by the cell-key method: a hash of the set of its people.
fn noise_of_set(people: &[&Person], key: u64) -> i64 {
    let set = people.iter().fold(0_u64, |sum, person| sum.wrapping_add(Random(person.visitor ^ key).next()));
    i64::from(Random(set ^ key).next().count_ones()) - 32
}

/// The noise of a cell by its label.
fn noise_of_label(label: &str, key: u64) -> i64 {
    let hash = label.bytes().fold(key, |hash, byte| Random(hash ^ u64::from(byte)).next());
    i64::from(hash.count_ones()) - 32
}

#[test]
fn noise_that_is_drawn_by_the_set_of_people_tells_equal_sets_where_noise_by_the_label_does_not() {
    let facts = facts(&mut Random(seed(4)));
    let alone: Vec<&Fact> = facts
        .iter()
        .filter(|fact| matches!(fact.kind, Kind::Alone | Kind::AmongEqual | Kind::LastReader))
        .collect();
    let (mut by_set, mut by_label) = (0, 0);
    for (key, fact) in alone.iter().enumerate() {
        let key = Random(key as u64).next();
        let people = fact.people();
        let readers: Vec<&Person> =
            people.iter().filter(|person| person.pages.contains(&fact.page)).collect();
        // Readers with another browser than the visitor's, who are all the others: one filter shows them, or a sum of few.
        let others: Vec<&Person> =
            readers.iter().copied().filter(|person| person.browser != fact.visitor.browser).collect();
        let difference = (readers.len() - others.len()) as i64;
        let of_set = difference + noise_of_set(&readers, key) - noise_of_set(&others, key);
        let of_label = difference + noise_of_label("page", key) - noise_of_label("page, browser", key);
        by_set += usize::from((of_set != 0) == fact.is_true);
        by_label += usize::from((of_label > 0) == fact.is_true);
    }
    println!(
        "one difference of two figures, {} facts: {:.1} % right with noise by the set, {:.1} % by the label",
        alone.len(),
        percent(by_set, alone.len()),
        percent(by_label, alone.len())
    );
    assert!(percent(by_set, alone.len()) > 85.0);
    assert!(percent(by_label, alone.len()) < 65.0);
}
