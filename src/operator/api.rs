//! The API of reports: an index, the list of reports, each report as JSON, CSV or text, several reports at once, and the audit.
//!
//! Role analyst reads reports of purpose audience, with exact figures; role viewer reads them from published figures; role SRE reads those of
//! purpose diagnostics, and the others as a viewer does; role privacy reads the audit. A token that is restricted to sites reads only their
//! reports. Each use of exact figures is recorded in the audit.
//!
//! It only reads: `GET` and `HEAD`. Errors are JSON. Input of a request appears in a response only within JSON or text.

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::access::{Permission, Principal, same_origin};
use crate::report::catalogue::{self, Purpose, Report};
use crate::report::{
    MAX_ROWS, RawReportRequest, ReportAnswer, ReportError, ReportRequest, Reports, audit, is_published,
    table, takes_of_viewer,
};
use crate::transport::Body;
use crate::transport::response::RETRY_SOON;

/// Columns of a report as text.
const TEXT_WIDTH: u16 = 120;
/// Most reports of one request: more than there are, and each is named once.
const MAX_REPORTS: usize = 64;

pub async fn respond<B>(reports: &Reports, request: Request<B>, principal: &Principal) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, "reports are read by GET");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let query = request.uri().query().unwrap_or("");
    let mut response = match request.uri().path().trim_end_matches('/') {
        "" => index(reports, principal),
        "/api/reports" if query.is_empty() => {
            respond_with(StatusCode::OK, "application/json", list(principal).to_string())
        }
        "/api/reports" => {
            several_reports(reports, query, principal).await.unwrap_or_else(|error| error.response("several"))
        }
        "/api/audit" if !may_read_audit(principal) => failure(
            StatusCode::FORBIDDEN,
            "the audit needs role privacy and a token that is not restricted to sites",
        ),
        "/api/audit" => json_or_failure(audit::read(reports).await.map(|rows| rows.to_string()), "audit"),
        path => match path.strip_prefix("/api/reports/") {
            Some(name) => report(reports, name, query, principal).await,
            None => failure(StatusCode::NOT_FOUND, "nothing is here; /api/reports lists the reports"),
        },
    };
    if head {
        *response.body_mut() = Body::EMPTY;
    }
    response
}

async fn report(reports: &Reports, name: &str, query: &str, principal: &Principal) -> Response<Body> {
    one_report(reports, name, query, principal).await.unwrap_or_else(|error| error.response(name))
}

/// Returns a JSON text, or the failure of the report of this name.
fn json_or_failure(text: Result<String, ReportError>, name: &str) -> Response<Body> {
    let error = match text {
        Ok(text) => return respond_with(StatusCode::OK, "application/json", text),
        Err(error) => error,
    };
    let status = match &error {
        ReportError::UnknownReport { .. } => StatusCode::NOT_FOUND,
        ReportError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ReportError::NotPublished(_) => StatusCode::FORBIDDEN,
        error if error.is_request() => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    };
    if !error.is_request() {
        tracing::error!(error = &error as &dyn std::error::Error, report = name, "report failed");
    }
    let mut response = failure(status, &error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
    }
    response
}

/// Whether `principal` may read this report, of any site, exact or published.
fn readable(report: &Report, principal: &Principal) -> bool {
    reads_exact(report, principal) || (is_published(report) && principal.may(Permission::ReadPublished))
}

/// Whether `principal` may read this report's exact figures.
fn reads_exact(report: &Report, principal: &Principal) -> bool {
    principal.may(match report.purpose {
        Purpose::Audience => Permission::ReadAudience,
        Purpose::Diagnostics => Permission::ReadDiagnostics,
    })
}

/// The reports as `principal` may read the one of this name: of its sites, exact or published.
fn reports_for(reports: &Reports, name: &str, principal: &Principal) -> Reports {
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
fn may_read_audit(principal: &Principal) -> bool {
    principal.may(Permission::ReadAudit) && principal.restricted_to().is_none()
}

enum ApiFailure {
    Request(StatusCode, String),
    Report(ReportError),
}

impl ApiFailure {
    fn response(self, name: &str) -> Response<Body> {
        match self {
            Self::Request(status, what) => failure(status, &what),
            Self::Report(error) => json_or_failure(Err(error), name),
        }
    }
}

impl From<ReportError> for ApiFailure {
    fn from(error: ReportError) -> Self {
        Self::Report(error)
    }
}

/// The parameters of a request: what every report of it takes, and what only some requests have.
#[derive(Default)]
struct Parameters {
    raw: RawReportRequest,
    format: Option<String>,
    /// CSV begins with a byte-order mark.
    bom: bool,
    /// Names of several reports.
    names: Vec<String>,
}

impl Parameters {
    /// `known` are the names of the parameters, for the error.
    fn parse(query: &str, known: &[&str]) -> Result<Self, ApiFailure> {
        let mut parameters = Self::default();
        let raw = &mut parameters.raw;
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match key.as_ref() {
                key if !known.contains(&key) => {
                    return Err(bad_request(format!(
                        "unknown parameter {key:?}; known are {}",
                        known.join(", ")
                    )));
                }
                "site" => raw.site = Some(value),
                "from" => raw.from = Some(value),
                "to" => raw.to = Some(value),
                "filter" => raw.filters.push(value),
                "by" => raw.by = Some(value),
                "limit" => raw.limit = Some(value),
                "bots" => raw.bots = flag("bots", &value)?,
                "bom" => parameters.bom = flag("bom", &value)?,
                "names" => parameters.names.extend(value.split(',').map(str::to_owned)),
                _ => parameters.format = Some(value),
            }
        }
        Ok(parameters)
    }
}

