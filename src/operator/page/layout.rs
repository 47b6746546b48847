//! What all views share: the frame around them, and the bar of periods and filters.

use askama::Template;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use jiff::civil::Date;

use super::address::{ChosenComparison, DEFAULT_PERIOD, View, ViewAddress};
use super::context::{FilterChoice, ViewContext};
use super::{assets, format, words};
use crate::access::Principal;
use crate::operator::reading;
use crate::report::{Filter, Period, ReportError};
use crate::transport::Body;
use crate::transport::negotiation::Language;
use crate::transport::response::{self, RETRY_SOON};

pub(super) static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A link of a menu.
pub(super) struct PageLink {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) is_current: bool,
    /// The key that follows it; empty if none does.
    pub(super) key: &'static str,
}

impl PageLink {
    pub(super) fn new(label: impl Into<String>, address: &ViewAddress) -> Self {
        Self { label: label.into(), href: address.href(), is_current: false, key: "" }
    }

    #[must_use]
    pub(super) fn current(self, is_current: bool) -> Self {
        Self { is_current, ..self }
    }

    #[must_use]
    pub(super) fn key(self, key: &'static str) -> Self {
        Self { key, ..self }
    }
}

/// What is around a view.
pub(super) struct PageFrame {
    language: Language,
    pub(super) title: String,
    pub(super) site: String,
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
    pub(super) home: String,
    /// The sites of the reader, if there are several.
    pub(super) sites: Vec<PageLink>,
    /// The views of the site.
    pub(super) views: Vec<PageLink>,
    /// Whether the reader signed in, and may sign out.
    pub(super) has_session: bool,
    /// Where a privacy officer reads who was given access, and when keys were turned.
    pub(super) audit: Option<PageLink>,
    /// The same page in the other language.
    pub(super) other_language: PageLink,
}

impl PageFrame {
    pub(super) fn new(context: &ViewContext, title: impl Into<String>) -> Self {
        let ViewContext { address, language, access, .. } = context;
        let base = &address.base;
        let other = language.pick(["ru", "en"]);
        let to_other = address.with(|address| address.language = Some(other.to_owned()));
        let has_site = !address.site.is_empty();
        let view = |view: View, label: &'static str, key| {
            let is_current = address.view == view;
            PageLink::new(label, &context.to_view(view)).current(is_current).key(key)
        };
        let mut views = Vec::new();
        if has_site {
            views.push(view(View::Site, context.say("Audience", "Аудитория"), "o"));
            if access.exact {
                views.push(view(View::Realtime, context.say("Realtime", "Сейчас"), "r"));
            }
            if access.diagnostics {
                views.push(view(View::Diagnostics, context.say("Diagnostics", "Диагностика"), "e"));
            }
        }
        // Those who read exact figures may show others the protected ones.
        if has_site && access.exact && base.is_empty() {
            let href = format!("{}/share?lang={}", address.to_view(View::Site).path(), language.code());
            views.push(PageLink {
                label: context.say("Share", "Поделиться").to_owned(),
                href,
                is_current: false,
                key: "h",
            });
        }
        let sites = context.sites();
        let site = |site: &String| PageLink::new(site, &address.to_site(site)).current(*site == address.site);
        Self {
            language: *language,
            title: title.into(),
            site: address.site.clone(),
            style: format!("{base}{}", assets::style_path()),
            script: format!("{base}{}", assets::script_path()),
            icon: format!("{base}{}", assets::icon_path()),
            home: address.front().href(),
            sites: if sites.len() > 1 && has_site { sites.iter().map(site).collect() } else { Vec::new() },
            views,
            has_session: matches!(context.principal, Principal::Token(_)),
            audit: (base.is_empty() && !has_site && reading::may_read_audit(&context.principal)).then(|| {
                PageLink {
                    label: context.say("Audit", "Журнал аудита").to_owned(),
                    href: "/api/audit".to_owned(),
                    is_current: false,
                    key: "",
                }
            }),
            other_language: PageLink::new(language.pick(["Русский", "English"]), &to_other),
        }
    }

    /// One of two texts, by the language.
    pub(super) fn say<'t>(&self, english: &'t str, russian: &'t str) -> &'t str {
        self.language.pick([english, russian])
    }

    pub(super) fn lang(&self) -> &'static str {
        self.language.code()
    }

    pub(super) fn other_lang(&self) -> &'static str {
        self.language.pick(["ru", "en"])
    }
}

