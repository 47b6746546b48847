//! What a principal may read of the reports, for the API and the page: which reports of which sites, and whether from exact or published
//! figures.
//!
//! Each reading of exact figures is recorded in the audit.

use hyper::StatusCode;

use crate::access::{Permission, Principal};
use crate::report::catalogue::{self, Purpose, Report};
use crate::report::{
    Filter, RawReportRequest, ReportAnswer, ReportError, ReportRequest, Reports, is_published,
};
use crate::store::redacted_chain;

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadingError {
    /// A parameter of the API has no meaning.
    #[error("{0}")]
    Parameter(String),
    #[error("this report is for another role: analyst and viewer read audience, sre reads diagnostics")]
    OtherRole,
    #[error("this token is restricted to other sites")]
    OtherSites,
    /// The filter is on a column that the role does not read.
    #[error("role sre may not use the filter {0}")]
    FilterOfOtherRole(String),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl ReadingError {
    /// The status of an answer to the request.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::OtherRole | Self::OtherSites | Self::FilterOfOtherRole(_) => StatusCode::FORBIDDEN,
            Self::Report(ReportError::UnknownReport { .. }) => StatusCode::NOT_FOUND,
            Self::Report(ReportError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Report(ReportError::NotPublished(_)) => StatusCode::FORBIDDEN,
            Self::Report(error) if error.is_request() => StatusCode::BAD_REQUEST,
            Self::Report(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Logs a failure that is not the request's.
    pub(super) fn log(&self, report: &str) {
        if let Self::Report(error) = self
            && !error.is_request()
        {
            // ClickHouse quotes the statement, and so the values of filters.
            tracing::error!(error = redacted_chain(error), report, "report failed");
        }
    }
}

/// Whether `principal` may read this report, of any site, exact or published.
pub(super) fn readable(report: &Report, principal: &Principal) -> bool {
    reads_exact(report, principal) || (is_published(report) && principal.may(Permission::ReadPublished))
}

/// Whether `principal` may read this report's exact figures.
pub(super) fn reads_exact(report: &Report, principal: &Principal) -> bool {
    principal.may(match report.purpose {
        Purpose::Audience => Permission::ReadAudience,
        Purpose::Diagnostics => Permission::ReadDiagnostics,
    })
}

/// The reports as `principal` may read the one of this name: of its sites, exact or published.
pub(super) fn reports_for(reports: &Reports, name: &str, principal: &Principal) -> Reports {
    let reports = reports.restricted_to(principal.restricted_to());
    match catalogue::find(name) {
        // Reports that have no published figures are refused with that reason.
        Some(report) if report.purpose == Purpose::Audience && !reads_exact(report, principal) => {
            reports.protected()
        }
        _ => reports,
    }
}

/// Whether `principal` may read the audit, which is of all sites.
pub(super) fn may_read_audit(principal: &Principal) -> bool {
    principal.may(Permission::ReadAudit) && principal.restricted_to().is_none()
}

/// The request for a report that `principal` may read.
pub(super) fn permitted(
    reports: &Reports,
    raw: &RawReportRequest,
    principal: &Principal,
) -> Result<ReportRequest, ReadingError> {
    let may_read = |report: &Report| match report.purpose {
        Purpose::Audience => reads_exact(report, principal) || principal.may(Permission::ReadPublished),
        Purpose::Diagnostics => reads_exact(report, principal),
    };
    // A viewer must not learn from the error about a parameter what is wrong with it in a report for others.
    if catalogue::find(&raw.report).is_some_and(|report| !may_read(report)) {
        return Err(ReadingError::OtherRole);
    }
    let request = reports.parse(raw)?;
    if !principal.may_see(&request.site) {
        return Err(ReadingError::OtherSites);
    }
    // What the store grants the role, too: no pseudonyms, no places smaller than a country, nothing that tells who it was.
    let is_granted = |filter: &&Filter| principal.may(Permission::ReadAudience) || filter.is_of_diagnostics();
    if request.report.purpose == Purpose::Diagnostics
        && let Some(filter) = request.filters.iter().find(|filter| !is_granted(filter))
    {
        return Err(ReadingError::FilterOfOtherRole(filter.to_string()));
    }
    Ok(request)
}

/// The answer to one request.
pub(super) async fn read(
    reports: &Reports,
    raw: &RawReportRequest,
    principal: &Principal,
) -> Result<ReportAnswer, ReadingError> {
    let reports = reports_for(reports, &raw.report, principal);
    let request = permitted(&reports, raw, principal)?;
    reports.record_use(principal.name(), std::slice::from_ref(&request));
    Ok(reports.run(request).await?)
}

/// The answers to several requests of one site, in their order.
pub(super) async fn read_all(
    reports: &Reports,
    raws: &[RawReportRequest],
    principal: &Principal,
) -> Result<Vec<ReportAnswer>, ReadingError> {
    // Exact figures and published ones are two queries.
    let (mut exact, mut published) = (Vec::new(), Vec::new());
    for (place, raw) in raws.iter().enumerate() {
        let reports = reports_for(reports, &raw.report, principal);
        let request = permitted(&reports, raw, principal)?;
        let of_kind = if reports.is_protected() { &mut published } else { &mut exact };
        of_kind.push((place, request));
    }
    let mut answers: Vec<(usize, ReportAnswer)> = Vec::new();
    for (requests, reports) in [(exact, reports.clone()), (published, reports.protected())] {
        let (places, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let reports = reports.restricted_to(principal.restricted_to());
        reports.record_use(principal.name(), &requests);
        answers.extend(places.into_iter().zip(reports.run_all(requests).await?));
    }
    answers.sort_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}
