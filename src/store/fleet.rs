//! The random numbers of a fleet's coming days: table `fleet_randomness`. They are public.
//!
//! The first insert for a day wins, because all of them have the same deduplication token.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::privacy::KeyError;
use crate::privacy::fleet::{FleetId, KnownRandomness, TurnRandomness, parse_randomness, randomness_text};
use crate::store::{Client, RowFormat};

/// A statement of a few rows. A store that needs longer is as good as away.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum FleetStoreError {
    #[error("the store failed")]
    Store(#[from] clickhouse::error::Error),
    #[error(transparent)]
    Random(#[from] KeyError),
}

pub struct FleetStore {
    client: Client,
}

impl FleetStore {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The numbers of these days that the store has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn randomness(
        &self,
        fleet: FleetId,
        days: RangeInclusive<i32>,
    ) -> Result<KnownRandomness, FleetStoreError> {
        // A store that has forgotten a token may have two numbers of a day. Then every member takes the same.
        let sql = "SELECT toInt32(day), min(number) FROM fleet_randomness \
                   WHERE fleet = {fleet:String} AND toInt32(day) BETWEEN {first:Int32} AND {last:Int32} GROUP BY day";
        let query = self.client.query(sql).param("fleet", fleet.to_string());
        let query = query.param("first", days.start()).param("last", days.end());
        let rows = bounded(query.fetch_all::<(i32, String)>()).await?;
        let mut found = KnownRandomness::new(fleet);
        for (day, number) in rows {
            if let Some(number) = parse_randomness(&number) {
                found.insert(day, number);
            }
        }
        Ok(found)
    }

    /// Offers the number of a day. The store ignores it if it has one.
    ///
    /// # Errors
    /// When the store does not confirm it. It may have it all the same.
    pub async fn publish(
        &self,
        fleet: FleetId,
        day: i32,
        number: &TurnRandomness,
    ) -> Result<(), FleetStoreError> {
        let (fleet, token) = (fleet.to_string(), format!("fleet-{fleet}-{day}"));
        let mut row = Vec::with_capacity(128);
        row.push(fleet.len() as u8);
        row.extend_from_slice(fleet.as_bytes());
        // Days of the table end in 2149.
        row.extend_from_slice(&u16::try_from(day).unwrap_or(u16::MAX).to_le_bytes());
        let text = randomness_text(number);
        row.push(text.len() as u8);
        row.extend_from_slice(text.as_bytes());
        let insert =
            self.client.insert("fleet_randomness", "fleet, day, number", RowFormat::RowBinary, &token);
        let insert = insert.with_setting("async_insert", "0").with_setting("insert_deduplicate", "1");
        // Of a cluster, most nodes must have it: no member may rely on a number that dies with one node.
        let mut insert = match self.client.cluster() {
            Some(_) => insert.with_setting("insert_quorum", "auto"),
            None => insert,
        };
        bounded(async {
            insert.send(row.into()).await?;
            insert.end().await
        })
        .await
    }
}

async fn bounded<T>(
    statement: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, FleetStoreError> {
    let done = tokio::time::timeout(TIMEOUT, statement).await;
    Ok(done.unwrap_or(Err(clickhouse::error::Error::TimedOut))?)
}
