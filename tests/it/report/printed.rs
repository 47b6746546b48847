//! The query that `footfall report --sql` prints runs as it is printed: `footfall report … --sql | footfall query -`.

use std::process::{Command, Output};

use footfall::report::catalogue;
use serde_json::Value;

use super::{Site, data};

/// Runs a line of shell in which `footfall` is this program with the site's configuration.
struct Shell {
    directory: tempfile::TempDir,
}

impl Shell {
    fn new(site: &Site) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = format!(
            "timezone = {:?}\n[store]\nurl = \"http://{}\"\nuser = \"footfall_collector\"\n[[site]]\nid = {:?}\nhosts = [\"a.example\"]\n",
            data::ZONE,
            site.process.store.listen,
            data::SITE
        );
        std::fs::write(directory.path().join("footfall.toml"), settings).unwrap();
        Self { directory }
    }

    fn run(&self, line: &str) -> Output {
        let line = format!("footfall() {{ {:?} \"$@\"; }}\n{line}", env!("CARGO_BIN_EXE_footfall"));
        Command::new("sh").args(["-c", &line]).current_dir(self.directory.path()).output().unwrap()
    }

    #[track_caller]
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Both ways give the same rows, as far as the report does not leave some out.
#[track_caller]
fn assert_same(shell: &Shell, arguments: &str) {
    let answer: Value =
        serde_json::from_str(&shell.text(&format!("footfall report {arguments} --format json"))).unwrap();
    let printed = shell
        .text(&format!("footfall report {arguments} --sql | footfall query - --format JSONCompactEachRow"));
    let rows = answer["rows"].as_array().unwrap();
    assert!(printed.lines().count() >= rows.len(), "{arguments}: {answer:#}\n{printed}");
    for row in rows {
        let first = match row {
            Value::Array(cells) => &cells[0],
            Value::Object(cells) => cells.values().next().unwrap(),
            other => other,
        };
        assert!(printed.contains(&first.to_string()), "{arguments}: {first} is not in\n{printed}");
    }
}

#[tokio::test]
async fn every_report_runs_as_its_query_is_printed_with_every_breakdown_and_under_filters() {
    let site = Site::small().await;
    let shell = Shell::new(&site);
    for report in catalogue::all() {
        let days = if report.takes("from") { "--from 2026-10-24 --to 2026-10-26" } else { "" };
        let plain = format!("{} {days} --k 1", report.name);
        assert_same(&shell, &plain);
        for by in report.by.iter().skip(1) {
            assert_same(&shell, &format!("{plain} --by {by}"));
        }
        assert_same(&shell, &format!("{plain} --filter 'country=RU|DE' --filter 'path~o'"));
    }
}

#[tokio::test]
async fn a_filter_with_any_text_is_printed_so_that_it_means_the_same() {
    let site = Site::small().await;
    let shell = Shell::new(&site);
    for filter in [
        "path!=it's",
        r"path!=a\b\\n",
        "path!=;--/*",
        "path!=' OR 1=1 --",
        "path~врач",
        "path!=\ttab",
        "props.doctor~ivan",
        "time>=2026-10-26T08:00:00Z",
    ] {
        let filter = filter.replace('\'', r"'\''");
        assert_same(&shell, &format!("pages --from 2026-10-24 --to 2026-10-26 --k 1 --filter '{filter}'"));
    }
}

#[tokio::test]
async fn a_query_may_be_several_statements_with_settings_of_their_own() {
    let site = Site::small().await;
    let shell = Shell::new(&site);
    let script = "-- a comment; with a semicolon\nSET param_a = 'it''s', max_threads = 1;\nSELECT {a:String};\n\
                  SELECT getSetting('max_threads') -- the end\n;\n";
    std::fs::write(shell.directory.path().join("script.sql"), script).unwrap();
    assert_eq!(shell.text("footfall query - --format TSV < script.sql"), "it\\'s\n1\n");
    assert_eq!(shell.text("footfall query 'SELECT 1; SELECT {a:UInt8};' --param a=2 --format TSV"), "1\n2\n");
    let failed = shell.run("footfall query 'SELECT 1; SELECT nothing; SELECT 3' --format TSV");
    assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(1), &b"1\n"[..]));
    for empty in ["''", "' ; '", "'-- nothing'"] {
        assert_eq!(shell.run(&format!("footfall query {empty}")).status.code(), Some(2));
    }
    for change in [
        "SET readonly = 0; DROP TABLE events",
        "SET max_threads = 1; DROP TABLE events",
        "SELECT 1; DROP TABLE events",
    ] {
        assert!(!shell.run(&format!("footfall query '{change}'")).status.success(), "{change}");
    }
    assert!(shell.text("footfall query 'SELECT count() > 0 FROM events' --format TSV") == "1\n");
}
