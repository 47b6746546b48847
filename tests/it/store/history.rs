//! Path templates: new events, stored history, the suggestion of templates, and a change that is interrupted after any step.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use footfall::config::{HostPattern, PathTemplate, PathTemplates, Retention, Site, StoreConfig as Settings};
use footfall::event::{COLUMNS, EventKind, EventRow, UnixDay, UnixSeconds};
use footfall::secret::Secret;
use footfall::store::days::DayCloser;
use footfall::store::{Client, RowFormat, history, schema};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::common::{Collector, StoreProcess, page_load_id};
use crate::store::closing::Proxy;

const TEMPLATES: [&str; 5] =
    ["/patients/faq", "/patients/:id/visits/:visit", "/patients/:id", "/файлы+(1)/:name", "/a.b/:id"];
const PATHS: [&str; 14] = [
    "/patients/faq",
    "/patients/ivanov",
    "/patients/ivanov/",
    "/patients/4711/visits/2/print",
    "/patients/:number/visits",
    "/patients/",
    "/patients",
    "/patients//visits/1",
    "/файлы+(1)/Скан врача'.pdf",
    "/файлы1/x",
    "/a.b/x\\y",
    "/aXb/x",
    "/",
    "",
];

fn site() -> Site {
    Site {
        id: "clinic".into(),
        hosts: vec![HostPattern::Exact("www.clinic.example".into())],
        retention: Retention::Unlimited,
        paths: PathTemplates(TEMPLATES.iter().map(|text| PathTemplate::parse(text).unwrap()).collect()),
        ..Site::localhost()
    }
}

fn client(listen: std::net::SocketAddr) -> Client {
    Client::new(&Settings::Server {
        urls: vec![format!("http://{listen}")],
        database: "footfall".into(),
        user: "footfall_collector".into(),
        password: Secret::new(String::new()),
        cluster: None,
    })
}

/// Events of two months and two sites: views of all paths, with referrers and links.
async fn fill(client: &Client, token: &str, noons: &[&str]) {
    let mut bytes = Vec::new();
    let links: Vec<String> = PATHS.iter().map(|path| format!("clinic.example{path}")).collect();
    let foreign: Vec<String> = PATHS.iter().map(|path| format!("other.example{path}")).collect();
    for noon in noons {
        let second = noon.parse::<Timestamp>().unwrap().as_second();
        for (seq, path) in PATHS.iter().enumerate() {
            let base = EventRow {
                seq: u32::try_from(seq).unwrap() * 10,
                page_load: second.unsigned_abs(),
                time: UnixSeconds(u32::try_from(second).unwrap()),
                received: UnixSeconds(u32::try_from(second).unwrap()),
                expires: UnixDay(u16::MAX),
                site: "clinic",
                host: "clinic.example",
                visitor: 7,
                ..EventRow::default()
            };
            let view = EventRow { kind: EventKind::View, path, ..base };
            view.encode(&mut bytes);
            let own = EventRow { referrer_host: "clinic.example", referrer_path: path, ..base };
            EventRow { seq: base.seq + 1, ..own }.encode(&mut bytes);
            let other = EventRow { referrer_host: "other.example", referrer_path: path, ..base };
            EventRow { seq: base.seq + 2, ..other }.encode(&mut bytes);
            let link = EventRow { kind: EventKind::Download, name: &links[seq], ..base };
            EventRow { seq: base.seq + 3, ..link }.encode(&mut bytes);
            let away = EventRow { kind: EventKind::Outbound, name: &foreign[seq], ..base };
            EventRow { seq: base.seq + 4, ..away }.encode(&mut bytes);
            // An own event may have any name.
            let named = EventRow { kind: EventKind::Event, name: &links[seq], ..base };
            EventRow { seq: base.seq + 5, ..named }.encode(&mut bytes);
            EventRow { seq: base.seq + 6, site: "shop", ..view }.encode(&mut bytes);
        }
    }
    let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, token);
    insert.send(Bytes::from(bytes)).await.unwrap();
    insert.end().await.unwrap();
}

