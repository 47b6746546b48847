//! Administration: metrics, liveness, readiness, and requests of visitors ([`subjects`](super::subjects)).
//!
//! `/readyz` tells whether beacons are accepted, which needs a key and a disk. It reports the store too, but a missing store
//! does not make the collector unready: beacons are spooled without it, and a load balancer that removed the collector would
//! lose them.
//!
//! Everybody who reaches the listener may read liveness and readiness. Metrics and the details of readiness need role SRE
//! and a token that is not restricted to sites.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value, json};

use crate::access::{Permission, Principal};
use crate::operator::subjects;
use crate::subject::Subjects;
use crate::transport::Body;
use crate::transport::response::{self, JSON, TEXT};

/// The result of a readiness check, in words.
pub type CheckResult = Result<String, String>;

/// A part of `/readyz`.
pub struct ReadinessCheck {
    pub name: &'static str,
    /// Whether beacons cannot be accepted without it.
    pub required: bool,
    /// Must not block.
    pub check: Box<dyn Fn() -> CheckResult + Send + Sync>,
}

/// Whether the threads of the process make progress. Must not block.
pub type LivenessCheck = Box<dyn Fn() -> CheckResult + Send + Sync>;

/// Writes samples in the Prometheus text format.
pub type SampleWriter = Box<dyn Fn(&mut String) + Send + Sync>;

/// Answers the requests of the administration listener.
pub struct Admin {
    recorder: PrometheusHandle,
    samples: SampleWriter,
    liveness: LivenessCheck,
    checks: Vec<ReadinessCheck>,
    subjects: Option<Arc<Subjects>>,
}

impl Admin {
    /// `samples` writes the metrics that the recorder does not hold.
    pub fn new(
        recorder: PrometheusHandle,
        samples: SampleWriter,
        liveness: LivenessCheck,
        checks: Vec<ReadinessCheck>,
    ) -> Arc<Self> {
        Arc::new(Self { recorder, samples, liveness, checks, subjects: None })
    }

    /// Answers requests of visitors too.
    #[must_use]
    pub fn with_subjects(self: Arc<Self>, subjects: Arc<Subjects>) -> Arc<Self> {
        let mut admin = Arc::into_inner(self).expect("it is not shared yet");
        admin.subjects = Some(subjects);
        Arc::new(admin)
    }

    pub async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        principal: Principal,
    ) -> Response<Body> {
        if let (Some(subjects), true) = (&self.subjects, subjects::is_path(request.uri().path())) {
            return subjects::respond(subjects, request, &principal).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return response::method_not_allowed("GET, HEAD");
        }
        match request.uri().path() {
            "/metrics" if may_read_health(&principal) => self.metrics(),
            "/healthz" => self.liveness(),
            "/readyz" => self.readiness(may_read_health(&principal)),
            "/" => response::with_body(StatusCode::OK, &TEXT, "/metrics\n/healthz\n/readyz\n/subjects\n"),
            "/metrics" => response::error(
                StatusCode::FORBIDDEN,
                "metrics need role sre and a token that is not restricted to sites",
            ),
            _ => response::not_found(),
        }
    }

    fn metrics(&self) -> Response<Body> {
        let mut text = self.recorder.render();
        (self.samples)(&mut text);
        response::with_body(StatusCode::OK, &TEXT, text)
    }

    /// The names of threads are all that a failure tells.
    fn liveness(&self) -> Response<Body> {
        let (status, text) = match (self.liveness)() {
            Ok(text) => (StatusCode::OK, text),
            Err(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
        };
        response::with_body(status, &TEXT, text + "\n")
    }

    /// Readiness in one line, for a service manager.
    pub fn status(&self) -> String {
        let findings: Vec<_> =
            self.checks.iter().map(|check| (check.name, check.required, (check.check)())).collect();
        let is_ready = !findings.iter().any(|(_, required, finding)| *required && finding.is_err());
        let mut status = if is_ready { "accepting beacons" } else { "not accepting beacons" }.to_owned();
        for (name, _, finding) in findings {
            if let Err(detail) = finding {
                status += &format!("; {name}: {detail}");
            }
        }
        status
    }

    fn readiness(&self, with_details: bool) -> Response<Body> {
        let mut ready = true;
        let mut parts = Map::new();
        for check in &self.checks {
            let finding = (check.check)();
            let ok = finding.is_ok();
            ready &= ok || !check.required;
            let (Ok(detail) | Err(detail)) = finding;
            let part = json!({ "ok": ok, "required": check.required, "detail": detail });
            parts.insert(check.name.into(), part);
        }
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = match with_details {
            true => json!({ "ready": ready, "checks": Value::Object(parts) }),
            false => json!({ "ready": ready }),
        };
        response::with_body(status, &JSON, format!("{body}\n"))
    }
}

/// Metrics are of all sites together, so a token that is restricted to sites may not read them.
fn may_read_health(principal: &Principal) -> bool {
    principal.may(Permission::ReadHealth) && principal.restricted_to().is_none()
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn status(checks: Vec<ReadinessCheck>) -> StatusCode {
        Admin::new(
            PrometheusBuilder::new().build_recorder().handle(),
            Box::new(|_| {}),
            Box::new(|| Ok("ok".into())),
            checks,
        )
        .readiness(true)
        .status()
    }

    fn check(required: bool, finding: CheckResult) -> ReadinessCheck {
        ReadinessCheck { name: "part", required, check: Box::new(move || finding.clone()) }
    }

    #[test]
    fn only_a_required_part_makes_the_collector_unready() {
        assert_eq!(status(vec![check(true, Ok("fine".into())), check(false, Err("down".into()))]), 200);
        assert_eq!(status(vec![check(true, Err("full".into()))]), 503);
    }
}
