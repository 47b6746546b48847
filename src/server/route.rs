//! Which request gets which answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
};
use hyper::{Method, Request, StatusCode, Version};

use super::address::{self, Remote, Trusted};
use super::answer::{self, Answer, Body, Early, Waiting};
use super::body::Bodies;
use super::bounds::Bounds;
use super::cors::{self, Origins};
use super::count::{Counts, Route};
use super::door::{self, Shut};
use super::limit::Limiter;
use super::progress::{Phase, Progress};
use super::script::Script;
use super::{Collect, body};
use crate::access::{Role, TokenHolder, TokenVerifier, same_origin};
use crate::ingest::collector::{By, Refused};
use crate::privacy::Peer;

/// The visitor's address, as a sender names it; proxies leave it alone.
static X_FOOTFALL_ADDRESS: HeaderName = HeaderName::from_static("x-footfall-address");

/// What stands at `/`.
static WELCOME: &str = "Footfall collects statistics of the sites that embed its script, /s.js.\n\
    It stores no IP address; Sec-GPC, DNT and the cookie footfall_optout=1 are honoured.\n";

/// What all connections share.
pub(super) struct Edge<C> {
    pub(super) collector: Arc<C>,
    pub(super) script: Script,
    pub(super) trusted: Trusted,
    pub(super) limiter: Limiter,
    /// The limit on what comes with one sender's token.
    pub(super) senders: Limiter,
    pub(super) gate: Arc<TokenVerifier>,
    /// The limit on wrong tokens.
    pub(super) tries: Limiter,
    /// Whether clients come over TLS.
    pub(super) tls: bool,
    pub(super) origins: ArcSwap<Origins>,
    pub(super) bodies: Bodies,
    pub(super) waiting: Waiting,
    pub(super) bounds: Bounds,
}

/// What the requests of one connection share.
pub(super) struct Visit<C> {
    pub(super) edge: Arc<Edge<C>>,
    pub(super) remote: Remote,
    /// Whether the remote end is a proxy that may speak for clients; found out once.
    pub(super) through_proxy: bool,
    pub(super) progress: Arc<Progress>,
    /// What follows the last answer: sending it, where that can be seen.
    pub(super) after: Phase,
    pub(super) counts: Arc<Counts>,
}

/// Notes the end of a request, also when it is dropped half-way.
struct InFlight<'a>(&'a Progress, Phase);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.finish(self.1);
    }
}

