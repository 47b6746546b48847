//! Refused beacons: a counter by reason and by site, and a line in the log that says why and which setting to look at.
//!
//! Neither holds anything that was sent. A site is named only if it is configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use metrics::{Counter, counter, describe_counter};
use tracing::warn;

use crate::event::names;
use crate::ingest::{Accepted, IngestError, RecentRefusals};
use crate::server::body::check_head;
use crate::server::log_throttle::LogThrottle;
use crate::server::response::Rejection;
use crate::transport::AuthError;

/// Time between two lines of one reason and site.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two warnings about a proxy. The fault lasts until the configuration is corrected.
const PROXY_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

names! {
    /// Why a beacon was refused: label `reason` of `footfall_beacons_refused_total`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum RefusalReason {
        Malformed = 0 => "malformed",
        HostHeader = 1 => "host_header",
        CutOff = 2 => "cut_off",
        VisitorAddress = 3 => "visitor_address",
        Token = 4 => "token",
        TokenRole = 5 => "token_role",
        TokenAttempts = 6 => "token_attempts",
        TokenSite = 7 => "token_site",
        UnknownSite = 8 => "unknown_site",
        ForeignOrigin = 9 => "foreign_origin",
        ForeignPage = 10 => "foreign_page",
        Signature = 11 => "signature",
        Timeout = 12 => "timeout",
        Length = 13 => "length",
        TooLarge = 14 => "too_large",
        ContentType = 15 => "content_type",
        AddressRate = 16 => "address_rate",
        SenderRate = 17 => "sender_rate",
        OpenBodies = 18 => "open_bodies",
        Spool = 19 => "spool",
        Key = 20 => "key",
    }
}

impl RefusalReason {
    /// What is wrong, and where to look. Names of settings stand in backquotes.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Malformed => {
                "it is not a beacon; `docs/wire.md` has the format, `footfall explain` names each fault"
            }
            Self::HostHeader => "it has no `Host` header, or several; look at the proxy in front",
            Self::CutOff => "its body ended early; the client or a proxy closed the connection",
            Self::VisitorAddress => "a server sent it without the visitor's address in `X-Footfall-Address`",
            Self::Token => {
                "its token is unknown, revoked or expired (`footfall token list`), or a proxy adds `Authorization`"
            }
            Self::TokenRole => "its token has another role than `sender`; see `footfall token list`",
            Self::TokenAttempts => "too many wrong tokens came from one address; see `footfall token list`",
            Self::TokenSite => "its token is not for this site; see `footfall token list`",
            Self::UnknownSite => {
                "no such site is configured; compare `data-site` in the pages with `id` of each `[[site]]`"
            }
            Self::ForeignOrigin => {
                "the page that sends is on none of the site's `hosts`; if it is yours, add its host there"
            }
            Self::ForeignPage => {
                "the page that it counts is on none of the site's `hosts`; if it is yours, add its host there"
            }
            Self::Signature => {
                "no valid signature; look at the site's `tokens` and `token_secret_file`, and at the expiry"
            }
            Self::Timeout => "its body came too slowly; a proxy that buffers requests helps",
            Self::Length => "it has no length; a proxy must not pass bodies on in chunks",
            Self::TooLarge => "it is over 64 KiB; send several",
            Self::ContentType => "its type is not `text/plain` or `application/json`, or it is compressed",
            Self::AddressRate => {
                "one address sent too many: `limits.rate`; if all visitors have one address: `trusted_proxies`"
            }
            Self::SenderRate => {
                "its token sent too many; look at `limits.sender_rate` and `limits.sender_burst`"
            }
            Self::OpenBodies => "too many bodies are being received; slow clients hold them",
            Self::Spool => {
                "the spool accepts no events; look at the disk, `spool.max_bytes` and `spool.reserve`"
            }
            Self::Key => "this collector has no key of its fleet; run `footfall key import --request` here",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::HostHeader | Self::CutOff | Self::VisitorAddress => 400,
            Self::Token => 401,
            Self::TokenRole | Self::TokenSite | Self::UnknownSite => 403,
            Self::ForeignOrigin | Self::ForeignPage | Self::Signature => 403,
            Self::Timeout => 408,
            Self::Length => 411,
            Self::TooLarge => 413,
            Self::ContentType => 415,
            Self::TokenAttempts | Self::AddressRate | Self::SenderRate => 429,
            Self::OpenBodies | Self::Spool | Self::Key => 503,
        }
    }

    /// Why a request is refused before its body of `body_len` bytes is read; `None`: it is not.
    pub fn from_head(head: &Parts, content_types: &[&str], body_len: usize) -> Option<Self> {
        check_head(head, content_types, body_len as u64)
            .err()
            .map(|rejection| Self::from_rejection(&rejection))
    }

    pub(super) fn from_rejection(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::NoHost => Self::HostHeader,
            Rejection::CutOff => Self::CutOff,
            Rejection::NoVisitor => Self::VisitorAddress,
            Rejection::SlowBody => Self::Timeout,
            Rejection::NoLength => Self::Length,
            Rejection::TooLarge => Self::TooLarge,
            Rejection::WrongType => Self::ContentType,
            Rejection::TooManyFromAddress(_) => Self::AddressRate,
            Rejection::TooManyFromSender(_) => Self::SenderRate,
            Rejection::TooManyBodies => Self::OpenBodies,
            Rejection::ForeignPreflight => Self::ForeignOrigin,
            Rejection::Auth(AuthError::NotASender) => Self::TokenRole,
            Rejection::Auth(AuthError::TooManyAttempts(_)) => Self::TokenAttempts,
            Rejection::Auth(_) => Self::Token,
            Rejection::Ingest(refused) => Self::from(&refused.cause),
        }
    }
}

