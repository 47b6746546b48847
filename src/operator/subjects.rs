//! Requests of visitors over HTTP, on the administration listener. Role privacy may send them, for the sites of its token. So may a
//! client that can read the data directory, which the header [`LOCAL_SECRET`] proves: on loopback every user of the machine reaches the listener.
//!
//! | request | answer |
//! |---|---|
//! | `GET /subjects` | the requests that are not done, or were done in the last 90 days |
//! | `GET /subjects/ID` | one of them |
//! | `POST /subjects/find` | how many events of a visitor are kept, by place and day |
//! | `POST /subjects/block`, `unblock`, `erase`, `export` | 202 and the request, which is on disk then |
//! | `POST /subjects/ID/rows` | the rows of an export |
//! | `POST /subjects/ID/close` | ends an export whose rows have arrived |
//!
//! The body of a `POST` is JSON: `subject` (see [`SubjectQuery`]), `ground`, `operator`, and for state bodies `authority` and `number`. It is
//! neither logged nor kept: it may name an address.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Permission, Principal};
use crate::error_chain::error_chain;
use crate::subject::{Ground, SubjectAction, SubjectError, SubjectQuery, Subjects};
use crate::transport::Body;
use crate::transport::response::{self, JSON};

/// The header with the secret of the running collector, as `data/subjects.secret` has it.
pub const LOCAL_SECRET: &str = "x-footfall-local-secret";
const ROOT: &str = "/subjects";
/// A user agent and a cookie fit.
const MAX_BODY: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectBody {
    #[serde(default)]
    subject: SubjectQuery,
    #[serde(default)]
    ground: String,
    #[serde(default)]
    operator: String,
    authority: Option<String>,
    number: Option<String>,
}

/// An answer other than 200.
struct Refusal(StatusCode, Value);

impl From<SubjectError> for Refusal {
    fn from(error: SubjectError) -> Self {
        let status = match &error {
            SubjectError::Query(_) => StatusCode::BAD_REQUEST,
            SubjectError::UnknownSite(_)
            | SubjectError::UnknownReference
            | SubjectError::UnknownRequest(_) => StatusCode::NOT_FOUND,
            SubjectError::NotBlocked | SubjectError::Blocked => StatusCode::CONFLICT,
            SubjectError::KeyGone { .. } => StatusCode::GONE,
            SubjectError::NoKey
            | SubjectError::TooMany
            | SubjectError::NoStore
            | SubjectError::NotShipped
            | SubjectError::HeldByBlock
            | SubjectError::Found(_)
            | SubjectError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            SubjectError::Spool(_) | SubjectError::File(_) | SubjectError::Random => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let mut body = json!({ "error": error_chain(&error) });
        if let SubjectError::KeyGone { destroyed, .. } = &error {
            body["destroyed_keys"] = json!(destroyed);
        }
        Self(status, body)
    }
}

fn refusal(status: StatusCode, what: &str) -> Refusal {
    Refusal(status, json!({ "error": what }))
}

pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) async fn respond(
    subjects: &Arc<Subjects>,
    request: Request<Incoming>,
    principal: &Principal,
) -> Response<Body> {
    let (status, body) = match answer(subjects, request, principal).await {
        Ok((status, body)) => (status, body),
        Err(Refusal(status, body)) => (status, body),
    };
    response::with_body(status, &JSON, format!("{body}\n"))
}