/// The bar above the figures: the period, the comparison and the filters.
pub(super) struct Controls {
    pub(super) presets: Vec<PageLink>,
    /// The days that are shown, in words.
    pub(super) period: String,
    pub(super) earlier: PageLink,
    pub(super) later: Option<PageLink>,
    pub(super) from: Date,
    pub(super) to: Date,
    pub(super) today: Date,
    pub(super) comparisons: Vec<PageLink>,
    pub(super) comparison: String,
    /// Where the form of days leads, and what it keeps.
    pub(super) action: String,
    pub(super) kept: Vec<(&'static str, String)>,
    pub(super) pills: Vec<Pill>,
    /// The form of filters: what it keeps, and the columns that it offers.
    pub(super) kept_of_filter: Vec<(&'static str, String)>,
    pub(super) columns: Vec<(&'static str, String)>,
    pub(super) operators: Vec<(&'static str, &'static str)>,
    pub(super) has_more_filters: bool,
    /// Leads to the page without filters.
    pub(super) without_filters: Option<PageLink>,
    /// Bots are counted; leads to the page without them.
    pub(super) without_bots: Option<PageLink>,
}

/// A filter that is set.
pub(super) struct Pill {
    pub(super) column: String,
    pub(super) operator: &'static str,
    pub(super) values: String,
    pub(super) written_column: String,
    pub(super) written_operator: &'static str,
    pub(super) written_values: String,
    /// The filter's opposite, if the reader may use it.
    pub(super) negated: Option<PageLink>,
    pub(super) removed: PageLink,
    /// What the form that edits it keeps.
    pub(super) kept: Vec<(&'static str, String)>,
}

/// The days before a period and after it, as long as it.
fn shifted(address: &ViewAddress, period: Period, by_periods: i64) -> ViewAddress {
    let days = i64::from(period.days()) * by_periods;
    let shift = |day: Date| day.saturating_add(jiff::Span::new().days(days)).to_string();
    address.with_period(&shift(period.from()), Some(&shift(period.to())))
}

const PRESETS: [(&str, [&str; 2], &str); 7] = [
    ("today", ["Today", "Сегодня"], "d"),
    ("yesterday", ["Yesterday", "Вчера"], "y"),
    ("7d", ["7 days", "7 дней"], "7"),
    ("28d", ["28 days", "28 дней"], "2"),
    ("91d", ["91 days", "91 день"], "9"),
    ("month", ["Month", "Месяц"], "m"),
    ("year", ["Year", "Год"], "a"),
];

/// Operators as they are written, and in words.
const OPERATORS: [(&str, [&str; 2]); 8] = [
    ("=", ["is", "равно"]),
    ("!=", ["is not", "не равно"]),
    ("~", ["contains", "содержит"]),
    ("!~", ["does not contain", "не содержит"]),
    (">", ["more than", "больше"]),
    (">=", ["at least", "не меньше"]),
    ("<", ["less than", "меньше"]),
    ("<=", ["at most", "не больше"]),
];

fn operator_words(written: &str, language: Language) -> &'static str {
    let known = OPERATORS.iter().find(|(operator, _)| *operator == written);
    known.map_or("", |(_, words)| language.pick(*words))
}

impl Controls {
    pub(super) fn new(context: &ViewContext, period: Period) -> Result<Self, ReportError> {
        let ViewContext { address, language, .. } = context;
        let language = *language;
        let today = context.now.date();
        let chosen = address.from.as_deref().unwrap_or(DEFAULT_PERIOD);
        let preset = |(word, label, key): &(&'static str, [&'static str; 2], &'static str)| {
            let is_current = address.to.is_none() && chosen == *word;
            let link = PageLink::new(language.pick(*label), &address.with_period(word, None));
            link.current(is_current).key(key)
        };
        let comparison = |kind: &ChosenComparison| {
            PageLink::new(
                comparison_words(*kind, language),
                &address.with(|address| address.comparison = *kind),
            )
            .current(address.comparison == *kind)
        };
        let without = |names: &[&str], address: &ViewAddress| {
            let mut kept = address.parameters();
            kept.retain(|(name, _)| !names.contains(name));
            kept
        };
        let one = context.has_one_filter();
        let pills = pills(context)?;
        let operators = if one { &OPERATORS[..1] } else { &OPERATORS[..] };
        let words_of =
            |&(written, words): &(&'static str, [&'static str; 2])| (written, language.pick(words));
        let kept_of_filter =
            if one { without(&["filter", "page"], address) } else { without(&["page"], address) };
        Ok(Self {
            presets: PRESETS.iter().map(preset).collect(),
            period: format::period(period.from(), period.to(), language),
            earlier: PageLink::new(context.say("Earlier", "Раньше"), &shifted(address, period, -1)).key("["),
            later: (period.to() < today)
                .then(|| PageLink::new(context.say("Later", "Позже"), &shifted(address, period, 1)).key("]")),
            from: period.from(),
            to: period.to(),
            today,
            comparisons: ChosenComparison::ALL.iter().map(comparison).collect(),
            comparison: comparison_words(address.comparison, language).to_owned(),
            action: address.path(),
            kept: without(&["from", "to", "by", "page"], address),
            without_filters: (!pills.is_empty()).then(|| {
                PageLink::new(
                    context.say("Remove all", "Убрать все"),
                    &address.with(|address| address.filters.clear()),
                )
                .key("x")
            }),
            pills,
            kept_of_filter,
            columns: filter_columns(context.filter_choice(), language),
            operators: operators.iter().map(words_of).collect(),
            has_more_filters: !one || address.filters.is_empty(),
            without_bots: address.bots.then(|| {
                PageLink::new(
                    context.say("Bots are counted", "С роботами"),
                    &address.with(|address| address.bots = false),
                )
            }),
        })
    }
}

/// The columns that the reader may filter by and their words, in the order of the words.
fn filter_columns(choice: FilterChoice, language: Language) -> Vec<(&'static str, String)> {
    let named = |name| (name, words::filter_column(name, language));
    let mut columns: Vec<_> = choice.columns().into_iter().map(named).collect();
    columns.sort_by(|(_, left), (_, right)| left.cmp(right));
    columns
}

pub(super) fn comparison_words(comparison: ChosenComparison, language: Language) -> &'static str {
    language.pick(match comparison {
        ChosenComparison::Previous => ["Previous period", "Предыдущий период"],
        ChosenComparison::Weekdays => ["Same weekdays before", "Те же дни недели раньше"],
        ChosenComparison::Year => ["A year ago", "Год назад"],
        ChosenComparison::None => ["No comparison", "Без сравнения"],
    })
}

