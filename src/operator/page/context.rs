//! What a view is rendered from: the reader, what the reader may see, and what the address asks for.

use std::sync::Arc;

use jiff::Zoned;

use super::address::ViewAddress;
use super::collector_state::CollectorState;
use crate::access::Principal;
use crate::operator::reading::{self, ReadingError};
use crate::report::{RawReportRequest, ReportAnswer, Reports};
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

    /// Whether the reader has one filter at most, of the published columns.
    pub(super) fn has_one_filter(&self) -> bool {
        !self.access.exact
    }

    /// One of two texts, by the language.
    pub(super) fn say<'t>(&self, english: &'t str, russian: &'t str) -> &'t str {
        self.language.of([english, russian])
    }
}
