//! The address of a page: what it shows, as a path and a query, and the links to what is next to it.
//!
//! Every link of the page is built here, because pages below `/share/TOKEN` keep that prefix, and a link keeps what the reader has chosen.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::report::{Comparison, MAX_ROWS, RawReportRequest};

/// Longest value of a parameter but filters, in bytes.
pub(super) const LONGEST_VALUE: usize = 256;
/// More than there are cards.
const MOST_TABS: usize = 16;
/// What a segment of a path cannot have as it is (URL standard, path percent-encode set, with `/` and `%`).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'/')
    .add(b'%');
/// The period that is shown when the address names none.
pub(super) const DEFAULT_PERIOD: &str = "28d";

/// The page that an address shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum View {
    #[default]
    Sites,
    Site,
    Report(String),
    /// A report as CSV.
    Csv(String),
    Diagnostics,
    Realtime,
    /// Brings the realtime view up to date.
    RealtimeEvents,
}

/// What the figures of the period are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ChosenComparison {
    /// The period of the same length before.
    #[default]
    Previous,
    /// The same days a year ago.
    Year,
    /// As many whole weeks ago as the period needs, so that weekdays meet.
    Weekdays,
    None,
}

impl ChosenComparison {
    pub(super) const ALL: [Self; 4] = [Self::Previous, Self::Weekdays, Self::Year, Self::None];

    /// The comparison of reports that it stands for.
    pub(super) const fn of_reports(self) -> Option<Comparison> {
        match self {
            Self::Previous => Some(Comparison::Previous),
            Self::Year => Some(Comparison::Year),
            Self::Weekdays => Some(Comparison::Weekdays),
            Self::None => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Year => "year",
            Self::Weekdays => "weekdays",
            Self::None => "none",
        }
    }
}

/// The rows of a report in detail are sorted by a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: String,
    pub(super) is_ascending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ViewAddress {
    /// What comes before every path: nothing, or `/share/TOKEN`.
    pub(super) base: String,
    pub(super) view: View,
    pub(super) site: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) comparison: ChosenComparison,
    pub(super) filters: Vec<String>,
    pub(super) bots: bool,
    /// The funnel that a report of funnels shows.
    pub(super) funnel: Option<String>,
    /// The step of the series.
    pub(super) by: Option<String>,
    /// The column of the series that is drawn.
    pub(super) measure: Option<String>,
    /// The open tab of each card that does not show its first one: names of reports.
    pub(super) tabs: Vec<String>,
    pub(super) sort: Option<Sort>,
    pub(super) search: String,
    /// The page of a report in detail, from 1.
    pub(super) page: usize,
    /// The language, if the reader has chosen one.
    pub(super) language: Option<String>,
}

/// An address that no page has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ViewAddressError {
    #[error("nothing is at {0}")]
    NoPage(String),
    #[error("parameter {name} has the value {value:?}; it takes {takes}")]
    Value { name: &'static str, value: String, takes: &'static str },
    #[error("the value of parameter {0} is longer than {LONGEST_VALUE} bytes")]
    TooLong(String),
}

/// The beginning of a name that a client sent.
fn shown(name: &str) -> String {
    name[..name.floor_char_boundary(40)].to_owned()
}