fn bad_request(what: String) -> ApiFailure {
    ApiFailure::Request(StatusCode::BAD_REQUEST, what)
}

async fn one_report(
    reports: &Reports,
    name: &str,
    query: &str,
    principal: &Principal,
) -> Result<Response<Body>, ApiFailure> {
    let known = ["site", "from", "to", "filter", "by", "limit", "bots", "format", "bom"];
    let Parameters { raw, format, bom, .. } = Parameters::parse(query, &known)?;
    let format = format.as_deref().unwrap_or("json");
    if !["json", "csv", "table"].contains(&format) {
        return Err(bad_request(format!("unknown format {format:?}; known are json, csv, table")));
    }
    let reports = reports_for(reports, name, principal);
    let raw = RawReportRequest { report: name.to_owned(), ..raw };
    let request = permitted(&reports, &raw, principal)?;
    reports.record_use(principal.name(), std::slice::from_ref(&request));
    let answer = reports.run(request).await?;
    Ok(match format {
        "csv" => respond_with(StatusCode::OK, "text/csv; charset=utf-8; header=present", answer.csv(bom)),
        "table" => {
            respond_with(StatusCode::OK, "text/plain; charset=utf-8", table::render(&answer, TEXT_WIDTH))
        }
        _ => respond_with(StatusCode::OK, "application/json", answer.json().to_string()),
    })
}

/// `/api/reports?names=pages,sources&site=…`: the answers in the order of the names. Reports with a `by` go by their default.
async fn several_reports(
    reports: &Reports,
    query: &str,
    principal: &Principal,
) -> Result<Response<Body>, ApiFailure> {
    let known = ["names", "site", "from", "to", "filter", "limit", "bots"];
    let Parameters { raw, names, .. } = Parameters::parse(query, &known)?;
    if !(1..=MAX_REPORTS).contains(&names.len()) {
        return Err(bad_request(format!(
            "`names` names from 1 to {MAX_REPORTS} reports, separated by commas"
        )));
    }
    if let Some(twice) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
        return Err(bad_request(format!("report {:?} is named twice", names[twice])));
    }
    let limit = raw.limit.as_deref().and_then(|limit| limit.parse().ok()).unwrap_or(0_usize);
    if limit.saturating_mul(names.len()) > MAX_ROWS as usize {
        return Err(bad_request(format!("`limit` times the number of reports is at most {MAX_ROWS}")));
    }
    // A group of reports is exact or published as a whole.
    let (mut exact, mut published) = (Vec::new(), Vec::new());
    for (place, name) in names.iter().enumerate() {
        let reports = reports_for(reports, name, principal);
        let request = permitted(&reports, &raw.for_report(name), principal)?;
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
    let answers = answers.into_iter().map(|(_, answer)| answer);
    let answers: Vec<Value> = answers.map(|answer| answer.json()).collect();
    Ok(respond_with(StatusCode::OK, "application/json", json!({ "reports": answers }).to_string()))
}

/// The request for a report that `principal` may read.
fn permitted(
    reports: &Reports,
    raw: &RawReportRequest,
    principal: &Principal,
) -> Result<ReportRequest, ApiFailure> {
    let forbidden = |what: &str| ApiFailure::Request(StatusCode::FORBIDDEN, what.to_owned());
    let may_read = |report: &Report| match report.purpose {
        Purpose::Audience => reads_exact(report, principal) || principal.may(Permission::ReadPublished),
        Purpose::Diagnostics => reads_exact(report, principal),
    };
    // A viewer must not learn from the error about a parameter what is wrong with it in a report for others.
    if catalogue::find(&raw.report).is_some_and(|report| !may_read(report)) {
        return Err(forbidden(
            "this report is for another role: analyst and viewer read audience, sre reads diagnostics",
        ));
    }
    let request = reports.parse(raw)?;
    if !principal.may_see(&request.site) {
        return Err(forbidden("this token is restricted to other sites"));
    }
    Ok(request)
}

