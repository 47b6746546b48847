//! The first attacker: knows a visitor's day, country and browser, and asks whatever he likes.
//!
//! An attack answers whether the visitor read the page, or `None` when it learns nothing. Then the attacker guesses by a coin.

use std::collections::BTreeMap;

use footfall::access::Principal;
use jiff::ToSpan;
use serde_json::Value;
use tokio::sync::Mutex;

use super::World;
use super::facts::Fact;

/// A reader whose questions are answered by the API.
pub struct Asker<'a> {
    world: &'a World,
    principal: Principal,
    fact: &'a Fact,
    asked: Mutex<BTreeMap<String, Option<Vec<Value>>>>,
}

/// Reports with a row for each value of a visit's dimension, and the column that names it.
const BREAKDOWNS: [(&str, &str); 5] = [
    ("countries", "country"),
    ("browsers", "browser"),
    ("devices", "device"),
    ("sources", "source"),
    ("channels", "channel"),
];

impl<'a> Asker<'a> {
    pub fn new(world: &'a World, principal: Principal, fact: &'a Fact) -> Self {
        Self { world, principal, fact, asked: Mutex::default() }
    }

    /// The rows of a report of the visitor's day, so many days later; `None` when it is refused.
    async fn rows(&self, report: &str, later: i64, filters: &[String]) -> Option<Vec<Value>> {
        let day = self.fact.day + later.days();
        self.of_period(report, &format!("from={day}&to={day}"), filters).await
    }

    async fn of_period(&self, report: &str, period: &str, filters: &[String]) -> Option<Vec<Value>> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        filters.iter().for_each(|filter| {
            query.append_pair("filter", filter);
        });
        let limit = if ["overview", "realtime"].contains(&report) { "" } else { "&limit=1000" };
        let period = if report == "realtime" { "" } else { period };
        let path =
            format!("/api/reports/{report}?site={}&{period}{limit}&{}", self.fact.site, query.finish());
        let path = path.trim_end_matches('&').replace("&&", "&");
        if let Some(known) = self.asked.lock().await.get(&path) {
            return known.clone();
        }
        let (status, answer) = self.world.get(&path, &self.principal).await;
        let rows = (status == 200).then(|| answer["rows"].as_array().unwrap().clone());
        assert!(status == 200 || status == 403 || status == 400, "{path}: {answer}");
        self.asked.lock().await.insert(path, rows.clone());
        rows
    }

    fn page(&self) -> String {
        format!("path={}", self.fact.page)
    }

    fn country(&self) -> String {
        format!("country={}", self.fact.visitor.country)
    }

    fn browser(&self) -> String {
        format!("browser={}", self.fact.visitor.browser)
    }

    /// A figure of the page's row.
    async fn of_page(&self, figure: &str, filters: &[String]) -> Option<f64> {
        let rows = self.rows("pages", 0, filters).await?;
        number(&rows, "path", self.fact.page, figure)
    }

    /// A total under filters.
    async fn total(&self, figure: &str, later: i64, filters: &[String]) -> Option<f64> {
        self.rows("overview", later, filters).await?.first()?[figure].as_f64()
    }

    /// The page's visitors less those of every other value of a breakdown than the visitor's own.
    async fn complement(&self, report: &str, name: &str, figure: &str) -> Option<f64> {
        let whole = self.total(figure, 0, &[self.page()]).await?;
        let parts = self.rows(report, 0, &[self.page()]).await?;
        let own = self.own(name);
        let others = parts.iter().filter(|row| row[name] != own.as_str() && row[name] != "(other)");
        let shown: Vec<f64> = others.filter_map(|row| row[figure].as_f64()).collect();
        (!shown.is_empty()).then(|| whole - shown.iter().sum::<f64>())
    }

    /// The visitor's value of a dimension. The attacker knows two, and guesses the rest.
    fn own(&self, name: &str) -> String {
        match name {
            "country" => self.fact.visitor.country.to_owned(),
            "browser" => self.fact.visitor.browser.to_owned(),
            _ => String::new(),
        }
    }
}

/// A figure of the row that has a name.
fn number(rows: &[Value], column: &str, name: &str, figure: &str) -> Option<f64> {
    rows.iter().find(|row| row[column] == name)?[figure].as_f64()
}

/// The names of the attacks, in the order of [`attack`].
pub const ATTACKS: [&str; 18] = [
    "the page is shown",
    "(other) of the pages",
    "two filters",
    "a negation",
    "the visitor's country alone",
    "the visitor's browser alone",
    "complement by country",
    "complement by browser",
    "complements of all dimensions together",
    "the page under each country",
    "views in place of visitors",
    "shares",
    "means times visits",
    "longer period less a shorter one",
    "the comparison period",
    "order and limit",
    "hours",
    "realtime",
];

