//! Keeps the random numbers of a fleet's coming days at hand: draws those that nobody has drawn, and notes what the store has.
//!
//! `privacy::key::fleet` has the protocol.

use std::sync::Arc;
use std::time::Duration;

use crate::ingest::Collector;
use crate::privacy::FleetDays;
use crate::privacy::fleet::KnownRandomness;
use crate::store::fleet::{FleetStore, FleetStoreError};

/// How often the store is asked. Days are drawn three days before they are needed, so minutes do not count.
const INTERVAL: Duration = Duration::from_secs(300);
/// Pause after an error, and after an answer that lacks a day.
const PAUSE: Duration = Duration::from_secs(20);

/// Never returns.
pub(super) async fn share_randomness(store: FleetStore, collector: Arc<Collector>) {
    loop {
        let pause = match collector.privacy().keys().fleet_days() {
            Some(days) => share_once(&store, &collector, days).await,
            // A key may be imported at any moment.
            None => PAUSE,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Returns how long to wait.
async fn share_once(store: &FleetStore, collector: &Arc<Collector>, days: FleetDays) -> Duration {
    let found = match exchange(store, &days).await {
        Ok(found) => found,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                midnights = days.ahead(),
                "asking the store for the fleet's random numbers failed; the key turns without the store at so many midnights"
            );
            return PAUSE;
        }
    };
    let is_complete = days.wanted().all(|day| found.get(days.fleet, day).is_some());
    let noting = collector.clone();
    let noted = tokio::task::spawn_blocking(move || noting.privacy().keys().note_randomness(&found)).await;
    if let Ok(Err(error)) = noted {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "noting the fleet's random numbers failed; trying again");
        return PAUSE;
    }
    if is_complete { INTERVAL } else { PAUSE }
}

/// Publishes the numbers of wanted days that the store lacks. Returns the numbers that the store has then.
async fn exchange(store: &FleetStore, days: &FleetDays) -> Result<KnownRandomness, FleetStoreError> {
    let found = store.randomness(days.fleet, days.wanted()).await?;
    let missing: Vec<i32> = days.wanted().filter(|day| found.get(days.fleet, *day).is_none()).collect();
    for &day in &missing {
        // What this member has noted, others may have noted too.
        let number = match days.known.get(days.fleet, day) {
            Some(number) => *number,
            None => KnownRandomness::draw_one()?,
        };
        store.publish(days.fleet, day, &number).await?;
    }
    // Another member's number may have been first. Only what is read back counts.
    if missing.is_empty() { Ok(found) } else { store.randomness(days.fleet, days.wanted()).await }
}
