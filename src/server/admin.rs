//! The administration listener: metrics, liveness, readiness.
//!
//! `/readyz` is about taking beacons, which needs a key and a disk. The store is reported, but its absence makes nobody
//! unready: beacons are taken and spooled without it, and a balancer that took such a collector out would lose what it
//! was built to keep.
//!
//! Liveness and readiness are for everybody who reaches the listener; what readiness is made of, and the metrics, are for an
//! SRE without bounds to a site.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer, JSON, TEXT};

pub use super::side::Side;
use crate::access::{Permission, Principal};

/// What a token of another role is told.
const NOT_FOR_YOU: &str = "metrics are for role sre, with a token that is not kept to sites";

/// What one look at a part found: a word on it, either way.
pub type Finding = Result<String, String>;

/// A part that readiness is asked of.
pub struct Check {
    /// Its name in `/readyz`.
    pub name: &'static str,
    /// Whether beacons cannot be taken without it.
    pub required: bool,
    /// Looks at it; must not wait.
    pub look: Box<dyn Fn() -> Finding + Send + Sync>,
}

/// Writes metrics in the Prometheus text format.
pub type Source = Box<dyn Fn(&mut String) + Send + Sync>;

/// What the administration listener answers with.
pub struct Admin {
    recorder: PrometheusHandle,
    /// Metrics beyond the recorder's.
    sources: Vec<Source>,
    checks: Vec<Check>,
}

impl Admin {
    /// Shows what `recorder` holds, what `sources` write and what `checks` find.
    pub fn new(recorder: PrometheusHandle, sources: Vec<Source>, checks: Vec<Check>) -> Arc<Self> {
        Arc::new(Self { recorder, sources, checks })
    }

    /// Answers one request of `who`.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>, who: Principal) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer::method("GET, HEAD");
        }
        match request.uri().path() {
            "/metrics" if sees_health(&who) => self.metrics(),
            "/healthz" => answer::of(StatusCode::OK, &TEXT, "ok\n"),
            "/readyz" => self.readiness(sees_health(&who)),
            "/" => answer::of(StatusCode::OK, &TEXT, "/metrics\n/healthz\n/readyz\n"),
            "/metrics" => answer::wrong(StatusCode::FORBIDDEN, NOT_FOR_YOU),
            _ => answer::not_found(),
        }
    }

    fn metrics(&self) -> Answer {
        self.recorder.run_upkeep();
        let mut text = self.recorder.render();
        for write in &self.sources {
            write(&mut text);
        }
        answer::of(StatusCode::OK, &TEXT, text)
    }

    fn readiness(&self, whole: bool) -> Answer {
        let mut ready = true;
        let mut parts = Map::new();
        for check in &self.checks {
            let found = (check.look)();
            ready &= found.is_ok() || !check.required;
            let ok = found.is_ok();
            let (Ok(detail) | Err(detail)) = found;
            parts
                .insert(check.name.into(), json!({ "ok": ok, "required": check.required, "detail": detail }));
        }
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = match whole {
            true => json!({ "ready": ready, "checks": Value::Object(parts) }),
            false => json!({ "ready": ready }),
        };
        answer::of(status, &JSON, format!("{body}\n"))
    }
}

/// Metrics are of all sites together, so a token that is kept to some does not open them.
fn sees_health(who: &Principal) -> bool {
    who.may(Permission::ReadHealth) && who.restricted_to().is_none()
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn status(checks: Vec<Check>) -> StatusCode {
        Admin::new(PrometheusBuilder::new().build_recorder().handle(), Vec::new(), checks)
            .readiness(true)
            .status()
    }

    fn check(required: bool, found: Finding) -> Check {
        Check { name: "part", required, look: Box::new(move || found.clone()) }
    }

    #[test]
    fn only_a_required_part_makes_the_collector_unready() {
        assert_eq!(status(vec![check(true, Ok("fine".into())), check(false, Err("down".into()))]), 200);
        assert_eq!(status(vec![check(true, Err("full".into()))]), 503);
    }
}