/// Whether an attack says that the visitor read the page.
pub async fn attack(name: &str, asker: &Asker<'_>) -> Option<bool> {
    let page = asker.page();
    let more_than_half = |difference: f64| Some(difference > 0.5);
    match name {
        "the page is shown" => Some(asker.of_page("visitors", &[]).await.is_some()),
        "(other) of the pages" => {
            let rows = asker.rows("pages", 0, &[]).await?;
            let is_shown = |name: &str| rows.iter().any(|row| row["path"] == name);
            (!is_shown(asker.fact.page)).then(|| is_shown("(other)"))
        }
        "two filters" => {
            let both = [page, asker.country(), asker.browser()];
            more_than_half(asker.total("visitors", 0, &both).await.unwrap_or(0.0)).filter(|read| *read)
        }
        "a negation" => {
            let without = [page.clone(), format!("country!={}", asker.fact.visitor.country)];
            let whole = asker.total("visitors", 0, &[page]).await?;
            more_than_half(whole - asker.total("visitors", 0, &without).await?)
        }
        "the visitor's country alone" => alone(asker, asker.country()).await,
        "the visitor's browser alone" => alone(asker, asker.browser()).await,
        "complement by country" => {
            more_than_half(asker.complement("countries", "country", "visitors").await?)
        }
        "complement by browser" => more_than_half(asker.complement("browsers", "browser", "visitors").await?),
        "complements of all dimensions together" => more_than_half(together(asker).await?),
        "the page under each country" => {
            let whole = asker.of_page("visitors", &[]).await?;
            let mut rest = whole;
            for row in asker.rows("countries", 0, &[]).await? {
                let country = row["country"].as_str()?;
                if country != "(other)" && country != asker.fact.visitor.country {
                    let part = asker.of_page("visitors", &[format!("country={country}")]).await;
                    rest -= part.unwrap_or(0.0);
                }
            }
            (rest < whole).then_some(rest > 0.5)
        }
        "views in place of visitors" => {
            let mut rest = asker.of_page("views", &[]).await?;
            let whole = rest;
            for row in asker.rows("browsers", 0, &[]).await? {
                let browser = row["browser"].as_str()?;
                if browser != "(other)" && browser != asker.fact.visitor.browser {
                    rest -= asker.of_page("views", &[format!("browser={browser}")]).await.unwrap_or(0.0);
                }
            }
            (rest < whole).then_some(rest > 0.5)
        }
        "shares" => {
            let rows = asker.rows("countries", 0, &[page]).await?;
            let visits: f64 = rows.iter().filter_map(|row| row["visits"].as_f64()).sum();
            let share: f64 = rows.iter().filter_map(|row| row["share"].as_f64()).sum();
            (visits > 0.0).then(|| (100.0 - share) / 100.0 * visits > 0.5)
        }
        "means times visits" => {
            let views = |row: &Value| Some(row["visits"].as_f64()? * row["views_per_visit"].as_f64()?);
            let whole = views(asker.rows("overview", 0, std::slice::from_ref(&page)).await?.first()?)?;
            let rows = asker.rows("browsers", 0, &[page]).await?;
            let shown: Vec<f64> = rows.iter().filter_map(views).collect();
            (!shown.is_empty()).then(|| whole - shown.iter().sum::<f64>() > 1.0)
        }
        "longer period less a shorter one" => {
            let (day, before) = (asker.fact.day, asker.fact.day - 1.day());
            let of =
                async |report: &str, period: &str| asker.of_period(report, period, &[asker.page()]).await;
            let (both, one) = (format!("from={before}&to={day}"), format!("from={before}&to={before}"));
            let sum = |rows: &[Value]| {
                let known = rows.iter().filter(|row| row["country"] != asker.fact.visitor.country);
                known.filter_map(|row| row["visitors"].as_f64()).sum::<f64>()
            };
            let total =
                |rows: Vec<Value>| rows.first().and_then(|row| row["visitors"].as_f64()).unwrap_or(0.0);
            let whole = total(of("overview", &both).await?) - total(of("overview", &one).await?);
            let parts = sum(&of("countries", &both).await?) - sum(&of("countries", &one).await?);
            (parts > 0.0).then_some(whole - parts > 0.5)
        }
        "the comparison period" => {
            let whole = asker.total("visitors_before", 1, std::slice::from_ref(&page)).await?;
            let parts = asker.rows("countries", 0, &[page]).await?;
            let others = parts.iter().filter(|row| row["country"] != asker.fact.visitor.country);
            let sum: f64 = others.filter_map(|row| row["visitors"].as_f64()).sum();
            (sum > 0.0).then_some(whole - sum > 0.5)
        }
        "order and limit" => {
            // A page that stands before another with the same published views may have more.
            let rows = asker.rows("pages", 0, &[]).await?;
            let at = rows.iter().position(|row| row["path"] == asker.fact.page)?;
            let is_equal =
                |other: usize| rows.get(other).is_some_and(|row| row["views"] == rows[at]["views"]);
            if is_equal(at + 1) { Some(true) } else { (at > 0 && is_equal(at - 1)).then_some(false) }
        }
        "hours" => {
            let period = format!("from={0}&to={0}&by=hour", asker.fact.day);
            let rows = asker.of_period("timeseries", &period, &[page, asker.country()]).await?;
            rows.iter().any(|row| row["visitors"].as_f64().unwrap_or(0.0) > 0.0).then_some(true)
        }
        "realtime" => {
            asker.rows("realtime", 0, &[page, asker.country()]).await?;
            None
        }
        unknown => unreachable!("no attack {unknown}"),
    }
}