impl<C: Collect> Visit<C> {
    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.progress.begin();
        let _in_flight = InFlight(&self.progress, self.after);
        let http2 = request.version() == Version::HTTP_2;
        let (route, mut answer) = self.dispatch(request).await;
        if http2 {
            self.edge.waiting.admit(&mut answer);
        }
        self.counts.answered(route, answer.status());
        answer
    }

    async fn dispatch(&self, request: Request<Incoming>) -> (Route, Answer) {
        let method = request.method();
        let path = request.uri().path();
        let route = match path {
            "/b" => Route::Beacon,
            "/b.gif" => Route::Pixel,
            "/s.js" => Route::Script,
            path if path == self.edge.script.hashed_path() => Route::Script,
            _ => Route::Other,
        };
        if request.version() == Version::HTTP_11 && !names_one_host(request.headers()) {
            return (
                route,
                answer::closing(answer::wrong(StatusCode::BAD_REQUEST, "exactly one Host header is needed")),
            );
        }
        // No client of ours sends chunks, and a body whose end two parties see in different places is how a request is
        // smuggled past the one in front: nothing is read behind such a request.
        if request.version() <= Version::HTTP_11 && request.headers().contains_key(TRANSFER_ENCODING) {
            return (route, Early::NoLength.answer());
        }
        let readable = method == Method::GET || method == Method::HEAD;
        let head = method == Method::HEAD;
        let answer = match route {
            Route::Beacon => self.beacon_route(request).await,
            Route::Pixel if !readable => answer::method("GET, HEAD"),
            // A look at the headers is not a view.
            Route::Pixel if head => answer::pixel(),
            Route::Pixel => self.pixel(request).await,
            Route::Script if !readable => answer::method("GET, HEAD"),
            Route::Script => self.edge.script.answer(request.headers(), path != "/s.js"),
            Route::Other if path == "/" && readable => answer::of(StatusCode::OK, &answer::TEXT, WELCOME),
            Route::Other if path == "/" => answer::method("GET, HEAD"),
            Route::Other => answer::not_found(),
        };
        let mut answer = if head { without_body(answer) } else { answer };
        if self.edge.tls && matches!(route, Route::Script | Route::Other) {
            answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, same_origin::HSTS);
        }
        (route, answer)
    }

    /// Everything at `/b`: beacons, and what browsers ask before they send them.
    async fn beacon_route(&self, request: Request<Incoming>) -> Answer {
        let origin = self.edge.origins.load().allowed(request.headers()).cloned();
        if request.method() == Method::OPTIONS {
            return cors::preflight(origin);
        }
        let mut answer = if request.method() == Method::POST {
            self.beacon(request).await
        } else {
            answer::method("POST, OPTIONS")
        };
        if let Some(origin) = origin {
            cors::allow(&mut answer, origin);
        }
        answer
    }

    async fn beacon(&self, request: Request<Incoming>) -> Answer {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let sender = match TokenVerifier::presents_token(&head.headers) {
            false => None,
            true => match self.sender(&head.headers) {
                Ok(sender) => Some(sender),
                Err(shut) => return shut.answer(),
            },
        };
        let by = match &sender {
            None => self.admitted(&head.headers, start).map(By::Page),
            Some(sender) => self.sent(&head.headers, sender, start),
        };
        let by = match by {
            Ok(by) => by,
            Err(early) => return early.answer(),
        };
        let body = match body::read(head.version, &head.headers, body, (&self.edge.bounds, &self.edge.bodies))
            .await
        {
            Ok(body) => body,
            Err(early) => return early.answer(),
        };
        match self.edge.collector.beacon(by, &head.headers, &body).await {
            Ok(taken) => {
                self.counts.taken(&taken, body.len(), start.elapsed());
                let mut answer = answer::empty(StatusCode::NO_CONTENT);
                answer::tell_dropped(&mut answer, &taken.dropped);
                answer
            }
            Err(refused) => refusal(refused),
        }
    }

    async fn pixel(&self, request: Request<Incoming>) -> Answer {
        let taken = match self.admitted(request.headers(), Instant::now()) {
            Ok(peer) => self.edge.collector.pixel(peer, request.headers(), request.uri().query()).await,
            Err(early) => return early.answer(),
        };
        match taken {
            Ok(taken) => {
                self.counts.taken(&taken, 0, std::time::Duration::ZERO);
                let mut answer = answer::pixel();
                answer::tell_dropped(&mut answer, &taken.dropped);
                answer
            }
            Err(refused) => refusal(refused),
        }
    }

    /// Whose token a request shows that shows one.
    fn sender(&self, headers: &HeaderMap) -> Result<Arc<TokenHolder>, Shut> {
        let shown = door::identify(&self.edge.gate, &self.edge.tries, headers, self.client(headers))?;
        shown.filter(|holder| holder.role == Role::Sender).ok_or(Shut::NoSender)
    }

    /// The visitor that a sender speaks for, if it has not sent too often.
    fn sent<'a>(&self, headers: &HeaderMap, sender: &'a TokenHolder, now: Instant) -> Result<By<'a>, Early> {
        self.edge.senders.take_named(&sender.name, now).map_err(Early::TooManySent)?;
        let address = match headers.get(&X_FOOTFALL_ADDRESS) {
            Some(_) => address::single(headers, &X_FOOTFALL_ADDRESS),
            // A proxy puts the sender's own address there.
            None if self.through_proxy => None,
            None => address::single(headers, &address::X_FORWARDED_FOR),
        };
        Ok(By::Sender { visitor: Peer::new(address.ok_or(Early::NoVisitor)?), sender })
    }

    /// The client's address, if it has not asked too often.
    fn admitted(&self, headers: &HeaderMap, now: Instant) -> Result<Peer, Early> {
        let peer = Peer::new(self.client(headers));
        self.edge.limiter.take(&peer, now).map_err(Early::TooMany)?;
        Ok(peer)
    }

    fn client(&self, headers: &HeaderMap) -> IpAddr {
        let address = self.remote.address();
        if self.through_proxy { self.edge.trusted.client(address, headers) } else { address }
    }
}

fn refusal(refused: Refused) -> Answer {
    match refused {
        Refused::Malformed(malformed) => answer::malformed(&malformed.problem, &malformed.path),
        Refused::UnknownSite => answer::wrong(StatusCode::FORBIDDEN, "this site is unknown here"),
        Refused::ForeignHost => {
            answer::wrong(StatusCode::FORBIDDEN, "the page's host is not one of the site's hosts")
        }
        Refused::Unsigned => answer::wrong(
            StatusCode::FORBIDDEN,
            "this site takes signed names alone: the token in data-site is missing, wrong or expired",
        ),
        Refused::NotYours => answer::wrong(StatusCode::FORBIDDEN, "this token may not send for this site"),
        Refused::Unavailable => answer::unavailable(),
    }
}

/// RFC 9112, section 3.2: a request of HTTP/1.1 with no `Host`, or with several, is answered with 400.
fn names_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}

/// The answer to `HEAD`: what `GET` would have, without the body.
fn without_body(mut answer: Answer) -> Answer {
    let length = hyper::body::Body::size_hint(answer.body()).lower();
    if length > 0 {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *answer.body_mut() = Body::EMPTY;
    answer
}