fn pills(context: &ViewContext) -> Result<Vec<Pill>, ReportError> {
    let ViewContext { address, language, .. } = context;
    let pill = |(place, text): (usize, &String)| {
        let filter = Filter::parse(text)?;
        let (column, operator, values) = filter.written_parts();
        let opposite = match operator {
            "=" => Some("!="),
            "!=" => Some("="),
            "~" => Some("!~"),
            "!~" => Some("~"),
            _ => None,
        };
        let negated = opposite.filter(|_| !context.has_one_filter()).map(|opposite| {
            let turned = format!("{column}{opposite}{values}");
            let label = operator_words(opposite, *language);
            PageLink::new(label, &address.with(|address| address.filters[place] = turned))
        });
        let mut shown: Vec<String> =
            filter.values().iter().map(|value| words::named(column, value, *language)).collect();
        // Times and pseudonyms have another form in the store.
        if let [_] = shown[..]
            && !values.is_empty()
            && !matches!(column, "country" | "language" | "channel" | "device" | "screen")
        {
            shown = vec![values.to_owned()];
        }
        let without = address.without_filter(place);
        Ok(Pill {
            column: words::filter_column(column, *language),
            operator: operator_words(operator, *language),
            values: shown.join(context.say(" or ", " или ")),
            written_column: column.to_owned(),
            written_operator: operator,
            written_values: values.to_owned(),
            negated,
            removed: PageLink::new(context.say("Remove", "Убрать"), &without),
            kept: without.parameters(),
        })
    };
    address.filters.iter().enumerate().map(pill).collect()
}

pub(super) fn render(template: &impl Template) -> String {
    template.render().expect("writing to a string does not fail")
}

/// A view's template as a response; one that is not served for a while says when to come again.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response<Body> {
    let mut response = response::with_body(status, &HTML, render(template));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
    }
    response
}
