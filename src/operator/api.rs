//! The API of reports: the list of reports, each report as JSON, CSV or text, several reports at once, and the audit. All other paths are
//! those of the [page](super::page).
//!
//! Role analyst reads reports of purpose audience, with exact figures; role viewer reads them from published figures; role SRE reads those of
//! purpose diagnostics, and the others as a viewer does; role privacy reads the audit. A token that is restricted to sites reads only their
//! reports. Each use of exact figures is recorded in the audit.
//!
//! It only reads: `GET` and `HEAD`. Errors are JSON. Input of a request appears in a response only within JSON or text.

use std::sync::Arc;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::access::{Principal, same_origin};
use crate::operator::entry::PageBase;
use crate::operator::page::{self, CollectorState};
use crate::operator::reading::{self, ReadingError, may_read_audit, readable, reads_exact};
use crate::report::catalogue::{self, Report};
use crate::report::{MAX_ROWS, RawReportRequest, Reports, audit, table, takes_of_viewer};
use crate::transport::Body;
use crate::transport::response::RETRY_SOON;

/// Columns of a report as text.
const TEXT_WIDTH: u16 = 120;
/// Most reports of one request: more than there are, and each is named once.
const MAX_REPORTS: usize = 64;

/// The answer to a request. `collector` is `None` where no collector runs.
pub async fn respond<B>(
    reports: &Reports,
    collector: Option<&Arc<CollectorState>>,
    request: Request<B>,
    principal: &Principal,
) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, "reports are read by GET");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let query = request.uri().query().unwrap_or("");
    let base = request.extensions().get::<PageBase>().map_or("", |base| base.0.as_str());
    let mut response = match request.uri().path().trim_end_matches('/') {
        // Below a share link there is the page alone.
        _ if !base.is_empty() => page::respond(reports, collector, &request, principal, base).await,
        "/api/reports" if query.is_empty() => {
            respond_with(StatusCode::OK, "application/json", list(principal).to_string())
        }
        "/api/reports" => several_reports(reports, query, principal)
            .await
            .unwrap_or_else(|error| error_response(&error, "several")),
        "/api/audit" if !may_read_audit(principal) => failure(
            StatusCode::FORBIDDEN,
            "the audit needs role privacy and a token that is not restricted to sites",
        ),
        "/api/audit" => match audit::read(reports).await {
            Ok(rows) => respond_with(StatusCode::OK, "application/json", rows.to_string()),
            Err(error) => error_response(&error.into(), "audit"),
        },
        path => match path.strip_prefix("/api/reports/") {
            Some(name) => report(reports, name, query, principal).await,
            None if path == "/api" || path.starts_with("/api/") => {
                failure(StatusCode::NOT_FOUND, "nothing is here; /api/reports lists the reports")
            }
            None => page::respond(reports, collector, &request, principal, base).await,
        },
    };
    if head {
        *response.body_mut() = Body::EMPTY;
    }
    response
}

async fn report(reports: &Reports, name: &str, query: &str, principal: &Principal) -> Response<Body> {
    one_report(reports, name, query, principal).await.unwrap_or_else(|error| error_response(&error, name))
}

/// The failure of the report of this name.
fn error_response(error: &ReadingError, name: &str) -> Response<Body> {
    error.log(name);
    let mut response = failure(error.status(), &error.to_string());
    if error.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
    }
    response
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
    fn parse(query: &str, known: &[&str]) -> Result<Self, ReadingError> {
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
                "compare" => raw.compare = Some(value),
                "goal" => raw.goal = Some(value),
                "funnel" => raw.funnel = Some(value),
                "bots" => raw.bots = flag("bots", &value)?,
                "bom" => parameters.bom = flag("bom", &value)?,
                "names" => parameters.names.extend(value.split(',').map(str::to_owned)),
                _ => parameters.format = Some(value),
            }
        }
        Ok(parameters)
    }
}

fn bad_request(what: String) -> ReadingError {
    ReadingError::Parameter(what)
}

async fn one_report(
    reports: &Reports,
    name: &str,
    query: &str,
    principal: &Principal,
) -> Result<Response<Body>, ReadingError> {
    let known =
        ["site", "from", "to", "filter", "by", "limit", "compare", "goal", "funnel", "bots", "format", "bom"];
    let Parameters { raw, format, bom, .. } = Parameters::parse(query, &known)?;
    let format = format.as_deref().unwrap_or("json");
    if !["json", "csv", "table"].contains(&format) {
        return Err(bad_request(format!("unknown format {format:?}; known are json, csv, table")));
    }
    let raw = RawReportRequest { report: name.to_owned(), ..raw };
    let answer = reading::read(reports, &raw, principal).await?;
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
) -> Result<Response<Body>, ReadingError> {
    let known = ["names", "site", "from", "to", "filter", "limit", "compare", "goal", "funnel", "bots"];
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
    let raws: Vec<RawReportRequest> = names.iter().map(|name| raw.for_report(name)).collect();
    let answers = reading::read_all(reports, &raws, principal).await?;
    let answers: Vec<Value> = answers.iter().map(|answer| answer.json()).collect();
    Ok(respond_with(StatusCode::OK, "application/json", json!({ "reports": answers }).to_string()))
}

fn flag(name: &str, text: &str) -> Result<bool, ReadingError> {
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
            ["site", "from", "to", "compare", "by", "goal", "funnel", "limit", "bots"]
                .into_iter()
                .filter(takes)
                .collect();
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
            "credit": report.credit(None),
        })
    };
    let readable = catalogue::all().iter().filter(|report| readable(report, principal));
    json!({"reports": readable.map(describe).collect::<Vec<_>>()})
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