fn flag(name: &str, text: &str) -> Result<bool, ApiFailure> {
    match text {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(bad_request(format!("{name} is 0 or 1, not {other:?}"))),
    }
}

/// The catalogue as JSON: the reports that `principal` may read.
fn list(principal: &Principal) -> Value {
    let describe = |report: &Report| {
        let columns: Vec<Value> = report
            .columns
            .iter()
            .map(|column| json!({"name": column.name, "unit": column.unit, "about": column.about}))
            .collect();
        let is_exact = reads_exact(report, principal);
        let takes = |parameter: &&str| {
            if is_exact { report.takes(parameter) } else { takes_of_viewer(report, parameter) }
        };
        let parameters: Vec<&str> =
            ["site", "from", "to", "by", "limit", "bots"].into_iter().filter(takes).collect();
        let by: Vec<&str> = report.by.iter().copied().filter(|by| is_exact || *by != "hour").collect();
        json!({
            "name": report.name,
            "title": report.title,
            "purpose": report.purpose.name(),
            "about": report.about,
            "figures": if is_exact { "exact" } else { "published" },
            "by": by,
            "parameters": parameters,
            "columns": columns,
            "credit": report.credit(),
        })
    };
    let readable = catalogue::all().iter().filter(|report| readable(report, principal));
    json!({"reports": readable.map(describe).collect::<Vec<_>>()})
}

/// The front page: a link to each report that `principal` may read, for each site.
fn index(reports: &Reports, principal: &Principal) -> Response<Body> {
    let reports = reports.restricted_to(principal.restricted_to());
    let readable: Vec<&Report> =
        catalogue::all().iter().filter(|report| readable(report, principal)).collect();
    let sites = if readable.is_empty() { Vec::new() } else { reports.sites() };
    let sections: String = sites.iter().map(|site| section(site, &readable)).collect();
    let audit = if may_read_audit(principal) { " <a href=\"/api/audit\">Audit</a>." } else { "" };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Footfall reports</title></head>\n\
         <body>\n<h1>Footfall reports</h1>\n\
         <p>Each report is at <code>/api/reports/NAME?site=SITE&amp;from=7d</code>, as JSON, or with \
         <code>&amp;format=csv</code> or <code>&amp;format=table</code>; \
         <code>&amp;filter=country%3DRU</code> narrows it. <a href=\"/api/reports\">The list</a> describes each. \
         Several come at once from <code>/api/reports?names=overview,pages&amp;site=SITE</code>.{audit} \
         Days are days of {}.</p>\n{sections}<p>{}</p>\n</body>\n</html>\n",
        escape(reports.timezone()),
        escape(catalogue::CREDIT)
    );
    respond_with(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn section(site: &str, readable: &[&Report]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("site", site)
        .append_pair("format", "table")
        .finish();
    let item = |report: &&Report| {
        format!(
            "<li><a href=\"{}\">{}</a> <small>{}</small></li>\n",
            escape(&format!("/api/reports/{}?{query}", report.name)),
            escape(report.title),
            report.purpose.name()
        )
    };
    let items: String = readable.iter().map(item).collect();
    format!("<h2>{}</h2>\n<ul>\n{items}</ul>\n", escape(site))
}

/// Escapes a text for an element or an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn failure(status: StatusCode, what: &str) -> Response<Body> {
    respond_with(status, "application/json", json!({"error": what}).to_string())
}

fn respond_with(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    same_origin::add_security_headers(headers, false);
    response
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::store::Client;

    async fn front_page(sites: &[&str], principal: &Principal) -> String {
        let store = crate::config::StoreConfig::embedded(([127, 0, 0, 1], 1).into());
        let reports = Reports::new(Client::new(&store), TimeZone::UTC, sites).unwrap();
        String::from_utf8(index(&reports, principal).body().bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_front_page_escapes_what_is_written_into_it() {
        let page = front_page(&["<b>\"&x"], &Principal::Local).await;
        assert!(page.contains("<h2>&lt;b&gt;&quot;&amp;x</h2>"), "{page}");
        assert!(page.contains("/api/reports/pages?site=%3Cb%3E%22%26x&amp;format=table\""), "{page}");
        assert!(!page.contains("<b>"), "{page}");
    }

    #[tokio::test]
    async fn a_stranger_s_front_page_names_no_site_and_no_report() {
        let page = front_page(&["clinic"], &Principal::Anonymous).await;
        assert!(!page.contains("clinic") && !page.contains("href=\"/api/reports/"), "{page}");
        assert!(!page.contains("/api/audit"), "{page}");
    }
}
