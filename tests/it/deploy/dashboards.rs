//! `deploy/grafana/*.json`: every query runs. PromQL is evaluated by promtool over the metrics of a real collector, SQL by the embedded store as
//! the SRE's user.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Collector, StoreClient, eventually, good_beacon, http, ports};

const DASHBOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana");
const STORED: Duration = Duration::from_secs(90);
/// Tables that may be empty while all is well.
const MAY_BE_EMPTY: [&str; 3] = ["Merges that run", "Changes of rows", "Removed events"];
/// Columns of Grafana's grid.
const WIDTH: u64 = 24;

fn dashboards() -> Vec<(PathBuf, Value)> {
    let entries = fs::read_dir(DASHBOARDS).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, value)
    };
    files.into_iter().map(read).collect()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The queries under a key, with the title of their panel and the kind of query.
fn queries(key: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (_, dashboard) in dashboards() {
        for panel in list(&dashboard, "panels") {
            for target in list(panel, "targets") {
                if let Some(query) = target[key].as_str() {
                    let title = panel["title"].as_str().unwrap().to_owned();
                    let kind = target["queryType"].as_str().unwrap_or_default().to_owned();
                    found.push((title, query.to_owned(), kind));
                }
            }
        }
    }
    assert!(found.len() > 15, "{key}: {}", found.len());
    found
}

/// The queries of variables on a data source.
fn variables(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (_, dashboard) in dashboards() {
        for variable in list(&dashboard["templating"], "list") {
            if variable["datasource"]["type"] == source {
                let name = variable["name"].as_str().unwrap().to_owned();
                found.push((name, variable["definition"].as_str().unwrap().to_owned()));
            }
        }
    }
    assert!(!found.is_empty(), "{source}");
    found
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_covers_no_other() {
    for (path, dashboard) in dashboards() {
        let file = path.display();
        let variables: BTreeSet<&str> =
            list(&dashboard["templating"], "list").filter_map(|variable| variable["name"].as_str()).collect();
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard, "panels") {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {title}: its id is taken");
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= WIDTH, "{file}: {title} is too wide");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(cells.insert((x, y)), "{file}: {title} covers another panel");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{file}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title}");
            // Whose data source it is, is chosen where the dashboard is imported.
            let sources = list(panel, "targets").map(|target| &target["datasource"]);
            for source in sources.chain([&panel["datasource"]]) {
                let uid = source["uid"].as_str().unwrap().trim_matches(['$', '{', '}']);
                assert!(variables.contains(uid), "{file}: {title}: {source}");
            }
            assert!(list(panel, "targets").next().is_some(), "{file}: {title}");
        }
    }
}

/// The program that `make deps-promtool` fetched, or the system's.
fn promtool() -> Option<PathBuf> {
    let cache = clickhouse_embedded::install::cache_directory("footfall")?.join("promtool/promtool");
    let found = [cache, PathBuf::from("/usr/bin/promtool")].into_iter().find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: there is no promtool; `make deps-promtool` fetches it");
    }
    found
}

