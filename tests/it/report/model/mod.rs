//! An independent model of the reports: plain code that works every figure out of a ledger of events, as the documents explain it. Random
//! ledgers are stored, and each report must agree with the model on open and closed days, in several zones, under filters of each kind.
//!
//! `MODEL_LEDGERS` is the number of ledgers in each zone, `MODEL_SEED` the seed of the first ledger.

mod answer;
mod breakdown;
mod diagnostics;
mod event;
mod filter;
mod goals;
mod ledger;
mod pools;
mod random;
mod totals;
mod visit;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use footfall::config::StoreConfig;
use footfall::event::{COLUMNS, EventKind};
use footfall::report::{Comparison, RawReportRequest, ReportAnswer, Reports, catalogue};
use footfall::secret::Secret;
use footfall::store::days::{DayCloser, OpenDays};
use footfall::store::{Client, RowFormat, schema};
use jiff::Timestamp;
use jiff::civil::{Date, date};

use answer::Expected;
use ledger::{Ledger, Question, Zone};

use crate::common::StoreProcess;

/// Zones, and the first of the four days of their ledgers. Clocks change on the second or the third day, except in zones without summer time.
const ZONES: [(&str, Date); 8] = [
    ("Europe/Berlin", date(2026, 10, 23)),
    ("Australia/Lord_Howe", date(2026, 4, 4)),
    ("Australia/Lord_Howe", date(2026, 10, 2)),
    ("Asia/Kolkata", date(2026, 2, 27)),
    ("Asia/Kathmandu", date(2026, 5, 30)),
    ("America/New_York", date(2026, 3, 7)),
    // A day that begins at 1 o'clock.
    ("America/Santiago", date(2026, 9, 5)),
    ("UTC", date(2026, 1, 30)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_model_agrees_with_every_report_on_random_ledgers() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = StoreProcess::new(&directory.path().join("store"));
    process.start();
    let ledgers = from_environment("MODEL_LEDGERS", 1);
    let first_seed = from_environment("MODEL_SEED", 1);
    let mut findings = Findings::default();
    for (number, (zone, first)) in ZONES.into_iter().enumerate() {
        let ledgers: Vec<Ledger> = (first_seed..first_seed + ledgers)
            .map(|seed| random::ledger(seed, format!("site-{seed}"), zone, first))
            .collect();
        let client = client(&process, &format!("zone_{number}"));
        check_zone(&client, Zone::named(zone), &ledgers, &mut findings).await;
    }
    let wrong: Vec<&str> = findings.wrong.values().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} reports are wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
    let modelled = catalogue::all().iter().filter(|report| is_modelled(report.name)).count();
    assert_eq!(findings.shown.len(), modelled, "all reports show something: {:?}", findings.shown);
    println!("{} answers agree with the model", findings.answers);
}

/// Each report of a cluster is that of the model, too, and so that of one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_agrees_with_every_report_on_two_shards() {
    let directory = tempfile::tempdir().unwrap();
    let mut shards = StoreProcess::shards(directory.path(), 2);
    shards.iter_mut().for_each(StoreProcess::start);
    let mut findings = Findings::default();
    let seed = from_environment("MODEL_SEED", 1);
    let (zone, first) = ZONES[0];
    let ledger = random::ledger(seed, format!("site-{seed}"), zone, first);
    let client = StoreProcess::client_of(&shards);
    check_zone(&client, Zone::named(zone), &[ledger], &mut findings).await;
    let wrong: Vec<&str> = findings.wrong.values().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} reports are wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
    for shard in &shards {
        let visits = shard.store.number("SELECT count() FROM visits_stored_local");
        assert!(visits > 0, "each shard computed visits of its own");
    }
}

