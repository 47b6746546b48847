//! Work that needs the days to stand still: while it runs, no collector closes a day.

use std::future::Future;
use std::time::Duration;

use super::lease::Lease;
use super::tables::{CloseDayError, Tables};
use crate::store::Client;

/// How often the lease is renewed: it would end after two minutes.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// How often, and how long each time, to wait for a collector that is closing days.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_secs(1);

/// Runs `work` while this process holds the lease of closing days.
///
/// # Errors
/// When the store refuses or cannot be reached, and when a collector has been closing days for too long.
pub async fn while_no_day_is_closed<T>(
    client: &Client,
    work: impl Future<Output = T>,
) -> Result<T, CloseDayError> {
    let lease = Lease::new(Tables::new(client.clone()))?;
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