impl From<&IngestError> for RefusalReason {
    fn from(error: &IngestError) -> Self {
        match error {
            IngestError::Malformed(_) => Self::Malformed,
            IngestError::UnknownSite => Self::UnknownSite,
            IngestError::ForeignOrigin => Self::ForeignOrigin,
            IngestError::ForeignPage => Self::ForeignPage,
            IngestError::InvalidSignature => Self::Signature,
            IngestError::SiteNotAllowed => Self::TokenSite,
            IngestError::NoKey => Self::Key,
            IngestError::Unavailable => Self::Spool,
        }
    }
}

/// The subject of a line; each has an interval of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LineKind {
    Refused(RefusalReason, Option<Arc<str>>),
    LeftOut(Option<Arc<str>>),
}

/// What is wrong with the requests of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ProxyFault {
    /// It names a client, but `trusted_proxies` does not have it.
    Untrusted,
    /// `trusted_proxies` has it, but it names no client.
    Silent,
}

/// Counts refused beacons and logs them.
pub(super) struct Refusals {
    by_reason: [Counter; RefusalReason::ALL.len()],
    recent: Arc<RecentRefusals>,
    lines: LogThrottle<LineKind>,
    proxies: LogThrottle<ProxyFault>,
}

const BY_SITE: &str = "footfall_site_beacons_refused_total";

impl Refusals {
    /// Exports a series for each reason, also at 0. Those of sites begin with the first refusal: a thousand sites would have 20,000.
    pub(super) fn register() -> Self {
        describe_counter!(
            "footfall_beacons_refused_total",
            "Beacons refused, by reason; nothing of them is stored."
        );
        describe_counter!(BY_SITE, "Beacons refused that name a configured site, by site and reason.");
        Self {
            by_reason: RefusalReason::ALL
                .map(|reason| counter!("footfall_beacons_refused_total", "reason" => reason.name())),
            recent: Arc::default(),
            lines: LogThrottle::new(LINE_INTERVAL),
            proxies: LogThrottle::new(PROXY_INTERVAL),
        }
    }

    /// Refused beacons of the last hours, by site and reason.
    pub(super) fn recent(&self) -> &Arc<RecentRefusals> {
        &self.recent
    }