async fn answer(
    subjects: &Arc<Subjects>,
    request: Request<Incoming>,
    principal: &Principal,
) -> Result<(StatusCode, Value), Refusal> {
    if !may_handle(subjects, &request, principal) {
        let what = "requests of visitors need a token of role privacy, or the secret in the data directory";
        return Err(refusal(StatusCode::FORBIDDEN, what));
    }
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    let ok = |body| Ok((StatusCode::OK, body));
    match (request.method(), &parts[..]) {
        (&Method::GET, []) => {
            let mut shown = subjects.list();
            shown.retain(|request| principal.may_see(&request.site));
            ok(json!({ "requests": shown.iter().map(|request| request.to_json()).collect::<Vec<_>>() }))
        }
        (&Method::GET, [id]) => ok(visible(subjects, id, principal)?.to_json()),
        (&Method::POST, ["find"]) => {
            let body = read(request, principal).await?;
            check_site(subjects, &body.subject, principal)?;
            ok(subjects.find(&body.subject, &body.operator).await?)
        }
        (&Method::POST, [action]) if SubjectAction::from_name(action).is_some() => {
            let action = SubjectAction::from_name(action).expect("it was checked");
            let body = read(request, principal).await?;
            accept(subjects, action, body, principal).await
        }
        (&Method::POST, [id, "rows"]) => {
            visible(subjects, id, principal)?;
            ok(subjects.export(id).await?)
        }
        (&Method::POST, [id, "close"]) => {
            visible(subjects, id, principal)?;
            ok(subjects.close_export(id)?.to_json())
        }
        _ => Err(refusal(StatusCode::NOT_FOUND, "no such path; GET /subjects lists the requests")),
    }
}

fn may_handle<B>(subjects: &Subjects, request: &Request<B>, principal: &Principal) -> bool {
    let secret = || request.headers().get(LOCAL_SECRET).map(|secret| secret.as_bytes());
    match principal {
        Principal::Token(_) => principal.may(Permission::HandleSubjects),
        Principal::Local => secret().is_some_and(|secret| subjects.is_local_secret(secret)),
        Principal::Share(_) | Principal::Anonymous => false,
    }
}

async fn accept(
    subjects: &Arc<Subjects>,
    action: SubjectAction,
    body: SubjectBody,
    principal: &Principal,
) -> Result<(StatusCode, Value), Refusal> {
    let SubjectBody { subject, ground, operator, authority, number } = body;
    check_site(subjects, &subject, principal)?;
    let scope = subjects.resolve(&subject).await?;
    let ground = Ground { ground, operator, authority, number };
    let accepting = subjects.clone();
    let accepted = tokio::task::spawn_blocking(move || accepting.accept(action, scope, ground)).await;
    let request = accepted.expect("accepting does not panic and is not aborted")?;
    Ok((StatusCode::ACCEPTED, request.to_json()))
}

/// A token that is restricted to sites must not learn of others.
fn check_site(subjects: &Subjects, query: &SubjectQuery, principal: &Principal) -> Result<(), Refusal> {
    if principal.restricted_to().is_none() {
        return Ok(());
    }
    let known = query.request.as_ref().map(|id| visible(subjects, id, principal)).transpose()?;
    let site = known.map_or_else(|| query.site.clone(), |request| request.site);
    if query.reference.is_none() && principal.may_see(&site) {
        return Ok(());
    }
    Err(refusal(StatusCode::FORBIDDEN, "the token may not see this site"))
}

fn visible(
    subjects: &Subjects,
    id: &str,
    principal: &Principal,
) -> Result<crate::subject::SubjectRequest, Refusal> {
    let found = subjects.get(id).filter(|request| principal.may_see(&request.site));
    found.ok_or_else(|| SubjectError::UnknownRequest(id.to_owned()).into())
}

/// Reads a body. The holder of a token is the operator, whatever the body says.
async fn read(request: Request<Incoming>, principal: &Principal) -> Result<SubjectBody, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // A page of another site cannot send this type without asking.
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|_| {
        refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is incomplete or larger than 64 KiB")
    })?;
    let mut body: SubjectBody = serde_json::from_slice(&body.to_bytes())
        // The error may repeat a part of the body. Its place is enough.
        .map_err(|error| {
            refusal(
                StatusCode::BAD_REQUEST,
                &format!(
                    "the body is not a request of a visitor: {:?} error in line {}, column {}",
                    error.classify(),
                    error.line(),
                    error.column()
                ),
            )
        })?;
    if let Principal::Token(holder) = principal {
        body.operator = match body.operator.as_str() {
            "" => holder.name.clone(),
            given => format!("{given} (token {})", holder.name),
        };
    }
    Ok(body)
}