/// More different values than a store keeps that counts the most frequent ones approximately, and with a tie among the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_frequent_of_many_values_are_those_of_one_server_on_two_shards() {
    const COUNTRIES: u64 = 60;
    let events_of = |country: u64| 20 + country * 7 % 13;
    let directory = tempfile::tempdir().unwrap();
    let mut process = StoreProcess::new(&directory.path().join("store"));
    process.start();
    let mut shards = StoreProcess::shards(directory.path(), 2);
    shards.iter_mut().for_each(StoreProcess::start);
    let mut expected: Vec<u64> = (0..COUNTRIES).collect();
    // The sort keeps the order of letters.
    expected.sort_by_key(|country| std::cmp::Reverse(events_of(*country)));
    let letter = |number: u64| char::from(b'A' + u8::try_from(number).unwrap());
    let name = |country: &u64| format!("{}{}", letter(country / 26), letter(country % 26));
    let expected = expected[..3].iter().map(name).collect::<Vec<_>>().join(", ");
    let zone = Zone::named("UTC");
    for client in [client(&process, "footfall"), StoreProcess::client_of(&shards)] {
        schema::migrate(&client, &zone.0).await.unwrap();
        let insert = format!(
            "INSERT INTO events (site, kind, visitor, page_load, time, expires, network, country) \
             SELECT 'many', 'view', rowNumberInAllBlocks() + 1 AS number, number, toDateTime('2026-02-27 12:00:00', 'UTC'), '2100-01-01', 'net', \
             concat(char(65 + intDiv(country, 26)), char(65 + country % 26)) \
             FROM (SELECT country, arrayJoin(range(20 + country * 7 % 13)) FROM (SELECT arrayJoin(range({COUNTRIES})) AS country))"
        );
        client.query(&insert).execute().await.unwrap();
        let reports = Reports::new(client.reader(), zone.0.clone(), &["many"]).unwrap().with_k(1);
        let raw = RawReportRequest {
            report: "ip-networks".to_owned(),
            site: Some("many".to_owned()),
            from: Some("2026-02-27".to_owned()),
            to: Some("2026-02-27".to_owned()),
            ..RawReportRequest::default()
        };
        let answers = reports.run_all(vec![reports.parse(&raw).unwrap()]).await.unwrap();
        let countries = answers[0].rows[0].last().unwrap();
        assert_eq!(countries.as_str(), Some(expected.as_str()), "{:?}", client.cluster());
    }
}

#[derive(Debug, Default)]
struct Findings {
    answers: usize,
    /// The reports that showed something.
    shown: BTreeSet<String>,
    /// The first disagreement of each report.
    wrong: BTreeMap<String, String>,
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn client(process: &StoreProcess, database: &str) -> Client {
    Client::new(&StoreConfig::Server {
        urls: vec![format!("http://{}", process.store.listen)],
        database: database.to_owned(),
        user: "admin".to_owned(),
        password: Secret::default(),
        cluster: None,
    })
}

/// Stores the ledgers and checks them with open days, with some closed days, and with closed days.
async fn check_zone(client: &Client, zone: Zone, ledgers: &[Ledger], findings: &mut Findings) {
    schema::migrate(client, &zone.0).await.unwrap();
    for ledger in ledgers {
        let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, &ledger.site);
        let mut rows = Vec::new();
        ledger.events.iter().for_each(|event| event.encode(&ledger.site, &mut rows));
        insert.send(rows.into()).await.unwrap();
        insert.end().await.unwrap();
    }
    let noon = |day: Date| Timestamp::from_second(zone.start(day) + 12 * 3600).unwrap();
    let days = &ledgers[0].days;
    let open_days = OpenDays::new(client.clone(), zone.0.clone()).unwrap();
    assert_eq!(open_days.compute(noon(days[0])).await.unwrap(), *days);
    check_ledgers(client, ledgers, 0, findings).await;
    let closer = DayCloser::new(client.clone(), zone.0.clone()).unwrap();
    assert_eq!(closer.close_due(noon(days[2])).await.unwrap().days, days[..2]);
    check_ledgers(client, ledgers, 1, findings).await;
    assert_eq!(closer.close_due(noon(days[3].tomorrow().unwrap())).await.unwrap().days, days[2..]);
    check_ledgers(client, ledgers, 2, findings).await;
}

/// Real time is about now, and no ledger is large enough for a diagnosis.
fn is_modelled(report: &str) -> bool {
    !["realtime", "diagnosis"].contains(&report)
}

