//! The reports listener: an index, the list of reports, and each report as JSON, CSV or text.
//!
//! It reads and never writes: `GET` and `HEAD` alone. It knows nothing of sockets; the server hands it requests. What is
//! wrong with a request is said in JSON, and nothing of a request is echoed but as JSON or as text.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::catalogue::{self, Report};
use super::run::{RawAsk, ReportError, Reports};
use super::table;

/// What the listener answers with: reports are bounded in rows, so their answers are whole.
pub type Body = Full<Bytes>;

/// Width of a report as text.
const TEXT_WIDTH: u16 = 120;

/// Answers one request.
pub async fn answer<B>(reports: &Reports, request: Request<B>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, "reports are read with GET");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let query = request.uri().query().unwrap_or("");
    let mut response = match request.uri().path().trim_end_matches('/') {
        "" => index(reports),
        "/api/reports" => respond(StatusCode::OK, "application/json", list().to_string()),
        path => match path.strip_prefix("/api/reports/") {
            Some(name) => report(reports, name, query).await,
            None => failure(StatusCode::NOT_FOUND, "nothing is here; reports are listed at /api/reports"),
        },
    };
    if head {
        *response.body_mut() = Body::default();
    }
    response
}

async fn report(reports: &Reports, name: &str, query: &str) -> Response<Body> {
    match run(reports, name, query).await {
        Ok(response) => response,
        Err(Failure::Request(status, what)) => failure(status, &what),
        Err(Failure::Report(error)) => {
            let status = match &error {
                ReportError::UnknownReport { .. } => StatusCode::NOT_FOUND,
                error if error.is_request() => StatusCode::BAD_REQUEST,
                _ => StatusCode::BAD_GATEWAY,
            };
            if !error.is_request() {
                tracing::error!(error = &error as &dyn std::error::Error, report = name, "a report failed");
            }
            failure(status, &error.to_string())
        }
    }
}

/// Why there is no report.
enum Failure {
    Request(StatusCode, String),
    Report(ReportError),
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::Report(error)
    }
}

async fn run(reports: &Reports, name: &str, query: &str) -> Result<Response<Body>, Failure> {
    let mut raw = RawAsk { report: name.to_owned(), ..RawAsk::default() };
    let mut format = "json".to_owned();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.into_owned();
        match key.as_ref() {
            "site" => raw.site = Some(value),
            "from" => raw.from = Some(value),
            "to" => raw.to = Some(value),
            "filter" => raw.filters.push(value),
            "by" => raw.by = Some(value),
            "limit" => raw.limit = Some(value),
            "bots" => raw.bots = flag(&value)?,
            "format" => format = value,
            other => {
                let known = "site, from, to, filter, by, limit, bots, format";
                let what = format!("unknown parameter {other:?}; known are {known}");
                return Err(Failure::Request(StatusCode::BAD_REQUEST, what));
            }
        }
    }
    if !["json", "csv", "table"].contains(&format.as_str()) {
        let what = format!("unknown format {format:?}; known are json, csv, table");
        return Err(Failure::Request(StatusCode::BAD_REQUEST, what));
    }
    let answer = reports.run(reports.parse(&raw)?).await?;
    Ok(match format.as_str() {
        "csv" => respond(StatusCode::OK, "text/csv; charset=utf-8; header=present", answer.csv()),
        "table" => respond(StatusCode::OK, "text/plain; charset=utf-8", table::render(&answer, TEXT_WIDTH)),
        _ => respond(StatusCode::OK, "application/json", answer.json().to_string()),
    })
}

fn flag(text: &str) -> Result<bool, Failure> {
    match text {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(Failure::Request(StatusCode::BAD_REQUEST, format!("bots is 0 or 1, not {other:?}"))),
    }
}

/// The catalogue for machines.
fn list() -> Value {
    let describe = |report: &Report| {
        let columns: Vec<Value> = report
            .columns
            .iter()
            .map(|column| json!({"name": column.name, "unit": column.unit, "about": column.about}))
            .collect();
        let parameters: Vec<&str> = ["site", "from", "to", "by", "limit", "bots"]
            .into_iter()
            .filter(|parameter| report.takes(parameter))
            .collect();
        json!({
            "name": report.name,
            "title": report.title,
            "purpose": report.purpose.name(),
            "about": report.about,
            "by": report.by,
            "parameters": parameters,
            "columns": columns,
            "credit": report.credit(),
        })
    };
    json!({"reports": catalogue::all().iter().map(describe).collect::<Vec<_>>()})
}

/// A page that says what is here.
fn index(reports: &Reports) -> Response<Body> {
    let item = |report: &Report| {
        format!(
            "<li><a href=\"/api/reports/{0}?format=table\">{1}</a> <small>{2}</small>\n",
            report.name,
            report.title,
            report.purpose.name()
        )
    };
    let items: String = catalogue::all().iter().map(item).collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Footfall reports</title>\n\
         <h1>Footfall reports</h1>\n\
         <p>Each report is at <code>/api/reports/NAME?site=SITE&amp;from=7d</code>, as JSON, or with \
         <code>&amp;format=csv</code> or <code>&amp;format=table</code>; \
         <code>&amp;filter=country%3DRU</code> narrows it. <a href=\"/api/reports\">The list</a> describes each. \
         Days are days of {}.</p>\n<ul>\n{items}</ul>\n<p>{}</p>\n</html>\n",
        reports.timezone(),
        catalogue::CREDIT
    );
    respond(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn failure(status: StatusCode, what: &str) -> Response<Body> {
    respond(status, "application/json", json!({"error": what}).to_string())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}
