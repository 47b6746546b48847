//! Prometheus's text format, for samples without the recorder.

use std::fmt::{Display, Write as _};

pub(super) fn gauge(out: &mut String, name: &str, help: &str, value: impl Display) {
    head(out, name, help, "gauge");
    let _ = writeln!(out, "{name} {value}");
}

pub(super) fn counter(out: &mut String, name: &str, help: &str, value: impl Display) {
    head(out, name, help, "counter");
    let _ = writeln!(out, "{name} {value}");
}

/// Writing to a string cannot fail.
pub(super) fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
