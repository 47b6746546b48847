//! `deploy/prometheus/rules.yml`: each metric that a rule reads is exported from the start, also without a store, and each rule leads to a
//! section of the manual. That the rules parse and fire is tested by promtool, in `make test`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Collector, StoreClient, good_beacon, ports};
use crate::docs::anchors_of;

const RULES: &str = include_str!("../../../deploy/prometheus/rules.yml");
const TESTS: &str = include_str!("../../../deploy/prometheus/rules.test.yml");
/// Prometheus makes it itself for each target.
const OF_PROMETHEUS: &str = "up";
/// Only members of a fleet export it.
const OF_A_FLEET: [&str; 2] = ["footfall_key_days_ahead", "footfall_key_fingerprint"];

struct Rule<'t> {
    name: &'t str,
    /// Key and value of each line, without indentation; a value of several lines has one pair for each, with the first one's key.
    lines: Vec<(&'t str, &'t str)>,
}

impl<'t> Rule<'t> {
    fn parse(text: &'t str) -> Self {
        let (mut lines, mut key) = (Vec::new(), "");
        let mut all = text.lines();
        let name = all.next().unwrap().trim();
        for line in all.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            match line.split_once(':').filter(|(before, _)| is_key(before)) {
                Some((found, value)) => {
                    key = found;
                    lines.push((key, value.trim()));
                }
                None => lines.push((key, line)),
            }
        }
        Self { name, lines }
    }

    fn value(&self, key: &str) -> String {
        let lines = self.lines.iter().filter(|(found, value)| *found == key && *value != "|");
        let value = lines.map(|(_, value)| *value).collect::<Vec<_>>().join(" ");
        assert!(!value.is_empty(), "{} has no {key}", self.name);
        value
    }

    /// The names of metrics in its expression.
    fn metrics(&self) -> BTreeSet<String> {
        let expression = self.value("expr");
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let is_metric = |word: &&str| {
            *word == OF_PROMETHEUS || ["footfall_", "process_"].iter().any(|it| word.starts_with(it))
        };
        words.filter(is_metric).map(str::to_owned).collect()
    }
}

fn rules() -> Vec<Rule<'static>> {
    let rules: Vec<_> = RULES.split("- alert: ").skip(1).map(Rule::parse).collect();
    assert!(rules.len() >= 25, "{}", rules.len());
    rules
}

#[test]
fn each_metric_of_an_alert_is_exported_though_the_store_has_never_answered() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    std::fs::write(file("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/geo/asn.mmdb"), file("places.mmdb")).unwrap();
    let settings = format!(
        "geo = [{:?}]\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
        file("places.mmdb"),
        file("cert.pem"),
        file("key.pem")
    );
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), &settings);
    collector.start();
    let exported = collector.metrics();
    let mut samples: BTreeSet<&str> =
        exported.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    samples.extend([OF_PROMETHEUS].into_iter().chain(OF_A_FLEET));
    for rule in rules() {
        let metrics = rule.metrics();
        assert!(!metrics.is_empty(), "{}", rule.name);
        for metric in metrics {
            assert!(samples.contains(&*metric), "{metric} of {} is missing in\n{exported}", rule.name);
        }
    }
    // A rule that looks at one status sees it from its first increment on.
    let refused = "footfall_requests_total{route=\"beacon\",status=\"503\"} 0";
    assert!(exported.lines().any(|line| line == refused), "{exported}");
}

#[test]
fn what_waits_for_a_store_that_never_answered_is_counted() {
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    let exported = collector.metrics();
    assert!(exported.lines().any(|line| line == "footfall_spool_rows 1"), "{exported}");
}

#[test]
fn each_alert_has_a_case_that_fires_and_one_that_stays_quiet() {
    let cases: Vec<&str> = TESTS.split("- alertname: ").skip(1).collect();
    for alert in rules() {
        let name = alert.name;
        let of_it = || cases.iter().filter(|case| case.lines().next() == Some(name));
        assert!(of_it().any(|case| case.contains("exp_labels:")), "{name} never fires");
        assert!(of_it().any(|case| case.contains("exp_alerts: []")), "{name} is never quiet");
    }
}

#[test]
fn each_alert_has_a_section_of_the_runbook_and_says_what_it_means() {
    let mut sections = BTreeSet::new();
    for alert in rules() {
        let name = alert.name;
        let url = alert.value("runbook_url");
        let (file, anchor) = url.split_once('#').expect("it names a section");
        assert!(file.starts_with("docs/operations/"), "{name}: {url}");
        let known = anchors_of(Path::new(file));
        assert!(known.contains(anchor), "{name}: {file} has no section {anchor}");
        assert!(sections.insert(url.clone()), "{name} shares its section");
        assert!(["critical", "warning", "info"].contains(&&*alert.value("severity")), "{name}");
        assert!(alert.value("summary").contains("$labels.instance"), "{name}");
        alert.value("description");
    }
    // The runbook has no section without an alert.
    let alerts: BTreeSet<String> = rules().iter().map(|rule| rule.name.to_lowercase()).collect();
    let anchors = anchors_of(Path::new("docs/operations/runbook.md"));
    let stale: Vec<_> =
        anchors.iter().filter(|it| it.starts_with("footfall") && !alerts.contains(*it)).collect();
    assert!(stale.is_empty(), "{stale:?}");
}
