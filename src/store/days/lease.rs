//! The lease that lets one collector of several close days at a time, or change rows while no day is closed.

use std::future::Future;
use std::time::Duration;

use super::tables::CloseDayError;
use crate::store::Client;

/// How long the lease lasts, in seconds: longer than one bucket of a large day takes, and short enough to wait for after a crash.
const DURATION: u32 = 120;
/// How long a node may take to fetch what other nodes wrote. After it the lease may be held twice, which does no harm.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement about the lease reads or writes one row. A node that needs longer does not answer any more.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the lease is renewed: it would end after two minutes.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// How often, and how long each time, to wait for a collector that is closing days.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Lease {
    client: Client,
    /// Names this process.
    holder: String,
}

impl Lease {
    pub(super) fn new(client: Client) -> Result<Self, CloseDayError> {
        let holder = format!("{:016x}", getrandom::u64().map_err(|_| CloseDayError::Random)?);
        Ok(Self { client, holder })
    }

    /// The same lease, read and written at a node that is known to have what others wrote.
    pub(super) fn at(&self, client: &Client) -> Self {
        Self { client: client.clone(), holder: self.holder.clone() }
    }

    /// Takes the lease unless another holds it, and returns whether it is held now.
    pub(super) async fn take(&self) -> Result<bool, CloseDayError> {
        if self.is_with_another().await? {
            return Ok(false);
        }
        self.renew().await?;
        Ok(!self.is_with_another().await?)
    }

    async fn is_with_another(&self) -> Result<bool, CloseDayError> {
        if self.client.cluster().is_some() {
            // Another collector may have written to another node.
            let sync = self.client.query("SYSTEM SYNC REPLICA settings LIGHTWEIGHT");
            let _ = tokio::time::timeout(SYNC_TIMEOUT, sync.execute()).await;
        }
        let sql = "SELECT count() FROM (SELECT argMax(value, changed) AS holder, max(changed) AS since FROM settings \
                   WHERE name = 'day_closer') \
                   WHERE holder NOT IN ('', {holder:String}) AND since > now64(3) - toIntervalSecond({duration:UInt32})";
        let query = self.client.query(sql).param("holder", &self.holder).param("duration", DURATION);
        Ok(self.within(query.fetch_one::<u64>()).await? > 0)
    }

    pub(super) async fn renew(&self) -> Result<(), CloseDayError> {
        self.write(&self.holder).await
    }

    pub(super) async fn release(&self) -> Result<(), CloseDayError> {
        self.write("").await
    }

    async fn write(&self, holder: &str) -> Result<(), CloseDayError> {
        let sql = "INSERT INTO settings SELECT 'day_closer', {holder:String}, now64(3)";
        self.within(self.client.query(sql).param("holder", holder).execute()).await
    }

    /// The answer. After a node was silent, the next statement goes to another one.
    async fn within<T>(
        &self,
        answer: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, CloseDayError> {
        let url = self.client.url().to_owned();
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        Ok(answer.unwrap_or_else(|_| {
            self.client.leave(&url);
            Err(clickhouse::error::Error::TimedOut)
        })?)
    }
}

/// Runs `work` while this process holds the lease of closing days.
///
/// # Errors
/// When the store refuses or cannot be reached, and when a collector has been closing days for too long.
pub async fn while_no_day_is_closed<T>(
    client: &Client,
    work: impl Future<Output = T>,
) -> Result<T, CloseDayError> {
    let lease = Lease::new(client.clone())?;
    for attempt in 1.. {
        if lease.take().await? {
            break;
        }
        if attempt == ATTEMPTS {
            return Err(CloseDayError::Leased);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(RENEW_EVERY) => lease.renew().await?,
        }
    };
    lease.release().await?;
    Ok(done)
}