/// Metrics as a server has them that scrapes a collector for an hour: counters grow, gauges stay.
fn series(exported: &str) -> Vec<Value> {
    let mut counters = BTreeSet::new();
    let mut found = Vec::new();
    for line in exported.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            if kind != "gauge" {
                counters.extend(["", "_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
            }
            continue;
        }
        let Some((sample, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let labels = format!("job=\"footfall\", instance=\"a:9090\", {labels}").replace(", }", "}");
        let values = if counters.contains(name) { "0+1x60".to_owned() } else { format!("{value}x60") };
        found.push(json!({ "series": format!("{name}{{{labels}"), "values": values }));
    }
    found
}

#[test]
fn every_promql_query_finds_something_in_the_metrics_of_a_collector() {
    let Some(promtool) = promtool() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    fs::write(file("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(file("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/geo/asn.mmdb"), file("places.mmdb")).unwrap();
    let [places, certificate, key] = ["places.mmdb", "cert.pem", "key.pem"].map(file);
    let settings = format!("geo = [{places:?}]\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), &settings);
    collector.start();

    let label_values = |query: &str| {
        let rest = query.strip_prefix("label_values(").expect("a variable lists values of a label");
        rest.rsplit_once(", ").expect("a metric and a label").0.to_owned()
    };
    let of_variables = variables("prometheus").into_iter().map(|(_, query)| label_values(&query));
    let of_panels = queries("expr").into_iter().map(|(_, query, _)| query);
    let tests: Vec<Value> = of_panels
        .chain(of_variables)
        .map(|query| {
            let query =
                query.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*");
            assert!(!query.contains('$'), "{query}");
            json!({
                "expr": format!("count({query}) > bool 0"),
                "eval_time": "60m",
                "exp_samples": [{ "labels": "{}", "value": 1 }],
            })
        })
        .collect();
    let series = series(&collector.metrics());
    assert!(series.len() > 100, "{}", series.len());
    // JSON is YAML.
    let test = json!({
        "rule_files": [],
        "tests": [{ "interval": "1m", "input_series": series, "promql_expr_test": tests }],
    });
    fs::write(file("test.yml"), test.to_string()).unwrap();
    let output = Command::new(promtool).args(["test", "rules"]).arg(file("test.yml")).output().unwrap();
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{printed}");
}

/// One event of each kind that an SRE may read, and one that is dropped.
fn send_events(collector: &Collector) {
    let events = [
        r#"{"k":"error","a":0,"m":"boom","f":"https://clinic.example/app.js","ln":7,"col":5}"#,
        r#"{"k":"resource","a":0,"n":"https://clinic.example/a.png","tag":"img"}"#,
        r#"{"k":"missing","a":0}"#,
        r#"{"k":"vitals","a":0,"lcp":900,"inp":60,"cls":0.02,"fcp":500,"ttfb":90,"dns":9,"con":8,"tls":7,"load":950}"#,
    ]
    .join(",");
    let view = good_beacon("clinic", 1, 0, "/a");
    let body = view.replace("}]}", &format!("}},{events}]}}"));
    assert_eq!(collector.beacon(&body).unwrap().status, 204, "{body}");
    let headers =
        "Origin: https://clinic.example\r\nContent-Type: text/plain\r\nSec-GPC: 1\r\nUser-Agent: x\r\n";
    let dropped = good_beacon("clinic", 2, 0, "/a");
    assert_eq!(http::post(collector.listen, "/b", headers, dropped.as_bytes()).unwrap().status, 204);
}

/// A query of Grafana's ClickHouse data source, with its macros expanded as the data source does.
fn expanded(query: &str) -> String {
    let mut text = query.replace("${site:sqlstring}", "'clinic'");
    for (name, before, after) in [
        ("$__timeFilter(", ">= toDateTime(0)", "<= toDateTime(4102444800)"),
        ("$__dateFilter(", ">= toDate('2000-01-01')", "<= toDate('2100-01-01')"),
    ] {
        while let Some(at) = text.find(name) {
            let (column, rest) = text[at + name.len()..].split_once(')').unwrap();
            text = format!("{}{column} {before} AND {column} {after}{rest}", &text[..at]);
        }
    }
    while let Some(at) = text.find("$__timeInterval(") {
        let (column, rest) = text[at + "$__timeInterval(".len()..].split_once(')').unwrap();
        text = format!("{}toStartOfInterval(toDateTime({column}), INTERVAL 60 second){rest}", &text[..at]);
    }
    assert!(!text.contains('$'), "{text}");
    text
}

#[test]
fn every_sql_query_runs_as_the_sre_s_user_and_finds_what_was_stored() {
    let mut collector = Collector::new("");
    collector.start();
    send_events(&collector);
    collector.wait_for_events(5, STORED);
    // Days are computed when a report is asked for.
    eventually("today is computed", STORED, || {
        let answer = http::get(collector.reports, "/api/reports/overview?site=clinic&from=today").unwrap();
        answer.status == 200 && answer.text().contains("s old")
    });
    let sre = collector.store.with_user("footfall_sre");
    eventually("segments are accounted for", STORED, || {
        sre.number("SELECT count() FROM segments WHERE outcome = 'optout'") > 0
    });
    let ask = |title: &str, query: &str| -> Value {
        let answer = sre.query(&format!("{} FORMAT JSONCompact", expanded(query)));
        let body = answer.unwrap_or_else(|error| panic!("{title}: {error}"));
        serde_json::from_slice(&body).unwrap()
    };
    for (title, query, kind) in queries("rawSql") {
        let answer = ask(&title, &query);
        let rows = list(&answer, "data").count();
        assert!(rows > 0 || MAY_BE_EMPTY.contains(&title.as_str()), "{title} is empty: {query}");
        let columns: Vec<_> = list(&answer, "meta").collect();
        if kind == "timeseries" {
            // What Grafana needs to draw a line.
            assert_eq!(columns[0]["name"], "time", "{title}");
            let kind = columns[0]["type"].as_str().unwrap();
            assert!(kind.starts_with("DateTime"), "{title}: {kind}");
            let value = columns.last().unwrap()["type"].as_str().unwrap();
            assert!(
                ["UInt", "Int", "Float", "Nullable(Float"].iter().any(|it| value.starts_with(it)),
                "{title}: {value}"
            );
        }
    }
    for (name, query) in variables("grafana-clickhouse-datasource") {
        assert_eq!(ask(&name, &query)["data"], json!([["clinic"]]), "{name}");
    }
    // It is the user without pseudonyms.
    assert!(sre.query("SELECT visitor FROM events").is_err());
}
