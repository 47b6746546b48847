//! The same events in Plausible's tables, and the questions of reports as Plausible asks them: visits and visitors from sessions, the rest
//! from events, a query for each report.

use std::time::{Duration, Instant};

use footfall::store::Client;

use crate::fill::{self, FilledDay};
use crate::questions::Question;
use crate::{BenchSettings, ZONE};

/// As many rows as `/api/reports` reads when no limit is given.
const LIMIT: u32 = 21;

pub async fn fill(client: &Client, days: &[FilledDay], settings: &BenchSettings) {
    let statements = include_str!("plausible.sql").replace("{generate}", fill::GENERATE);
    let statements: Vec<&str> = statements.split(";\n").collect();
    let (inserts, tables): (Vec<_>, Vec<_>) =
        statements.into_iter().partition(|statement| statement.contains("INSERT INTO"));
    for table in tables {
        client.query(table).execute().await.expect("Plausible's tables can be created");
    }
    for insert in inserts {
        for day in days {
            fill::run(client, insert, day, settings).await;
        }
    }
}

/// The time of a report's question; `None` if Plausible has no such report.
pub async fn ask(reader: &Client, report: &str, question: &Question) -> Option<Duration> {
    let sql = query(report)?
        .replace("{sessions}", &sessions(question))
        .replace("{events}", &events(question))
        .replace("{limit}", &LIMIT.to_string());
    let first = if report == "overview" { question.before() } else { question.from };
    let began = Instant::now();
    let query = reader
        .query(&sql)
        .param("site", u64::from(question.site))
        .param("first", first.to_string())
        .param("from", question.from.to_string())
        .param("to", question.to.to_string())
        .param("zone", ZONE)
        .param("value", question.filter.as_ref().map_or("", |(_, value)| value.as_str()))
        .with_setting("wait_end_of_query", "1");
    let mut cursor = query.fetch_bytes("JSONCompactEachRow").expect("a query");
    cursor.collect().await.unwrap_or_else(|error| panic!("{report}: {error}\n{sql}"));
    Some(began.elapsed())
}

fn query(report: &str) -> Option<String> {
    let of_sessions = |column: &str| {
        format!(
            "SELECT {column} AS value, uniq(user_id) AS visitors, sum(sign) AS visits, sum(sign * pageviews) / visits AS views_per_visit, \
             round(100 * sum(is_bounce * sign) / visits) AS bounce_rate, round(sum(duration * sign) / visits) AS visit_duration \
             FROM {{sessions}} GROUP BY value ORDER BY visitors DESC, value LIMIT {{limit}}"
        )
    };
    Some(match report {
        "overview" => OVERVIEW.to_owned(),
        "timeseries" => TIMESERIES.to_owned(),
        "pages" => PAGES.to_owned(),
        "entries" => of_sessions("entry_page"),
        "exits" => of_sessions("exit_page"),
        "sources" => of_sessions("referrer_source"),
        "channels" => of_sessions("acquisition_channel"),
        "campaigns" => of_sessions("(utm_campaign, utm_source, utm_medium)"),
        "countries" => of_sessions("country_code"),
        "regions" => of_sessions("subdivision1_code"),
        "cities" => of_sessions("city_geoname_id"),
        "browsers" => of_sessions("browser"),
        "systems" => of_sessions("operating_system"),
        "devices" => of_sessions("screen_size"),
        "outbound" => OUTBOUND.to_owned(),
        "events" => EVENTS.to_owned(),
        _ => return None,
    })
}

const OVERVIEW: &str = "WITH toDateTime({from:Date}, {zone:String}) AS begins SELECT * FROM \
    (SELECT start >= begins AS now, uniq(user_id), sum(sign) AS visits, sum(is_bounce * sign) / visits, sum(duration * sign) / visits \
     FROM {sessions} GROUP BY now) AS sessions \
    LEFT JOIN (SELECT timestamp >= begins AS now, countIf(name = 'pageview') FROM {events} GROUP BY now) AS events USING (now)";

const TIMESERIES: &str = "SELECT * FROM \
    (SELECT toDate(start, {zone:String}) AS day, uniq(user_id), sum(sign) AS visits, sum(is_bounce * sign) / visits, \
     sum(duration * sign) / visits FROM {sessions} GROUP BY day) AS sessions \
    LEFT JOIN (SELECT toDate(timestamp, {zone:String}) AS day, countIf(name = 'pageview') FROM {events} GROUP BY day) AS events \
    USING (day) ORDER BY day";

const PAGES: &str = "SELECT pathname, uniqIf(user_id, name = 'pageview') AS visitors, countIf(name = 'pageview') AS views, \
    sum(engagement_time) / views FROM {events} AND name IN ('pageview', 'engagement') \
    GROUP BY pathname ORDER BY visitors DESC, pathname LIMIT {limit}";

const OUTBOUND: &str = "SELECT meta.value[indexOf(meta.key, 'url')] AS url, count(), uniq(user_id) AS visitors FROM {events} \
    AND name = 'Outbound Link: Click' GROUP BY url ORDER BY visitors DESC, url LIMIT {limit}";

const EVENTS: &str = "SELECT name, count(), uniq(user_id) AS visitors FROM {events} AND name NOT IN ('pageview', 'engagement') \
    GROUP BY name ORDER BY visitors DESC, name LIMIT {limit}";

/// The table of sessions with the question's conditions.
fn sessions(question: &Question) -> String {
    let own = match question.filter.as_ref().map(|(column, _)| *column) {
        None => String::new(),
        Some("country") => " AND country_code = {value:String}".to_owned(),
        Some("browser") => " AND browser = {value:String}".to_owned(),
        Some("entry_path") => " AND entry_page = {value:String}".to_owned(),
        Some(_) => format!(" AND session_id IN (SELECT session_id FROM {})", events(question)),
    };
    format!("plausible_sessions_v2 WHERE {}{own}", range("start"))
}

/// The table of events with the question's conditions.
fn events(question: &Question) -> String {
    let own = match question.filter.as_ref().map(|(column, _)| *column) {
        None => String::new(),
        Some("country") => " AND country_code = {value:String}".to_owned(),
        Some("browser") => " AND browser = {value:String}".to_owned(),
        Some("path") => " AND pathname = {value:String}".to_owned(),
        Some("name") => " AND name = {value:String}".to_owned(),
        Some(_) => format!(" AND session_id IN (SELECT session_id FROM {})", sessions(question)),
    };
    format!("plausible_events_v2 WHERE {}{own}", range("timestamp"))
}

fn range(time: &str) -> String {
    format!(
        "site_id = {{site:UInt64}} AND {time} >= toDateTime({{first:Date}}, {{zone:String}}) \
         AND {time} < toDateTime({{to:Date}} + 1, {{zone:String}})"
    )
}
