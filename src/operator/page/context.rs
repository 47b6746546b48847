//! What a view is rendered from: the reader, what the reader may see, and what the address asks for.

use std::sync::Arc;

use jiff::Zoned;

use super::address::{View, ViewAddress};
use super::collector_state::CollectorState;
use crate::access::Principal;
use crate::operator::reading::{self, ReadingError};
use crate::report::catalogue::{self, Purpose};
use crate::report::{
    Filter, RawReportRequest, ReportAnswer, Reports, filter_columns_of_viewer, is_filter_of_viewer,
};
use crate::transport::negotiation::Language;

/// What a view needs to be rendered. It owns that, because a part of a view is rendered after the answer has begun.
#[derive(Clone)]
pub(super) struct ViewContext {
    /// Those that the reader may see, restricted to the reader's sites.
    pub(super) reports: Reports,
    pub(super) principal: Principal,
    pub(super) address: ViewAddress,
    pub(super) language: Language,
    /// In the zone of the reports.
    pub(super) now: Zoned,
    pub(super) access: ReadAccess,
    /// What the collector knows itself; `None` where none runs.
    pub(super) collector: Option<Arc<CollectorState>>,
}

/// By what a reader may filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterChoice {
    All,
    /// By several columns, those of diagnostics.
    Diagnostics,
    /// By one value of one published column.
    One,
}

impl FilterChoice {
    /// The columns that are offered.
    pub(super) fn columns(self) -> Vec<&'static str> {
        match self {
            Self::All => Filter::columns().collect(),
            Self::Diagnostics => Filter::columns_of_diagnostics().collect(),
            Self::One => filter_columns_of_viewer().collect(),
        }
    }

    /// Whether it allows a filter that stands alone.
    pub(super) fn allows(self, filter: &str) -> bool {
        let Ok(filter) = Filter::parse(filter) else { return self == Self::All };
        match self {
            Self::All => true,
            Self::Diagnostics => filter.is_of_diagnostics(),
            Self::One => is_filter_of_viewer(&filter),
        }
    }
}

/// What the reader may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadAccess {
    /// Exact figures of the audience.
    pub(super) exact: bool,
    /// Published figures of the audience.
    pub(super) published: bool,
    pub(super) diagnostics: bool,
}

impl ViewContext {
    /// The answers to requests of one site, in their order, as the reader may read them.
    pub(super) async fn read_all(
        &self,
        requests: &[RawReportRequest],
    ) -> Result<Vec<ReportAnswer>, ReadingError> {
        reading::read_all(&self.reports, requests, &self.principal).await
    }

    /// The sites that the reader may see.
    pub(super) fn sites(&self) -> Vec<String> {
        if self.access.exact || self.access.published || self.access.diagnostics {
            self.reports.sites()
        } else {
            Vec::new()
        }
    }

    /// By what the reader may filter the shown view.
    pub(super) fn filter_choice(&self) -> FilterChoice {
        self.filter_choice_of(&self.address.view)
    }

    /// Whether the reader has one filter at most.
    pub(super) fn has_one_filter(&self) -> bool {
        self.filter_choice() == FilterChoice::One
    }

    /// By what the reader may filter a view.
    fn filter_choice_of(&self, view: &View) -> FilterChoice {
        let is_diagnostic = match view {
            View::Diagnostics => true,
            View::Report(name) | View::Csv(name) => {
                catalogue::find(name).is_some_and(|report| report.purpose == Purpose::Diagnostics)
            }
            _ => false,
        };
        match self.access {
            ReadAccess { exact: true, .. } => FilterChoice::All,
            ReadAccess { diagnostics: true, .. } if is_diagnostic => FilterChoice::Diagnostics,
            _ => FilterChoice::One,
        }
    }

    /// Another view of the same site and period, with those of the filters that the reader may use there.
    pub(super) fn to_view(&self, view: View) -> ViewAddress {
        let choice = self.filter_choice_of(&view);
        self.address.to_view(view).with(|address| {
            address.filters.retain(|filter| choice.allows(filter));
            if choice == FilterChoice::One {
                address.filters.truncate(1);
            }
        })
    }

    /// One of two texts, by the language.
    pub(super) fn say<'t>(&self, english: &'t str, russian: &'t str) -> &'t str {
        self.language.pick([english, russian])
    }
}
