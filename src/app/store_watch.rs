//! Watches whether the store answers, for `/readyz`, for the first migration and for shipping.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::Client;

/// How often the store is asked while it answers.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often it is asked while it is unreachable: the spool may fill up meanwhile.
const INTERVAL_UNREACHABLE: Duration = Duration::from_secs(1);
/// How often it is asked before its first answer: the embedded store starts within a second.
const INTERVAL_STARTING: Duration = Duration::from_millis(200);
/// A store that does not return its version within this time counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The store's version, or why it did not answer the last time.
pub(crate) type StoreState = Arc<Mutex<Result<String, String>>>;

pub(crate) struct StoreWatch {
    pub(crate) state: StoreState,
    /// Notified at the first answer.
    pub(crate) first_contact: Arc<Notify>,
    /// Notified at the first answer and at each one after a failure.
    pub(crate) reconnected: Arc<Notify>,
}

impl StoreWatch {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(Err("not asked yet".to_owned()))),
            first_contact: Arc::new(Notify::new()),
            reconnected: Arc::new(Notify::new()),
        }
    }

    /// Asks the store until the task is aborted.
    pub(crate) async fn run(self, client: Client) {
        let mut was_reachable = None;
        let mut ever_reachable = false;
        loop {
            let answer = check_store(&client).await;
            let reachable = answer.is_ok();
            if was_reachable != Some(reachable) {
                match &answer {
                    Ok(version) => tracing::info!(version, "store reachable"),
                    // An embedded store that has just been started needs a moment.
                    Err(error) if !ever_reachable => {
                        tracing::info!(
                            error,
                            "the store does not answer yet, as at every start; events wait in the spool"
                        )
                    }
                    Err(error) => tracing::warn!(error, "store unreachable; events wait in the spool"),
                }
                was_reachable = Some(reachable);
                if reachable {
                    self.reconnected.notify_one();
                }
            }
            if reachable && !std::mem::replace(&mut ever_reachable, true) {
                self.first_contact.notify_one();
            }
            *self.state.lock() = answer;
            tokio::time::sleep(match (reachable, ever_reachable) {
                (true, _) => INTERVAL,
                (false, true) => INTERVAL_UNREACHABLE,
                (false, false) => INTERVAL_STARTING,
            })
            .await;
        }
    }
}

/// Checks the store at its current address. If the store does not answer there, or cannot write, statements go to the next address from now
/// on.
async fn check_store(client: &Client) -> Result<String, String> {
    let url = client.url().to_owned();
    let answer = read_version(client).await;
    if answer.is_err() || is_readonly(client).await {
        client.leave(&url);
    }
    answer
}

/// Whether the node of a cluster has tables that it cannot write: it has lost ZooKeeper or Keeper, or is starting.
async fn is_readonly(client: &Client) -> bool {
    if client.cluster().is_none() {
        return false;
    }
    let sql = "SELECT count() FROM system.replicas WHERE database = {database:String} AND is_readonly";
    let tables = client.query_server(sql).param("database", client.database()).fetch_one::<u64>();
    matches!(tokio::time::timeout(TIMEOUT, tables).await, Ok(Ok(1..)))
}

async fn read_version(client: &Client) -> Result<String, String> {
    let version = client.query_server("SELECT version()").fetch_one::<String>();
    match tokio::time::timeout(TIMEOUT, version).await {
        Ok(Ok(version)) => Ok(format!("ClickHouse {version}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
    }
}