/// Whether days are open or closed while reports are checked.
const STATES: [&str; 3] = ["open days", "closed and open days", "closed days"];

/// Asks each ledger without filters, and under a third of the filters. Each filter is asked in one state.
async fn check_ledgers(client: &Client, ledgers: &[Ledger], state: usize, findings: &mut Findings) {
    for ledger in ledgers {
        let reports = Reports::new(client.reader(), ledger.zone.0.clone(), &["other", &ledger.site]).unwrap();
        let reports = reports.with_goals_of(&goals::settings(&ledger.site));
        let mut random = Rng::with_seed(ledger.seed * 3 + state as u64);
        let all = random::conditions(&mut random, ledger).into_iter().enumerate();
        let first = ledger.seed as usize + state;
        let asked =
            all.filter(|(at, conditions)| conditions.is_empty() || (at + first).is_multiple_of(STATES.len()));
        for (_, conditions) in asked {
            let k: u32 = if random.u8(..3) == 0 { 3 } else { 1 };
            let first = random.usize(..ledger.days.len());
            let length = random.usize(..ledger.days.len() - first);
            let mut question = Question {
                from: ledger.days[first],
                to: ledger.days[first + length],
                bots: random.bool(),
                k: k as usize,
                comparison: Comparison::ALL[random.usize(..Comparison::ALL.len())],
                conditions,
            };
            if random.u8(..4) == 0 {
                // Days without events, before and after.
                question.from = question.from.yesterday().unwrap().yesterday().unwrap();
                question.to = question.to.tomorrow().unwrap();
            }
            let (reports, asked) =
                (reports.clone().with_k(k), Asked { ledger, question: &question, state: STATES[state] });
            check(&reports, &asked, &mut random, findings).await;
        }
    }
}

/// The requests to each ledger.
struct Asked<'a> {
    ledger: &'a Ledger,
    question: &'a Question,
    /// Whether its days are open.
    state: &'a str,
}

/// Most values of `by` with which one question asks for a report.
const MOST_BY: usize = 7;

/// Asks for every report, with each of its `by` up to [`MOST_BY`]; or with one of them under filters.
async fn check(reports: &Reports, asked: &Asked<'_>, random: &mut Rng, findings: &mut Findings) {
    let Asked { ledger, question, .. } = asked;
    let mut raw = Vec::new();
    for report in catalogue::all().iter().filter(|report| is_modelled(report.name)) {
        let mut by: Vec<Option<&str>> = report.by.iter().copied().map(Some).collect();
        if by.is_empty() {
            by.push(None);
        }
        // Goals go by each dimension of visits, which is more than one question can ask.
        random.shuffle(&mut by);
        by.truncate(if question.conditions.is_empty() { MOST_BY } else { 1 });
        raw.extend(by.into_iter().map(|by| {
            let all = RawReportRequest {
                report: report.name.to_owned(),
                site: Some(ledger.site.clone()),
                from: Some(question.from.to_string()),
                to: Some(question.to.to_string()),
                filters: question.conditions.iter().map(filter::Condition::text).collect(),
                by: by.map(str::to_owned),
                limit: Some("10000".to_owned()),
                compare: Some(question.comparison.name().to_owned()),
                bots: question.bots,
                ..RawReportRequest::default()
            };
            all.for_report(report.name)
        }));
    }
    let requests =
        raw.iter().map(|raw| reports.parse(raw).unwrap_or_else(|error| panic!("{raw:?}: {error}")));
    let answers = reports.run_all(requests.collect()).await;
    let answers = answers.unwrap_or_else(|error| panic!("{raw:?}: {error:?}"));
    for (raw, answer) in raw.iter().zip(&answers) {
        if !answer.rows.is_empty() {
            findings.shown.insert(raw.report.clone());
        }
        if let Err(why) = check_answer(asked, raw, answer) {
            findings.wrong.entry(raw.report.clone()).or_insert(why);
        }
    }
    check_limit(reports, &raw[random.usize(..raw.len())], &answers).await;
    findings.answers += answers.len();
}

