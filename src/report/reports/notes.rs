//! What the reader must know of an answer, and rows that are too small to be shown.

use jiff::Timestamp;
use serde_json::Value;

use super::Reports;
use crate::report::answer::{ReportAnswer, age};
use crate::report::catalogue::Purpose;
use crate::report::filter::Filter;
use crate::report::note::Note;
use crate::report::request::ReportRequest;
use crate::report::request::period::Period;

impl Reports {
    /// Says how old the figures of today are, if the answer has today.
    pub(super) fn note_today(&self, answer: &mut ReportAnswer, computed: Option<Timestamp>) {
        let today = Timestamp::now().to_zoned(self.zone.clone()).date();
        let ReportRequest { period, .. } = &answer.request;
        if !answer.request.shows_days() || !(period.from()..=period.to()).contains(&today) {
            return;
        }
        answer.today = computed;
        answer.notes.push(match computed {
            Some(computed) => Note::TodayIsOld { seconds: age(computed).as_secs() },
            None => Note::TodayIsNotComputed,
        });
    }

    /// Removes rows of few visitors, or of none, from totals and series under filters, because with filters a total may be that of one visitor. Days of few
    /// visitors are left out of longer rows by the query. So nothing tells few visitors from none.
    pub(super) fn suppress(&self, answer: &mut ReportAnswer) {
        let ReportRequest { report, period, by, filters, .. } = &answer.request;
        let folds = report.takes("k") || report.purpose == Purpose::Diagnostics;
        if folds || filters.is_empty() || answer.rows.is_empty() || self.k <= 1 {
            return;
        }
        let place = |name: &str| report.columns.iter().position(|column| column.name == name);
        let is_few = |row: &[Value], at: usize| row[at].as_u64().unwrap_or(0) < self.k.into();
        let Some(at) = place("visitors") else { return };
        let rows = answer.rows.len();
        answer.rows.retain(|row| !is_few(row, at));
        if answer.rows.is_empty() {
            answer.notes.push(Note::FewVisitors { k: self.k });
            return;
        }
        if answer.rows.len() < rows {
            answer.notes.push(Note::FewVisitorsInRows { k: self.k });
        }
        if period.days() > 1 && *by != Some("hour") {
            answer.notes.push(Note::FewVisitorsOnDays { k: self.k });
        }
        let Some(before) = place("visitors_before") else { return };
        for row in answer.rows.iter_mut().filter(|row| is_few(row, before)) {
            let columns = report.columns.iter().zip(row);
            columns
                .filter(|(column, _)| column.name.ends_with("_before"))
                .for_each(|(_, value)| *value = Value::Null);
            answer.notes.push(Note::FewVisitorsBefore { k: self.k });
        }
    }

    /// Notes that the figures are published ones, and the days that they cover.
    pub(super) fn note_published(&self, answer: &mut ReportAnswer, published: u64, has_today: bool) {
        let now = Timestamp::now().to_zoned(self.zone.clone()).date();
        let ReportRequest { report, period, filters, .. } = &answer.request;
        answer.notes.push(Note::Published);
        let days = Period::new(period.from(), period.to().min(now)).map_or(0, |period| period.days());
        if published < u64::try_from(days).unwrap_or(0) {
            let filter = filters.first().map(Filter::to_string);
            answer.notes.push(Note::PublishedDays { published, days, filter });
        }
        if has_today && report.is_totals {
            answer.notes.push(Note::PublishedToday);
        }
    }

    pub(super) fn note_folded(&self, answer: &mut ReportAnswer) {
        if answer.has_folded_rows() && answer.request.report.takes("k") {
            answer.notes.push(Note::Folded { k: self.k });
        }
    }
}
