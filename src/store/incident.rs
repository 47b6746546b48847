//! The events of a period, for the report of an incident: sites, pseudonyms, the fields that have values, and the keys that existed.

use jiff::civil::Date;

use crate::event::COLUMNS;
use crate::store::{Client, dates};

/// The events of a site that were received in a period.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, clickhouse::Row)]
pub struct AffectedSite {
    pub site: String,
    pub events: u64,
    /// Pseudonyms of visitors. Each person has a new one each day, and one for each browser and address.
    pub visitors: u64,
    /// Pseudonyms of addresses.
    pub addresses: u64,
    /// The first and the last time of receipt, UTC.
    pub first: String,
    pub last: String,
}

/// A key that pseudonyms of the period were made with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AffectedKey {
    /// Its fingerprint; `None` for the key in force.
    pub key: Option<String>,
    /// When it was destroyed, UTC.
    pub destroyed: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct AffectedData {
    pub sites: Vec<AffectedSite>,
    /// Columns of `events` that have a value in some row.
    pub fields: Vec<String>,
    pub keys: Vec<AffectedKey>,
}

/// Days of receipt in UTC, both included. `site`: that one alone.
///
/// # Errors
/// When the store does not answer.
pub async fn affected(
    client: &Client,
    (from, to): (Date, Date),
    site: Option<&str>,
) -> Result<AffectedData, clickhouse::error::Error> {
    let (first, last) =
        (dates::day_number(from).unwrap_or_default(), dates::day_number(to).unwrap_or(u16::MAX));
    // Events of visitors who are blocked are stored, too.
    let rows = "(SELECT * FROM events UNION ALL SELECT * FROM blocked_events FINAL) \
                WHERE toUInt16(toDate(received, 'UTC')) BETWEEN {first:UInt16} AND {last:UInt16} AND ({site:String} = '' OR site = {site:String})";
    let query = |sql: &str| {
        let query = client.query(sql).param("first", first).param("last", last);
        query.param("site", site.unwrap_or_default())
    };
    let sites = format!(
        "SELECT toString(site) AS site, count() AS events, uniqExact(epoch, visitor) AS visitors, uniqExact(epoch, address) AS addresses, \
         toString(min(received)) AS first, toString(max(received)) AS last FROM {rows} GROUP BY site ORDER BY site"
    );
    let sites = query(&sites).fetch_all::<AffectedSite>().await?;
    let has_value = |column: &&str| {
        format!("('{column}', countIf(toString({column}) NOT IN ('', '0', '{{}}', 'false')) > 0)")
    };
    let flags: Vec<_> = COLUMNS.iter().map(has_value).collect();
    let fields = format!(
        "SELECT arrayMap(pair -> pair.1, arrayFilter(pair -> pair.2, [{}])) FROM {rows}",
        flags.join(", ")
    );
    let fields = query(&fields).fetch_one::<Vec<String>>().await?;
    Ok(AffectedData { sites, fields, keys: keys(client, (from, to)).await? })
}

/// The keys that lived in the period, by the audit.
async fn keys(
    client: &Client,
    (from, to): (Date, Date),
) -> Result<Vec<AffectedKey>, clickhouse::error::Error> {
    let sql = "SELECT JSONExtractString(detail, 'ended'), toString(time), toDate(time, 'UTC') > toDate({to:String}) AS is_after FROM audit FINAL \
               WHERE action IN ('key turned', 'key expired') AND toDate(time, 'UTC') >= toDate({from:String}) ORDER BY time";
    let query = client.query(sql).param("from", from.to_string()).param("to", to.to_string());
    let mut keys: Vec<AffectedKey> = Vec::new();
    for (key, destroyed, is_after) in query.fetch_all::<(String, String, bool)>().await? {
        let known = AffectedKey { key: Some(key), destroyed: Some(destroyed + " UTC") };
        // A row that was appended twice tells of one key.
        if keys.last().is_none_or(|last| last.key != known.key) {
            keys.push(known);
        }
        // The first key that ended after the period was in force at its end.
        if is_after {
            return Ok(keys);
        }
    }
    keys.push(AffectedKey { key: None, destroyed: None });
    Ok(keys)
}
