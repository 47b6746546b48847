//! `deploy/prometheus/alerts.yml`: each metric that a rule reads is exported from the start, also without a store. That the rules parse and fire is
//! tested by promtool, in `make test`.

use std::collections::BTreeSet;

use crate::common::{Collector, StoreClient, good_beacon, ports};

const RULES: &str = include_str!("../../deploy/prometheus/alerts.yml");
const TESTS: &str = include_str!("../../deploy/prometheus/alerts.test.yml");

fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("footfall_"))
}

#[test]
fn each_metric_of_an_alert_is_exported_though_the_store_has_never_answered() {
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
    collector.start();
    let exported = collector.metrics();
    let samples: BTreeSet<&str> = exported.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let expressions: Vec<&str> =
        RULES.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(expressions.len() >= 6, "{expressions:?}");
    for expression in expressions {
        let mut named = metrics(expression).peekable();
        assert!(named.peek().is_some(), "{expression}");
        for metric in named {
            assert!(samples.contains(metric), "{metric} of {expression} is missing in\n{exported}");
        }
    }
    // A rule that looks at one status sees it from its first increment on.
    let refused = "footfall_requests_total{route=\"beacon\",status=\"503\"} 0";
    assert!(exported.lines().any(|line| line == refused), "{exported}");
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    let exported = collector.metrics();
    assert!(exported.lines().any(|line| line == "footfall_spool_rows 1"), "{exported}");
}

#[test]
fn each_alert_has_a_case_that_fires_and_one_that_stays_quiet() {
    let cases: Vec<&str> = TESTS.split("- alertname: ").skip(1).collect();
    for alert in RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let of_it = || cases.iter().filter(|case| case.lines().next() == Some(alert));
        assert!(of_it().any(|case| case.contains("exp_labels:")), "{alert} never fires");
        assert!(of_it().any(|case| case.contains("exp_alerts: []")), "{alert} is never quiet");
    }
}