impl ViewAddress {
    /// Parses the path below `base`, and the query. Unknown parameters are ignored: mail programs add some.
    ///
    /// # Errors
    /// When no page has this address, or the value of a parameter is invalid.
    pub(super) fn parse(base: &str, path: &str, query: &str) -> Result<Self, ViewAddressError> {
        let no_page = || ViewAddressError::NoPage(path.to_owned());
        let below = path.strip_prefix(base).ok_or_else(no_page)?;
        let segments: Vec<String> = below
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (view, site) = match names[..] {
            [] => (View::Sites, ""),
            ["sites", site] => (View::Site, site),
            ["sites", site, "diagnostics"] => (View::Diagnostics, site),
            ["sites", site, "realtime"] => (View::Realtime, site),
            ["sites", site, "realtime", "events"] => (View::RealtimeEvents, site),
            ["sites", site, "reports", name] => match name.strip_suffix(".csv") {
                Some(name) => (View::Csv(name.to_owned()), site),
                None => (View::Report(name.to_owned()), site),
            },
            _ => return Err(no_page()),
        };
        let mut address =
            Self { base: base.to_owned(), view, site: site.to_owned(), page: 1, ..Self::default() };
        let mut form = FilterForm::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            address.set(&name, value.into_owned(), &mut form)?;
        }
        address.filters.extend(form.filter());
        Ok(address)
    }

    fn set(&mut self, name: &str, value: String, form: &mut FilterForm) -> Result<(), ViewAddressError> {
        let refuse = |name, value, takes| Err(ViewAddressError::Value { name, value, takes });
        // Each link of the page repeats these. A filter has a bound of its own.
        if value.len() > LONGEST_VALUE && !matches!(name, "filter" | "value") {
            return Err(ViewAddressError::TooLong(shown(name)));
        }
        match name {
            // An empty field of a form means nothing.
            _ if value.is_empty() && name != "value" => {}
            "from" => self.from = Some(value),
            "to" => self.to = Some(value),
            "compare" => match ChosenComparison::ALL.into_iter().find(|known| known.name() == value) {
                Some(comparison) => self.comparison = comparison,
                None => return refuse("compare", value, "previous, weekdays, year, none"),
            },
            "filter" => self.filters.push(value),
            "column" => form.column = value,
            "operator" => form.operator = value,
            "value" => form.value = Some(value),
            "bots" => match value.as_str() {
                "1" => self.bots = true,
                "0" => self.bots = false,
                _ => return refuse("bots", value, "0 or 1"),
            },
            "funnel" => self.funnel = Some(value),
            "by" => self.by = Some(value),
            "measure" => self.measure = Some(value),
            "tab" if self.tabs.len() < MOST_TABS => self.tabs.push(value),
            "sort" => {
                let column = value.strip_prefix('-').unwrap_or(&value).to_owned();
                self.sort = Some(Sort { is_ascending: !value.starts_with('-'), column });
            }
            "search" => self.search = value,
            "page" => match value.parse() {
                Ok(page) if (1..=MAX_ROWS as usize).contains(&page) => self.page = page,
                _ => return refuse("page", value, "a number from 1"),
            },
            "lang" if matches!(value.as_str(), "en" | "ru") => self.language = Some(value),
            _ => {}
        }
        Ok(())
    }

    /// The address without its query: where a form leads.
    pub(super) fn path(&self) -> String {
        let site = utf8_percent_encode(&self.site, SEGMENT);
        let name = |name: &str| utf8_percent_encode(name, SEGMENT).to_string();
        let path = match &self.view {
            View::Sites => "/".to_owned(),
            View::Site => format!("/sites/{site}"),
            View::Report(report) => format!("/sites/{site}/reports/{}", name(report)),
            View::Csv(report) => format!("/sites/{site}/reports/{}.csv", name(report)),
            View::Diagnostics => format!("/sites/{site}/diagnostics"),
            View::Realtime => format!("/sites/{site}/realtime"),
            View::RealtimeEvents => format!("/sites/{site}/realtime/events"),
        };
        format!("{}{path}", self.base)
    }

    /// The address as a link.
    pub(super) fn href(&self) -> String {
        let parameters = self.parameters();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{query}", self.path())
    }

    /// The parameters of the query, without those that have their default: also the hidden fields of a form.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        let mut add = |name, value: Option<&str>| pairs.extend(value.map(|value| (name, value.to_owned())));
        add("from", self.from.as_deref());
        add("to", self.to.as_deref());
        add(
            "compare",
            Some(self.comparison.name()).filter(|_| self.comparison != ChosenComparison::default()),
        );
        self.filters.iter().for_each(|filter| add("filter", Some(filter)));
        add("bots", self.bots.then_some("1"));
        add("funnel", self.funnel.as_deref());
        add("by", self.by.as_deref());
        add("measure", self.measure.as_deref());
        self.tabs.iter().for_each(|tab| add("tab", Some(tab)));
        if let Some(Sort { column, is_ascending }) = &self.sort {
            add("sort", Some(&format!("{}{column}", if *is_ascending { "" } else { "-" })));
        }
        add("search", Some(self.search.as_str()).filter(|search| !search.is_empty()));
        add("page", Some(self.page.to_string().as_str()).filter(|_| self.page > 1));
        add("lang", self.language.as_deref());
        pairs
    }

    /// The same address with a change.
    #[must_use]
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut address = self.clone();
        change(&mut address);
        address
    }

    /// Another view of the same site and period. What belongs to a table alone is left out.
    #[must_use]
    pub(super) fn to_view(&self, view: View) -> Self {
        self.with(|address| {
            address.view = view;
            (address.sort, address.page, address.funnel) = (None, 1, None);
            address.search.clear();
        })
    }

    /// The front page of the same reader: nothing but the language is kept.
    #[must_use]
    pub(super) fn front(&self) -> Self {
        Self { base: self.base.clone(), language: self.language.clone(), page: 1, ..Self::default() }
    }

    /// One site, in the same period and language.
    #[must_use]
    pub(super) fn to_site(&self, site: &str) -> Self {
        self.to_view(View::Site).with(|address| {
            site.clone_into(&mut address.site);
            address.filters.clear();
            address.tabs.clear();
        })
    }

    #[must_use]
    pub(super) fn with_period(&self, from: &str, to: Option<&str>) -> Self {
        self.with(|address| {
            (address.from, address.to) = (Some(from.to_owned()), to.map(str::to_owned));
            (address.by, address.page) = (None, 1);
        })
    }

    /// The address with one filter more; with it alone if the reader `has_one` filter at most.
    #[must_use]
    pub(super) fn with_filter(&self, filter: String, has_one: bool) -> Self {
        self.with(|address| {
            if has_one {
                address.filters.clear();
            }
            if !address.filters.contains(&filter) {
                address.filters.push(filter);
            }
            address.page = 1;
        })
    }

    #[must_use]
    pub(super) fn without_filter(&self, place: usize) -> Self {
        self.with(|address| {
            address.filters.remove(place);
            address.page = 1;
        })
    }

    /// The request for a report with the parameters of the address. `run_all` refuses none that the report does not take.
    pub(super) fn request(&self, report: &str) -> RawReportRequest {
        let request = RawReportRequest {
            site: Some(self.site.clone()),
            from: Some(self.from.clone().unwrap_or_else(|| DEFAULT_PERIOD.to_owned())),
            to: self.to.clone(),
            filters: self.filters.clone(),
            bots: self.bots,
            compare: self.comparison.of_reports().map(|comparison| comparison.name().to_owned()),
            funnel: self.funnel.clone(),
            ..RawReportRequest::default()
        };
        request.for_report(report)
    }
}

