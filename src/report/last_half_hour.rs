//! The last half hour of a site, for the realtime view. Its series is the report `realtime`.

use super::error::ReportError;
use super::reports::Reports;

const QUERY: &str = include_str!("../../sql/page/realtime.sql");

/// What was visited in the last half hour, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LastHalfHour {
    /// Visitors with an event in the last five minutes.
    pub(crate) current: u64,
    /// The most visited first; what has few visitors is folded into the last one.
    pub(crate) pages: Vec<LiveRow>,
    pub(crate) sources: Vec<LiveRow>,
}

/// A page or a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveRow {
    pub(crate) value: String,
    pub(crate) visitors: u64,
    pub(crate) views: u64,
}

impl Reports {
    /// The caller must have checked that the reader may read exact figures of the site, and record the use.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses.
    pub(crate) async fn last_half_hour(&self, site: &str) -> Result<LastHalfHour, ReportError> {
        let _permit = self.permit().await?;
        let query = self.client().query(QUERY).param("site", site).param("k", self.k());
        let rows: Vec<(String, String, u64, u64)> = query.fetch_all().await?;
        let mut found = LastHalfHour::default();
        for (figure, value, visitors, views) in rows {
            match figure.as_str() {
                "current" => found.current = visitors,
                "page" => found.pages.push(LiveRow { value, visitors, views }),
                _ => found.sources.push(LiveRow { value, visitors, views }),
            }
        }
        Ok(found)
    }
}
