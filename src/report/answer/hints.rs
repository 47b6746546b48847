//! What an empty answer may be due to: a misspelt site or value of a filter, bots that were left out, or nothing to report.

use serde_json::Value;

use super::{ReportAnswer, lines};
use crate::report::error::ReportError;
use crate::report::filter::{Filter, FilterScope, escaped};
use crate::report::nearest::nearest;
use crate::report::note::Note;
use crate::report::query::filtered::{self, FilteredTable};
use crate::report::request::ReportRequest;
use crate::store::Client;

/// A value is named only if so many visitors had it on one day, because an answer that names it shows that it exists.
pub(in crate::report) struct Hints<'a> {
    pub(in crate::report) client: &'a Client,
    pub(in crate::report) timezone: &'a str,
    pub(in crate::report) k: u32,
    /// The only sites that may be named to the reader; `None` if all may.
    pub(in crate::report) restricted_to: Option<&'a [String]>,
}

impl Hints<'_> {
    /// Whether an answer shows nothing and does not say yet why.
    pub(in crate::report) fn are_wanted(answer: &ReportAnswer) -> bool {
        answer.notes.is_empty()
            && !answer.rows.iter().flatten().any(|value| value.as_f64().unwrap_or(0.0) != 0.0)
    }

    /// The notes for answers to a request that show nothing.
    pub(in crate::report) async fn notes(&self, request: &ReportRequest) -> Result<Vec<Note>, ReportError> {
        if let Some(note) = self.unknown_site(request).await? {
            return Ok(vec![note]);
        }
        let mut notes = Vec::new();
        for filter in &request.filters {
            notes.extend(self.unknown_value(request, filter).await?);
        }
        notes.extend(request.report.empty.map(Note::NothingFound));
        notes.extend(self.bots_left_out(request).await?);
        Ok(notes)
    }

    async fn unknown_site(&self, request: &ReportRequest) -> Result<Option<Note>, ReportError> {
        let known = "SELECT site FROM events WHERE site = {site:String} LIMIT 1";
        if !self.texts(known, &self.parameters(request)[..1]).await?.is_empty() {
            return Ok(None);
        }
        let sql = "SELECT site FROM events GROUP BY site ORDER BY count() DESC LIMIT 20";
        let sites: Vec<String> = self.texts(sql, &[]).await?;
        let is_offered = |site: &String| self.restricted_to.is_none_or(|sites| sites.contains(site));
        let sites: Vec<String> = sites.into_iter().filter(is_offered).collect();
        Ok(Some(match sites.is_empty() {
            true => Note::EmptyStore,
            false => Note::UnknownSite { site: request.site.clone(), known: sites },
        }))
    }

    async fn unknown_value(
        &self,
        request: &ReportRequest,
        filter: &Filter,
    ) -> Result<Option<Note>, ReportError> {
        let Some(value) = filter.only_text() else { return Ok(None) };
        let mut parameters = self.parameters(request);
        let column = filter.expression(&mut parameters);
        let (table, day) = match filter.scope() {
            FilterScope::Visits => (FilteredTable::Visits, "day"),
            FilterScope::Events | FilterScope::Both => {
                (FilteredTable::Events, "toDate(time, {timezone:String})")
            }
        };
        let sql = format!(
            "SELECT value FROM (SELECT toString({column}) AS value, {day} AS of_day, uniqExact(visitor) AS visitors \
             FROM {} WHERE {} GROUP BY value, of_day) \
             GROUP BY value HAVING max(visitors) >= {{k:UInt32}} ORDER BY sum(visitors) DESC LIMIT 1000",
            table.name(),
            table.period(false),
        );
        let known = self.texts(&sql, &parameters).await?;
        if known.iter().any(|known| known == value) {
            return Ok(None);
        }
        let meant = nearest(value, known.iter().map(String::as_str).filter(|known| !known.is_empty()));
        let filter = filter.to_string();
        let name = &filter[..filter.len() - value.len()];
        let filter_of = |meant| format!("{name}{}", escaped(meant));
        Ok(meant.map(|meant| Note::UnknownValue { meant: filter_of(meant), filter: filter.clone() }))
    }

    async fn bots_left_out(&self, request: &ReportRequest) -> Result<Option<Note>, ReportError> {
        if request.bots || !request.report.takes("bots") {
            return Ok(None);
        }
        let sql = format!(
            "SELECT toString(countIf(kind = 'view')) FROM events WHERE {} AND bot != ''",
            FilteredTable::Events.period(false)
        );
        let (sql, bound) = filtered::filtered(&sql, &[], &request.filters, false, self.client);
        let views = self.texts(&sql, &[self.parameters(request), bound].concat()).await?.pop();
        let views = views.and_then(|views| views.parse::<u64>().ok()).filter(|views| *views > 0);
        // Under filters their number could be that of one person whom a referrer makes a bot.
        let is_told = request.filters.is_empty();
        Ok(views.map(|views| Note::BotsLeftOut { views: is_told.then_some(views) }))
    }

    fn parameters(&self, request: &ReportRequest) -> Vec<(String, String)> {
        let period = request.period;
        [
            ("site", request.site.clone()),
            ("from", period.from().to_string()),
            ("to", period.to().to_string()),
            ("timezone", self.timezone.to_owned()),
            ("k", self.k.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The first column of the query's rows, which is a text.
    async fn texts(&self, sql: &str, parameters: &[(String, String)]) -> Result<Vec<String>, ReportError> {
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        let bytes = self.client.bytes(sql, &parameters, "JSONCompactEachRow")?.collect().await?;
        let text = |line: &[u8]| match serde_json::from_slice::<[Value; 1]>(line) {
            Ok([Value::String(text)]) => Some(text),
            _ => None,
        };
        Ok(lines(&bytes).filter_map(text).collect())
    }
}
