//! The tokens while the collector runs: read at the start, followed in their file, each change logged and put into the audit.
//!
//! Beacons come first: whatever is wrong with the tokens, the collector starts, and what needs a token stays shut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::access::{TokenChange, TokenEntry, TokenFile, TokenVerifier};
use crate::app::audit;
use crate::config::Config;
use crate::ingest::Collector;
use crate::operator::{Auth, AuthPolicy, OperatorListener};
use crate::server::PublicHandler;
use crate::spool::Spool;
use crate::transport::Server;
use crate::transport::tls::Certificates;

/// How often the file is looked at: how long a revoked token is still good.
const EVERY: Duration = Duration::from_secs(1);

/// Reads the tokens.
pub(crate) fn open(config: &Config) -> Arc<TokenVerifier> {
    let (gate, read) = TokenVerifier::open(TokenFile::new(&config.data));
    match read {
        Ok(0) => {}
        Ok(tokens) => tracing::info!(tokens, "tokens read"),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "no token is good until this is put right"
        ),
    }
    gate
}

/// Authentication for a listener and, beyond loopback, its certificate.
pub(crate) fn of(
    auth: &Arc<AuthPolicy>,
    listener: &OperatorListener,
    server: &Server<PublicHandler<Collector>>,
) -> (Auth, Option<Arc<Certificates>>) {
    let address = listener.address().ip();
    let certificates = server.certificates().filter(|_| !address.to_canonical().is_loopback());
    (auth.for_listener(address), certificates.cloned())
}

/// Says what an operator should know of listeners that are open to others.
pub(crate) fn tell(gate: &TokenVerifier, auth: &Arc<AuthPolicy>, listeners: &[SocketAddr], tls: bool) {
    for address in listeners {
        if auth.for_listener(address.ip()).needs_token() && !gate.has_tokens() {
            tracing::warn!(
                %address,
                "nobody can use this listener: it needs a token and there is none; `footfall token add NAME --role analyst` makes one"
            );
        }
        if !address.ip().to_canonical().is_loopback() && !tls {
            tracing::warn!(
                %address,
                "tokens travel in the clear on this listener: set `tls`, or keep it on loopback behind a proxy with TLS"
            );
        }
    }
}

/// Takes up what `footfall token` did, for ever.
pub(crate) async fn follow(gate: Arc<TokenVerifier>, spool: Arc<Spool>) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let asked = gate.clone();
        // The file is read.
        match tokio::task::spawn_blocking(move || asked.reload_if_changed()).await {
            Ok(Ok(changes)) => {
                for change in &changes {
                    record(change, &spool);
                }
            }
            Ok(Err(error)) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the tokens that were in force stay in force"
            ),
            Err(error) => tracing::error!(%error, "the tokens could not be looked at"),
        }
    }
}

/// Logs a change and puts it into the audit. Names of tokens are the operator's own words.
fn record(change: &TokenChange, spool: &Spool) {
    let (action, entry) = match change {
        TokenChange::Added(entry) => ("token added", entry),
        TokenChange::Revoked(entry) => ("token revoked", entry),
    };
    let TokenEntry { name, role, sites, expires, .. } = entry;
    tracing::info!(name, role = role.name(), "{action}");
    let expires = expires.map(|end| end.to_string());
    let detail = json!({ "name": name, "role": role.name(), "sites": sites, "expires": expires });
    audit::record(spool, action, &detail);
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use jiff::Timestamp;

    use super::*;
    use crate::access::{AccessToken, Role, TokenFingerprint};
    use crate::spool::test_disk::TestDisk;

    #[tokio::test]
    async fn a_token_is_revoked_though_the_disk_is_full_and_the_audit_waits() {
        let data = tempfile::tempdir().unwrap();
        let limits = Config::check("footfall.toml", "", &[]).unwrap().spool;
        let disk = TestDisk::default();
        let open = || Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), &limits).unwrap().0;
        drop(open());
        disk.leave_space(0);
        let ledger = || TokenFile::new(data.path());
        let (gate, _) = TokenVerifier::open(ledger());
        let following = tokio::spawn(follow(gate.clone(), open()));
        let token = AccessToken::random().unwrap();
        let (name, fingerprint) = ("anna".to_owned(), TokenFingerprint::from_token(token.expose()).unwrap());
        let (created, sites) = (Timestamp::now(), Vec::new());
        ledger()
            .add(TokenEntry { name, role: Role::Sre, sites, created, expires: None, fingerprint })
            .unwrap();
        let eventually = async |has_tokens: bool| {
            let began = Instant::now();
            while gate.has_tokens() != has_tokens {
                assert!(began.elapsed() < Duration::from_secs(30), "it is never so: {has_tokens}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        eventually(true).await;
        ledger().revoke("anna").unwrap();
        eventually(false).await;
        following.abort();
    }
}