async fn alone(asker: &Asker<'_>, filter: String) -> Option<bool> {
    let rows = asker.rows("pages", 0, &[filter]).await?;
    (!rows.is_empty()).then(|| rows.iter().any(|row| row["path"] == asker.fact.page))
}

/// The best linear guess of how many read the page and have neither the visitor's country nor a value that is not shown, by all dimensions.
async fn together(asker: &Asker<'_>) -> Option<f64> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // The variance of a sum is that of as many noises.
    with.push((asker.total("visitors", 0, &[asker.page()]).await?, 1.0));
    for (report, name) in BREAKDOWNS {
        let rows = asker.rows(report, 0, &[asker.page()]).await?;
        let own = asker.own(name);
        let shown: Vec<f64> = rows
            .iter()
            .filter(|row| row[name] != own.as_str())
            .filter_map(|row| row["visitors"].as_f64())
            .collect();
        if !shown.is_empty() {
            let estimate = (shown.iter().sum(), shown.len() as f64);
            if own.is_empty() { with.push(estimate) } else { without.push(estimate) }
        }
    }
    let mean = |estimates: &[(f64, f64)]| {
        let weights: f64 = estimates.iter().map(|(_, variance)| 1.0 / variance).sum();
        estimates.iter().map(|(value, variance)| value / variance).sum::<f64>() / weights
    };
    (!without.is_empty()).then(|| mean(&with) - mean(&without))
}

/// All that the reports say of the visitor's page, as numbers, for an attacker who learns from facts that he planted himself.
pub async fn features(asker: &Asker<'_>) -> Vec<f64> {
    let page = asker.page();
    let whole = asker.total("visitors", 0, std::slice::from_ref(&page)).await.unwrap_or(0.0);
    let mut features = vec![1.0, whole, f64::from(u8::from(whole > 0.0))];
    for figure in ["visits", "views", "views_per_visit", "bounce_rate"] {
        features.push(asker.total(figure, 0, std::slice::from_ref(&page)).await.unwrap_or(0.0));
    }
    for (report, name) in BREAKDOWNS {
        let rows = asker.rows(report, 0, std::slice::from_ref(&page)).await.unwrap_or_default();
        let sum: f64 = rows.iter().filter_map(|row| row["visitors"].as_f64()).sum();
        let other = number(&rows, name, "(other)", "visitors").unwrap_or(0.0);
        features.extend([whole - sum, rows.len() as f64, other]);
    }
    for filter in [asker.country(), asker.browser()] {
        let own = asker.of_page("visitors", std::slice::from_ref(&filter)).await;
        features.extend([own.unwrap_or(0.0), f64::from(u8::from(own.is_some()))]);
        features.push(asker.total("views", 0, &[filter]).await.unwrap_or(0.0));
    }
    let pages = asker.rows("pages", 0, &[]).await.unwrap_or_default();
    features.push(number(&pages, "path", "(other)", "visitors").unwrap_or(0.0));
    features.push(pages.len() as f64);
    features.push(asker.total("visitors", 0, &[]).await.unwrap_or(0.0));
    features.push(asker.total("views", 0, &[]).await.unwrap_or(0.0));
    features
}