/// Why an answer is wrong, and what is needed to ask again.
fn check_answer(asked: &Asked<'_>, raw: &RawReportRequest, answer: &ReportAnswer) -> Result<(), String> {
    let Asked { ledger, question, state } = asked;
    let by = raw.by.as_deref().unwrap_or("");
    let expected = expected(ledger, question, &raw.report, by);
    let Err(why) = expected.check(&answer.rows) else { return Ok(()) };
    let lines = |rows: &mut dyn Iterator<Item = String>| rows.collect::<Vec<_>>().join("\n  ");
    Err(format!(
        "report {} is wrong: {why}\nMODEL_SEED={} in {}, {state}, k = {}: {raw:?}\nexpected\n  {}\nfound\n  {}\nnotes {:?}",
        raw.report,
        ledger.seed,
        ledger.zone.0.iana_name().unwrap_or_default(),
        question.k,
        lines(&mut expected.rows.iter().map(|row| format!("{row:?}"))),
        lines(&mut answer.rows.iter().map(|row| serde_json::json!(row).to_string())),
        answer.notes,
    ))
}

/// With a limit an answer has the first rows of the whole one.
async fn check_limit(reports: &Reports, raw: &RawReportRequest, answers: &[ReportAnswer]) {
    if raw.limit.is_none() {
        return;
    }
    let limited = RawReportRequest { limit: Some("2".to_owned()), ..raw.clone() };
    let request = reports.parse(&limited).unwrap();
    if request.report.is_totals {
        return;
    }
    let is_same = |answer: &&ReportAnswer| {
        answer.request.report.name == request.report.name && answer.request.by == request.by
    };
    let whole = &answers.iter().find(is_same).unwrap().rows;
    let found = reports.run(request).await.unwrap().rows;
    // Which of several values is shown is left to chance.
    let figures = |rows: &[Vec<serde_json::Value>]| -> Vec<serde_json::Value> {
        rows.iter().flatten().filter(|value| value.is_number()).cloned().collect()
    };
    assert_eq!(figures(&found), figures(&whole[..whole.len().min(2)]), "{raw:?} with a limit");
}

/// What the model says of a report.
fn expected(ledger: &Ledger, question: &Question, report: &str, by: &str) -> Expected {
    let always_bots =
        ["ip-addresses", "ip-networks", "ip-epochs", "bots", "spoofed", "data-centres"].contains(&report);
    let bots = always_bots || question.counts_bots();
    let kept = ledger.kept(question.from, question.to, bots, &question.conditions);
    if let Some(texts) = breakdown::of_visits(report) {
        return breakdown::visit_breakdown(&kept, question, texts);
    }
    match report {
        "overview" => totals::overview(ledger, question),
        "timeseries" => totals::timeseries(ledger, question, by),
        "pages" => breakdown::pages(&kept, question),
        "events" => breakdown::names(&kept, question, EventKind::Event),
        "outbound" => breakdown::names(&kept, question, EventKind::Outbound),
        "downloads" => breakdown::names(&kept, question, EventKind::Download),
        "hours" => breakdown::hours(ledger, &kept, question),
        "scroll" => breakdown::scroll(&kept, question),
        "goals" => goals::goals(ledger, &kept, question, by),
        "funnel" => goals::funnel(ledger, &kept, question, by),
        "props" => breakdown::props(&kept, question),
        "ads" => breakdown::ads(&kept, question),
        "errors" => diagnostics::errors(ledger, &kept),
        "releases" => diagnostics::releases(ledger, &kept),
        "resources" => diagnostics::resources(ledger, &kept),
        "missing" => diagnostics::missing(ledger, &kept),
        "speed" => diagnostics::speed(&kept, by),
        "ip-addresses" => diagnostics::addresses(ledger, &kept),
        "ip-networks" => diagnostics::networks(&kept),
        "ip-epochs" => diagnostics::epochs(ledger, &kept),
        "bots" => diagnostics::bots(ledger, &kept, by),
        "spoofed" => diagnostics::spoofed(ledger, &kept),
        "data-centres" => diagnostics::data_centres(&kept),
        other => panic!("the model does not know report {other}"),
    }
}