/// What the rows should be, by the templates of the configuration.
fn expected() -> Vec<String> {
    let site = site();
    let applied = |path: &str| site.paths.apply(path).unwrap_or_else(|| path.to_owned());
    let mut rows = Vec::new();
    for path in PATHS {
        let (link, foreign) = (format!("clinic.example{path}"), format!("other.example{path}"));
        rows.push(format!("clinic\tview\t{}\t\t", applied(path)));
        rows.push(format!("clinic\tview\t\t{}\t", applied(path)));
        rows.push(format!("clinic\tview\t\t{path}\t"));
        rows.push(format!("clinic\tdownload\t\t\tclinic.example{}", applied(path)));
        rows.push(format!("clinic\toutbound\t\t\t{foreign}"));
        rows.push(format!("clinic\tevent\t\t\t{link}"));
        rows.push(format!("shop\tview\t{path}\t\t"));
    }
    rows
}

fn no_audit(_: u32, _: u64) -> std::io::Result<()> {
    Ok(())
}

fn stored(store: &StoreProcess) -> Vec<String> {
    let sql =
        "SELECT site, kind, path, referrer_path, name FROM events ORDER BY page_load, seq FORMAT TSVRaw";
    store.store.rows(sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_paths_change_as_those_of_new_events_and_their_days_are_computed_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let client = client(store.store.listen);
    let zone = TimeZone::get("Europe/Moscow").unwrap();
    schema::migrate(&client, &zone).await.unwrap();
    // In Moscow the second one is of the next month.
    let noons = ["2026-10-20T12:00:00Z", "2026-10-31T22:00:00Z"];
    fill(&client, "first", &noons).await;
    let closer = DayCloser::new(client.clone(), zone).unwrap();
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let days = ["2026-10-20", "2026-11-01"].map(|day| day.parse::<jiff::civil::Date>().unwrap());
    assert_eq!(closer.close_due(now).await.unwrap().days, days);

    let preview = history::preview(&client, &site(), 5).await.unwrap();
    let whole: Vec<String> = [expected(), expected()].concat();
    let before = stored(&store);
    let changed = before.iter().zip(&whole).filter(|(before, after)| before != after).count() as u64;
    assert_eq!((preview.events, preview.days, preview.examples.len()), (changed, 2, 5), "{preview:?}");
    assert_eq!(preview.months, [(202_610, changed)]);
    assert_eq!(stored(&store), before, "a preview changes nothing");
    assert!(closer.close_due(now).await.unwrap().days.is_empty());

    for (site, dimension, value) in [
        ("clinic", "page", "/patients/ivanov"),
        ("clinic", "page", "/patients/faq"),
        ("clinic", "event", "/patients/ivanov"),
        ("clinic", "download", "clinic.example/patients/ivanov"),
        ("shop", "page", "/patients/ivanov"),
    ] {
        let sql = format!(
            "INSERT INTO daily_published_stored (site, dimension, day, value, expires) \
             VALUES ('{site}', '{dimension}', '2026-10-20', '{value}', '2149-06-06')"
        );
        store.store.query(&sql).unwrap();
    }
    let mut recorded = Vec::new();
    let record = |month, events| {
        assert_eq!(stored(&store), before, "a month is recorded before it is changed");
        recorded.push((month, events));
        Ok(())
    };
    let applied = history::apply(&client, &site(), record, |_, _| {}).await.unwrap();
    assert_eq!(recorded, [(202_610, changed)]);
    assert_eq!((applied.events, applied.days), (changed, 2));
    assert_eq!(
        store
            .store
            .rows("SELECT site, dimension, value FROM daily_published_stored ORDER BY site, dimension"),
        ["clinic\tevent\t/patients/ivanov", "clinic\tpage\t/patients/faq", "shop\tpage\t/patients/ivanov"]
    );
    assert_eq!(stored(&store), whole);
    let entry_pages = "SELECT DISTINCT entry_path FROM visits WHERE site = 'clinic' ORDER BY 1";
    let old = store.store.rows(entry_pages);
    assert!(!old.is_empty(), "until the days are computed, reports have the old figures");
    assert_eq!(closer.close_due(now).await.unwrap().days, days);
    let pages = "SELECT DISTINCT value FROM daily WHERE dimension = 'page' AND site = 'clinic' AND value LIKE '%patients%' ORDER BY 1 FORMAT TSVRaw";
    assert_eq!(
        store.store.rows(pages),
        [
            "/patients",
            "/patients/",
            "/patients//visits/1",
            "/patients/:id",
            "/patients/:id/",
            "/patients/:id/visits",
            "/patients/:id/visits/:visit/print",
            "/patients/faq"
        ]
    );
    // Nothing is left to do.
    let again = history::apply(&client, &site(), no_audit, |_, _| {}).await.unwrap();
    assert_eq!(again, history::HistoryChange::default());
    assert!(closer.close_due(now).await.unwrap().days.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_blocked_events_change_too_so_that_unblocking_brings_no_old_path_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let client = client(store.store.listen);
    schema::migrate(&client, &TimeZone::UTC).await.unwrap();
    // Of September all events are blocked, of October the downloads.
    fill(&client, "first", &["2026-09-20T12:00:00Z", "2026-10-20T12:00:00Z"]).await;
    let before = stored(&store);
    let blocked = "toYYYYMM(time) = 202609 OR kind = 'download'";
    let columns = COLUMNS.join(", ");
    let moved = format!(
        "INSERT INTO blocked_events ({columns}, collector, segment, copy_number) \
         SELECT {columns}, collector, segment, copy_number FROM events WHERE {blocked}"
    );
    store.store.query(&moved).unwrap();
    store.store.query(&format!("DELETE FROM events WHERE {blocked}")).unwrap();
    let both = || {
        store.store.rows(
            "SELECT site, kind, path, referrer_path, name FROM (SELECT * FROM events UNION ALL SELECT * FROM blocked_events FINAL) \
             ORDER BY page_load, seq FORMAT TSVRaw",
        )
    };
    assert_eq!(both(), before);
    let whole = [expected(), expected()].concat();
    let changed = before.iter().zip(&whole).filter(|(before, after)| before != after).count() as u64;
    let preview = history::preview(&client, &site(), 5).await.unwrap();
    assert_eq!(preview.months, [(202_609, changed / 2), (202_610, changed / 2)]);
    let refused = |_, _| Err(std::io::Error::other("the disk is full"));
    history::apply(&client, &site(), refused, |_, _| {}).await.unwrap_err();
    assert_eq!(both(), before, "without a row for the audit nothing is changed");
    let applied = history::apply(&client, &site(), no_audit, |_, _| {}).await.unwrap();
    assert_eq!(applied.events, changed);
    assert_eq!(both(), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_interrupted_after_any_step_and_repeated_leaves_no_path_and_no_day_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let direct = client(store.store.listen);
    schema::migrate(&direct, &TimeZone::UTC).await.unwrap();
    let proxy = Proxy::before(store.store.listen);
    let closer = DayCloser::new(direct.clone(), TimeZone::UTC).unwrap();
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    for answers in 0.. {
        let noon = format!("2026-10-{:02}T12:00:00Z", answers + 1);
        fill(&direct, &noon, &[&noon]).await;
        closer.close_due(now).await.unwrap();
        proxy.answers.store(answers, Ordering::SeqCst);
        let apply = history::apply(&client(proxy.listen), &site(), no_audit, |_, _| {}).await;
        // As if the lease had run out, and a collector had closed days since.
        direct.query("INSERT INTO settings SELECT 'day_closer', '', now64(3)").execute().await.unwrap();
        closer.close_due(now).await.unwrap();
        if apply.is_err() {
            history::apply(&direct, &site(), no_audit, |_, _| {}).await.unwrap();
            closer.close_due(now).await.unwrap();
        }
        let whole: Vec<String> = (0..=answers).flat_map(|_| expected()).collect();
        assert_eq!(stored(&store), whole, "after {answers} answers");
        let left = "SELECT countIf(value IN ('/patients/ivanov', '/patients/4711/visits/2/print')), count() > 0 FROM daily \
                    WHERE dimension = 'page' AND site = 'clinic'";
        assert_eq!(store.store.rows(left), ["0\t1"], "after {answers} answers");
        if apply.is_ok() {
            assert!(answers > 8, "a change takes more steps than that");
            return;
        }
    }
}

#[test]
fn a_collector_stores_templates_and_its_commands_suggest_them_and_apply_them_to_what_came_before() {
    let settings = |paths: &str| {
        format!(
            "[spool]\nseal_after = \"200ms\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n{paths}"
        )
    };
    let mut collector = Collector::new(&settings(""));
    collector.start();
    let send = |collector: &Collector, events: &[String]| {
        let page_load = page_load_id(fastrand::u64(1 << 60..));
        let body = format!(r#"{{"v":1,"s":"clinic","l":"{page_load}","e":[{}]}}"#, events.join(","));
        let headers = format!(
            "Origin: https://clinic.example\r\nContent-Type: text/plain\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
             X-Forwarded-For: 2001:db8:{:04x}::1\r\n",
            fastrand::u16(0x1000..)
        );
        let answer = crate::common::http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    let word = |number: usize| -> String {
        [number / 26, number % 26].map(|letter| char::from(b'a' + letter as u8)).iter().collect()
    };
    for number in 0..30 {
        let path = format!("https://clinic.example/karteka/x{}q/list", word(number));
        send(&collector, &[format!(r#"{{"k":"view","u":"{path}"}}"#)]);
    }
    for _ in 0..12 {
        send(&collector, &[r#"{"k":"view","u":"https://clinic.example/karteka/rules/list"}"#.to_owned()]);
    }
    collector.wait_for_events(42, Duration::from_secs(60));
    let run = |collector: &Collector, arguments: &[&str]| {
        let output = collector.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let suggested = run(&collector, &["scrub", "suggest"]);
    let setting =
        suggested.lines().find(|line| line.starts_with("paths = ")).unwrap_or_else(|| panic!("{suggested}"));
    assert_eq!(setting, "paths = [\"/karteka/rules\", \"/karteka/:id\"]");

    // The suggested setting is one.
    let file = collector.path("footfall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let hosts = "hosts = [\"clinic.example\"]\n";
    std::fs::write(&file, text.replace(hosts, &format!("{hosts}{setting}\n"))).unwrap();
    collector.terminate();
    collector.start();
    send(&collector, &[
        r#"{"k":"view","u":"https://clinic.example/karteka/zz/list","r":"https://clinic.example/karteka/zy"}"#.to_owned(),
        r#"{"k":"download","n":"https://clinic.example/karteka/zx/scan.pdf"}"#.to_owned(),
        r#"{"k":"outbound","n":"https://other.example/karteka/zx"}"#.to_owned(),
    ]);
    collector.wait_for_events(45, Duration::from_secs(60));
    let rows = |sql: &str| collector.store.rows(sql);
    assert_eq!(
        rows("SELECT path, referrer_path, name FROM events WHERE referrer_path != '' ORDER BY seq"),
        [
            "/karteka/:id/list\t/karteka/:id\t",
            "/karteka/:id/list\t/karteka/:id\tclinic.example/karteka/:id/scan.pdf",
            "/karteka/:id/list\t/karteka/:id\tother.example/karteka/zx",
        ]
    );

    let shown = run(&collector, &["scrub", "--dry-run"]);
    assert!(shown.contains("site clinic: 30 events would change, 1 days would be computed again"), "{shown}");
    assert!(shown.contains("path /karteka/xaaq/list -> /karteka/:id/list (1 events)"), "{shown}");
    let applied = run(&collector, &["scrub", "--apply"]);
    assert!(applied.contains("site clinic: 30 events changed"), "{applied}");
    assert_eq!(
        rows("SELECT path, count() FROM events WHERE kind = 'view' GROUP BY path ORDER BY path"),
        ["/karteka/:id/list\t31", "/karteka/rules/list\t12"]
    );
    run(&collector, &["verify"]);
    crate::common::eventually("the change is audited", Duration::from_secs(60), || {
        !rows("SELECT detail FROM audit WHERE action = 'paths replaced'").is_empty()
    });
    let audit = rows("SELECT detail FROM audit WHERE action = 'paths replaced' FORMAT TSVRaw");
    assert!(
        audit.len() == 1 && audit[0].contains("\"events\":30") && audit[0].contains("/karteka/:id"),
        "{audit:?}"
    );
    run(&collector, &["audit", "verify"]);
    let report = run(
        &collector,
        &["report", "pages", "--site", "clinic", "--from", "2d", "--format", "json", "--k", "1"],
    );
    assert!(report.contains("/karteka/:id/list") && !report.contains("xaaq"), "{report}");
    assert!(!collector.command(&["scrub"]).status.success(), "a bare command does nothing");
    assert!(!collector.command(&["scrub", "--apply", "--site", "x"]).status.success());
}
