//! Web Vitals of the site and of its pages, each with a word by Google's public thresholds.

use serde_json::Value;

use crate::operator::page::context::ViewContext;
use crate::operator::page::format;
use crate::operator::page::rows::{self, Heading};
use crate::report::{Filter, ReportAnswer};
use crate::transport::negotiation::Language;

/// Pages that are shown, those with the most samples.
const PAGES: usize = 10;

/// A measure, its name in words, and the thresholds up to which it is good, and above which it is poor (web.dev/articles/vitals).
struct VitalSpec {
    name: &'static str,
    words: [&'static str; 2],
    good: f64,
    poor: f64,
}

const VITALS: [VitalSpec; 5] = [
    VitalSpec {
        name: "LCP",
        words: ["the largest element is painted", "отрисован самый крупный элемент"],
        good: 2500.0,
        poor: 4000.0,
    },
    VitalSpec {
        name: "INP", words: ["response to input", "отклик на действие"], good: 200.0, poor: 500.0
    },
    VitalSpec {
        name: "CLS", words: ["shift of the layout", "смещение макета"], good: 0.1, poor: 0.25
    },
    VitalSpec {
        name: "FCP",
        words: ["first content is painted", "первая отрисовка контента"],
        good: 1800.0,
        poor: 3000.0,
    },
    VitalSpec {
        name: "TTFB",
        words: ["first byte of the response", "первый байт ответа"],
        good: 800.0,
        poor: 1800.0,
    },
];

pub(super) struct VitalsTable {
    pub(super) headings: Vec<Heading>,
    /// The site, then pages.
    pub(super) rows: Vec<VitalRow>,
}

pub(super) struct VitalRow {
    /// Empty for the whole site.
    pub(super) page: String,
    /// The same view for this page alone.
    pub(super) href: Option<String>,
    pub(super) cells: Vec<Option<VitalCell>>,
}

pub(super) struct VitalCell {
    /// The value that three of four page loads do not exceed.
    pub(super) p75: String,
    /// `good`, `fair` or `poor`, for the colour.
    pub(super) class: &'static str,
    pub(super) rating: &'static str,
    pub(super) samples: String,
}

/// The measures of the report of speed, for the site and by page.
pub(super) fn vitals(context: &ViewContext, of_site: &ReportAnswer, of_pages: &ReportAnswer) -> VitalsTable {
    let language = context.language;
    let mut rows = by_group(of_site, language);
    let mut pages = by_group(of_pages, language);
    pages.truncate(PAGES);
    rows.extend(pages);
    let heading = |vital: &VitalSpec| Heading {
        name: vital.name,
        label: vital.name.to_owned(),
        about: language.pick(vital.words).to_owned(),
        is_number: true,
    };
    for row in rows.iter_mut().filter(|row| !row.page.is_empty()) {
        row.href = rows::narrowed(context, vec![Filter::text_for("path", &row.page)]);
    }
    VitalsTable { headings: VITALS.iter().map(heading).collect(), rows }
}

/// A row for each group of the answer, in its order.
fn by_group(answer: &ReportAnswer, language: Language) -> Vec<VitalRow> {
    let place = |name: &str| answer.request.report.columns.iter().position(|column| column.name == name);
    let (Some(group), Some(vital), Some(p75), Some(samples)) =
        (place("group"), place("vital"), place("p75"), place("samples"))
    else {
        return Vec::new();
    };
    let mut rows: Vec<VitalRow> = Vec::new();
    for row in &answer.rows {
        let page = row[group].as_str().unwrap_or_default();
        if rows.last().is_none_or(|last| last.page != page) {
            let cells = VITALS.iter().map(|_| None).collect();
            rows.push(VitalRow { page: page.to_owned(), href: None, cells });
        }
        let found = VITALS.iter().position(|known| row[vital] == known.name);
        if let (Some(at), Some(last), Some(value)) = (found, rows.last_mut(), row[p75].as_f64()) {
            last.cells[at] = Some(cell(&VITALS[at], value, &row[samples], language));
        }
    }
    rows
}

fn cell(vital: &VitalSpec, value: f64, samples: &Value, language: Language) -> VitalCell {
    let (class, rating) = match value {
        value if value <= vital.good => ("good", ["good", "хорошо"]),
        value if value <= vital.poor => ("fair", ["needs improvement", "нужно улучшить"]),
        _ => ("poor", ["poor", "плохо"]),
    };
    VitalCell {
        p75: format::figure(value, if vital.name == "CLS" { "ratio" } else { "ms" }, language),
        class,
        rating: language.pick(rating),
        samples: format::number(samples.as_f64().unwrap_or_default(), 0, language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_rated_by_the_public_thresholds() {
        let rating = |at: usize, value| cell(&VITALS[at], value, &Value::from(1), Language::English).rating;
        assert_eq!(rating(0, 2500.0), "good");
        assert_eq!(rating(0, 2501.0), "needs improvement");
        assert_eq!(rating(0, 4000.0), "needs improvement");
        assert_eq!(rating(0, 4001.0), "poor");
        assert_eq!(rating(2, 0.1), "good");
        assert_eq!(rating(2, 0.251), "poor");
    }
}