    pub(super) fn count(&self, rejection: &Rejection) {
        let reason = RefusalReason::from_rejection(rejection);
        self.by_reason[reason as usize].increment(1);
        let (site, fault) = match rejection {
            Rejection::Ingest(refused) => (refused.site.as_ref(), refused.cause.fault()),
            _ => (None, None),
        };
        if let Some(site) = site {
            counter!(BY_SITE, "site" => site.to_string(), "reason" => reason.name()).increment(1);
            self.recent.count(site, reason.name(), Instant::now());
        }
        let kind = LineKind::Refused(reason, site.cloned());
        let Some(suppressed) = self.lines.admit(kind, Instant::now()) else { return };
        warn!(
            reason = reason.name(),
            site = site.map(|site| &**site),
            at = fault.map(|fault| &*fault.path),
            problem = fault.map(|fault| &*fault.problem),
            suppressed,
            "beacon refused: {}",
            reason.advice()
        );
    }

    /// Logs what was left out of an accepted beacon. Metrics count it as dropped.
    pub(super) fn note_left_out(&self, accepted: &Accepted) {
        let Some(first) = accepted.left_out.first() else { return };
        let kind = LineKind::LeftOut(accepted.site.clone());
        let Some(suppressed) = self.lines.admit(kind, Instant::now()) else { return };
        warn!(
            site = accepted.site.as_deref(),
            at = &*first.fault.path,
            problem = &*first.fault.problem,
            parts = accepted.left_out.len(),
            suppressed,
            "parts of a beacon cannot be read and were left out; the rest is stored"
        );
    }

    /// Logs that a trusted proxy names no client.
    pub(super) fn note_silent_proxy(&self) {
        if let Some(suppressed) = self.proxies.admit(ProxyFault::Silent, Instant::now()) {
            warn!(
                suppressed,
                "a request of an address within `trusted_proxies` has neither X-Forwarded-For nor Forwarded; if it is your proxy, let it \
                 send one of them, or all visitors behind it count as one"
            );
        }
    }

    pub(super) fn note_untrusted_proxy(&self) {
        if let Some(suppressed) = self.proxies.admit(ProxyFault::Untrusted, Instant::now()) {
            warn!(
                suppressed,
                "a request has X-Forwarded-For, but comes from an address outside `trusted_proxies`; if your proxy sent it, \
                 name the proxy's network there, or all visitors behind it count as one"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::MalformedBeacon;
    use crate::generated_docs;

    #[test]
    fn a_reason_has_the_status_of_its_answer() {
        let wait = Duration::from_secs(1);
        let ingest = |cause: IngestError| Rejection::Ingest(cause.into());
        for rejection in [
            Rejection::NoHost,
            Rejection::CutOff,
            Rejection::NoVisitor,
            Rejection::SlowBody,
            Rejection::NoLength,
            Rejection::TooLarge,
            Rejection::WrongType,
            Rejection::TooManyFromAddress(wait),
            Rejection::TooManyFromSender(wait),
            Rejection::TooManyBodies,
            Rejection::ForeignPreflight,
            Rejection::Auth(AuthError::InvalidToken),
            Rejection::Auth(AuthError::NotASender),
            Rejection::Auth(AuthError::TooManyAttempts(wait)),
            ingest(IngestError::Malformed(MalformedBeacon::new("e", "is missing"))),
            ingest(IngestError::UnknownSite),
            ingest(IngestError::ForeignOrigin),
            ingest(IngestError::ForeignPage),
            ingest(IngestError::InvalidSignature),
            ingest(IngestError::SiteNotAllowed),
            ingest(IngestError::NoKey),
            ingest(IngestError::Unavailable),
        ] {
            let reason = RefusalReason::from_rejection(&rejection);
            assert_eq!(rejection.response().status(), reason.status(), "{}", reason.name());
        }
    }

    #[test]
    fn the_document_lists_every_reason() {
        let mut table = "| reason | what is wrong, and where to look |\n|---|---|\n".to_owned();
        for reason in RefusalReason::ALL {
            table += &format!("| `{}` | {} |\n", reason.name(), reason.advice());
        }
        generated_docs::check("docs/operations/monitoring.md", "refusals", &table);
    }
}