/// A filter as three fields of a form.
#[derive(Debug, Default)]
struct FilterForm {
    column: String,
    operator: String,
    value: Option<String>,
}

impl FilterForm {
    fn filter(self) -> Option<String> {
        let Self { column, operator, value } = self;
        let operator = if operator.is_empty() { "=" } else { &operator };
        Some(format!("{column}{operator}{}", value?)).filter(|_| !column.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, query: &str) -> ViewAddress {
        ViewAddress::parse("", path, query).unwrap()
    }

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for link in [
            "/",
            "/?lang=ru",
            "/sites/clinic",
            "/sites/%D0%BA%D0%BB%D0%B8%D0%BD%D0%B8%D0%BA%D0%B0/realtime",
            "/sites/clinic/diagnostics?from=yesterday",
            "/sites/clinic?from=2026-11-01&to=2026-11-07&compare=year&filter=country%3DRU&filter=path%7E%2Fa%26b&bots=1&by=day&measure=visits&tab=exits&tab=cities",
            "/sites/clinic/reports/pages?sort=-visitors&search=%3Cb%3E&page=3",
            "/sites/clinic/reports/pages.csv?from=7d",
        ] {
            let (path, query) = link.split_once('?').unwrap_or((link, ""));
            assert_eq!(parse(path, query).href(), link);
        }
    }

    #[test]
    fn a_link_below_a_share_keeps_its_prefix() {
        let address = ViewAddress::parse("/share/t0ken", "/share/t0ken/sites/clinic", "from=7d").unwrap();
        assert_eq!(address.href(), "/share/t0ken/sites/clinic?from=7d");
        assert_eq!(address.front().href(), "/share/t0ken/");
        assert!(ViewAddress::parse("/share/t0ken", "/sites/clinic", "").is_err());
    }

    #[test]
    fn the_fields_of_a_form_become_a_filter() {
        let address = parse("/sites/clinic", "filter=country%3DRU&column=path&operator=%7E&value=%2Fa");
        assert_eq!(address.filters, ["country=RU", "path~/a"]);
        assert_eq!(parse("/sites/clinic", "column=source&operator==&value=").filters, ["source="]);
        assert!(parse("/sites/clinic", "column=source&operator==").filters.is_empty());
    }

    #[test]
    fn what_has_no_meaning_is_refused_and_what_is_foreign_is_ignored() {
        for (path, query) in [
            ("/sites", ""),
            ("/sites/a/b", ""),
            ("/x", ""),
            ("/sites/a", "compare=moon"),
            ("/sites/a", "page=0"),
            ("/sites/a", "bots=yes"),
        ] {
            assert!(ViewAddress::parse("", path, query).is_err(), "{path}?{query}");
        }
        let long = format!("tab={}", "ы".repeat(LONGEST_VALUE));
        let refused = ViewAddress::parse("", "/sites/a", &long);
        assert_eq!(refused, Err(ViewAddressError::TooLong("tab".to_owned())));
        assert_eq!(parse("/sites/clinic", "utm_source=mail&from=").href(), "/sites/clinic");
    }

    #[test]
    fn a_reader_with_one_filter_exchanges_it() {
        let address = parse("/sites/clinic", "filter=country%3DRU&page=4");
        let narrowed = address.with_filter("browser=Chrome".to_owned(), false);
        assert_eq!((narrowed.filters.len(), narrowed.page), (2, 1));
        assert_eq!(address.with_filter("browser=Chrome".to_owned(), true).filters, ["browser=Chrome"]);
        assert!(address.without_filter(0).filters.is_empty());
    }
}
