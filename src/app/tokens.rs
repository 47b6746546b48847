//! The tokens and the share links while the collector runs: each change of their files is logged and written to the audit.
//!
//! Beacons come first. Whatever is wrong with the files, the collector starts; only what needs a token or a link is refused. A link is
//! named by its name and its site, and its token is never written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::access::{
    ShareChange, ShareFile, ShareLink, ShareVerifier, TokenChange, TokenEntry, TokenFile, TokenVerifier,
};
use crate::app::audit;
use crate::config::Config;
use crate::operator::Auth;
use crate::spool::Spool;

/// How often the file is checked: a revoked token stays valid for as long.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn open_verifier(config: &Config) -> Arc<TokenVerifier> {
    let (verifier, read) = TokenVerifier::open(TokenFile::new(&config.data));
    match read {
        Ok(0) => {}
        Ok(tokens) => tracing::info!(tokens, "tokens read"),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "reading the token file failed; no token is valid until it is corrected"
        ),
    }
    verifier
}

pub(crate) fn open_share_verifier(config: &Config) -> Arc<ShareVerifier> {
    let (verifier, read) = ShareVerifier::open(ShareFile::new(&config.data));
    match read {
        Ok(0) => {}
        Ok(links) => tracing::info!(links, "share links read"),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "reading the file of share links failed; no link is valid until it is corrected"
        ),
    }
    verifier
}

/// Warns when a listener cannot be used, or when tokens are sent to it without encryption.
pub(crate) fn warn_of_open_listener(verifier: &TokenVerifier, auth: &Auth, address: SocketAddr, tls: bool) {
    if auth.needs_token() && !verifier.has_tokens() {
        tracing::warn!(
            %address,
            "this listener requires a token, and there is none; `footfall token add NAME --role analyst` makes one"
        );
    }
    if !address.ip().to_canonical().is_loopback() && !tls {
        tracing::warn!(
            %address,
            "tokens are sent to this listener without encryption: set `tls`, or keep it on loopback behind a proxy with TLS"
        );
    }
}

/// Follows the files until the task is aborted.
pub(crate) async fn follow(verifier: Arc<TokenVerifier>, shares: Arc<ShareVerifier>, spool: Arc<Spool>) {
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let (tokens, links) = (verifier.clone(), shares.clone());
        let read = tokio::task::spawn_blocking(move || (tokens.reload_if_changed(), links.changes())).await;
        let (tokens, links) = match read {
            Ok(changes) => changes,
            Err(error) => {
                tracing::error!(%error, "checking the files of tokens and share links failed; the next check follows in a second");
                continue;
            }
        };
        match tokens {
            Ok(changes) => changes.iter().for_each(|change| record(change, &spool)),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "reading the token file failed; the tokens read before stay valid"
            ),
        }
        match links {
            Ok(changes) => changes.iter().for_each(|change| record_share(change, &spool)),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "reading the file of share links failed; the links read before stay valid"
            ),
        }
    }
}

/// Logs a change and appends it to the audit. Links are named by people of the site, so their names may be logged.
fn record_share(change: &ShareChange, spool: &Spool) {
    let (action, link, by) = match change {
        ShareChange::Added(link) => ("share link added", link, Some(&link.by)),
        ShareChange::Revoked { link, by } => ("share link revoked", link, by.as_ref()),
    };
    let ShareLink { name, site, expires, password, .. } = link;
    tracing::info!(name, site, "{action}");
    let (expires, password) = (expires.to_string(), password.is_some());
    let detail = json!({ "name": name, "site": site, "by": by, "expires": expires, "password": password });
    audit::record(spool, action, &detail);
}

/// Logs a change and appends it to the audit. Tokens are named by the operator, so their names may be logged.
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
        let file = || TokenFile::new(data.path());
        let (verifier, _) = TokenVerifier::open(file());
        let (shares, _) = ShareVerifier::open(ShareFile::new(data.path()));
        let following = tokio::spawn(follow(verifier.clone(), shares, open()));
        let token = AccessToken::random().unwrap();
        let (name, fingerprint) = ("anna".to_owned(), TokenFingerprint::from_token(token.expose()).unwrap());
        let (created, sites) = (Timestamp::now(), Vec::new());
        file().add(TokenEntry { name, role: Role::Sre, sites, created, expires: None, fingerprint }).unwrap();
        let eventually = async |has_tokens: bool| {
            let began = Instant::now();
            while verifier.has_tokens() != has_tokens {
                assert!(began.elapsed() < Duration::from_secs(30), "has_tokens never becomes {has_tokens}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        eventually(true).await;
        file().revoke("anna").unwrap();
        eventually(false).await;
        following.abort();
    }
}
