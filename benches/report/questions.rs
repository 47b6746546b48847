//! Questions: random sites and periods, and values for filters that the site has.

use std::collections::BTreeMap;

use fastrand::Rng;
use footfall::store::{Client, dates};
use jiff::civil::Date;

use crate::SITES;
use crate::processes::site;

/// A filter of each kind: on what visitors are, on visits alone, and on events alone. Each with the dimension that has its values.
pub const FILTERS: [(&str, &str); 5] = [
    ("country", "country"),
    ("browser", "browser"),
    ("entry_path", "entry"),
    ("path", "page"),
    ("name", "event"),
];
/// Values of a filter are among the most frequent of the site.
const VALUES: u32 = 20;

#[derive(Clone)]
pub struct Question {
    /// 1 is the largest.
    pub site: u32,
    pub from: Date,
    pub to: Date,
    /// Column and value.
    pub filter: Option<(&'static str, String)>,
}

pub struct Questions {
    rng: Rng,
    days: Vec<Date>,
    /// By site and dimension.
    values: BTreeMap<(String, String), Vec<String>>,
}

impl Questions {
    pub async fn new(reader: &Client, seed: u64) -> Self {
        let days: Vec<u16> = reader
            .query("SELECT DISTINCT toUInt16(day) AS day FROM days ORDER BY day")
            .fetch_all()
            .await
            .expect("the computed days");
        let sql = format!(
            "SELECT toString(site), toString(dimension), value FROM daily \
             WHERE dimension IN ('country', 'browser', 'entry', 'page', 'event') AND value != '' \
             GROUP BY site, dimension, value ORDER BY sum(visitors) DESC LIMIT {VALUES} BY site, dimension"
        );
        let rows: Vec<(String, String, String)> =
            reader.query(&sql).fetch_all().await.expect("values of filters");
        let mut values = BTreeMap::<_, Vec<String>>::new();
        for (site, dimension, value) in rows {
            values.entry((site, dimension)).or_default().push(value);
        }
        Self { rng: Rng::with_seed(seed), days: days.into_iter().map(dates::day_date).collect(), values }
    }

    /// Large sites are asked about more often. A third of the periods end today.
    pub fn next(&mut self, filter: Option<(&'static str, &str)>) -> Question {
        let rng = &mut self.rng;
        let number = f64::from(SITES + 1).powf(rng.f64()) as u32;
        let last = self.days.len() - 1;
        let to = if rng.u32(..3) == 0 { last } else { rng.usize(..=last) };
        let from = rng.usize(..=to);
        let filter = filter.map(|(column, dimension)| {
            let values = &self.values[&(site(number), dimension.to_owned())];
            (column, values[rng.usize(..values.len())].clone())
        });
        Question { site: number, from: self.days[from], to: self.days[to], filter }
    }
}

impl Question {
    /// The query of its address.
    pub fn query(&self) -> form_urlencoded::Serializer<'static, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("site", &site(self.site));
        query.append_pair("from", &self.from.to_string()).append_pair("to", &self.to.to_string());
        if let Some((column, value)) = &self.filter {
            query.append_pair("filter", &format!("{column}={value}"));
        }
        query
    }

    /// The first day of the preceding period of the same length.
    pub fn before(&self) -> Date {
        let days = (self.to - self.from).get_days() + 1;
        self.from.saturating_sub(jiff::Span::new().days(days))
    }
}
