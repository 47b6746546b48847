//! Which request gets which response.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::header::{
    FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, REFERER, STRICT_TRANSPORT_SECURITY,
    TRANSFER_ENCODING,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use percent_encoding::{CONTROLS, percent_encode};

use crate::access::{Role, TokenHolder, TokenVerifier, same_origin};
use crate::beacon::{BeaconTransfer, WireFormat, WireInput};
use crate::config::{ClientLimits, Config, Sites};
use crate::ingest::{RecentRefusals, Sender};
use crate::privacy::{Peer, Subject};
use crate::server::body::{self, BodyPermits};
use crate::server::collector::BeaconCollector;
use crate::server::cors::{self, Origins};
use crate::server::refusal::Refusals;
use crate::server::request_metrics::RequestMetrics;
use crate::server::response::{self as public_response, Rejection};
use crate::server::route::Route;
use crate::server::script::Script;
use crate::server::visitor_page::{self, ErasureResult, PageQuery, ShownVisit};
use crate::transport::{
    AuthError, Body, ConnectionContext, Handler, RateLimiter, TokenAuthenticator, X_FORWARDED_FOR, response,
    single_address,
};

/// The visitor's address that a sender names; proxies do not change it.
pub static X_FOOTFALL_ADDRESS: HeaderName = HeaderName::from_static("x-footfall-address");

/// The response to `GET /`.
static WELCOME: &str = "Footfall collects statistics of the sites that embed its script, /s.js.\n\
    It stores no IP address; Sec-GPC, DNT and the cookie footfall_optout=1 are honoured.\n";

/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// Time for a whole body: 64 KiB within it need 7 kB/s. Then 408.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct PublicOptions {
    pub limits: ClientLimits,
    /// Knows the tokens of senders.
    pub verifier: Arc<TokenVerifier>,
    pub body_timeout: Duration,
}

impl PublicOptions {
    pub fn from_config(config: &Config, verifier: Arc<TokenVerifier>) -> Self {
        Self { limits: config.limits.clone(), verifier, body_timeout: BODY_TIMEOUT }
    }
}

/// Requests for erasure from one address at once. Many people may share an address.
const MAX_ERASURES: u32 = 20;
/// Time until one address may send one more. Otherwise one address could use up the erasures of a day, under many user agents.
const ERASURE_INTERVAL: Duration = Duration::from_secs(600);

/// Answers the requests of browsers and senders.
pub struct PublicHandler<C> {
    collector: Arc<C>,
    script: Script,
    address_limiter: RateLimiter,
    sender_limiter: RateLimiter,
    /// Limits requests for erasure on the visitor's page.
    erasure_limiter: RateLimiter,
    tokens: TokenAuthenticator,
    origins: ArcSwap<Origins>,
    body_permits: BodyPermits,
    body_timeout: Duration,
    metrics: RequestMetrics,
    refusals: Refusals,
    erase: Arc<EraseVisitor>,
}

/// Accepts a visitor's request to erase the rows of the day. An accepted request is on disk; the rows are erased within minutes. It blocks
/// for the disk.
pub type EraseVisitor = Box<dyn Fn(Subject) -> ErasureResult + Send + Sync>;

impl<C: BeaconCollector> Handler for PublicHandler<C> {
    type Route = Route;

    async fn handle(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> (Route, Response<Body>) {
        let path = request.uri().path();
        let route = Route::from_path(path, self.script.hashed_path());
        if request.version() == Version::HTTP_11 && !has_one_host(request.headers()) {
            return (route, self.refuse_early(route, Rejection::NoHost));
        }
        // Our clients never send chunks. Request smuggling needs two parties that disagree about the end of a body, so no
        // byte behind such a request is read.
        if request.version() <= Version::HTTP_11 && request.headers().contains_key(TRANSFER_ENCODING) {
            return (route, self.refuse_early(route, Rejection::NoLength));
        }
        let is_head = request.method() == Method::HEAD;
        let is_read = is_head || request.method() == Method::GET;
        let response = match (route, route.format()) {
            (_, Some(format)) => self.format_route(format, request, connection).await,
            (Route::Script, _) if is_read => self.script.response(request.headers(), path != "/s.js"),
            (Route::VisitorPage, _) => self.visitor_page(request, connection).await,
            (Route::Script, _) => response::method_not_allowed("GET, HEAD"),
            _ if path != "/" => response::not_found(),
            _ if is_read => response::with_body(StatusCode::OK, &response::TEXT, WELCOME),
            _ => response::method_not_allowed("GET, HEAD"),
        };
        let mut response = if is_head { response::without_body(response) } else { response };
        if connection.is_tls() && route.format().is_none() {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, same_origin::HSTS);
        }
        (route, response)
    }

    fn count(&self, route: Route, status: StatusCode) {
        self.metrics.count_response(route, status);
    }
}

impl<C: BeaconCollector> PublicHandler<C> {
    /// Its metrics go to the recorder that is installed now.
    pub fn new(options: PublicOptions, sites: &Sites, collector: Arc<C>, erase: EraseVisitor) -> Arc<Self> {
        let PublicOptions { limits, verifier, body_timeout } = options;
        Arc::new(Self {
            collector,
            script: Script::new(),
            address_limiter: RateLimiter::new(limits.rate, limits.burst),
            sender_limiter: RateLimiter::new(limits.sender_rate, limits.sender_burst),
            erasure_limiter: RateLimiter::every(ERASURE_INTERVAL, MAX_ERASURES),
            tokens: TokenAuthenticator::new(verifier),
            origins: ArcSwap::from_pointee(Origins::new(sites)),
            body_permits: BodyPermits::default(),
            body_timeout,
            metrics: RequestMetrics::register(),
            refusals: Refusals::register(),
            erase: Arc::new(erase),
        })
    }

    /// The script's path with the hash of its content, and its value of attribute `integrity`.
    pub fn script(&self) -> (&str, &str) {
        (self.script.hashed_path(), self.script.integrity())
    }

    /// The beacons of each site that were refused in the last hours.
    pub fn recent_refusals(&self) -> Arc<RecentRefusals> {
        self.refusals.recent().clone()
    }

    /// Replaces the sites whose pages may read the responses to their beacons.
    pub fn reload(&self, sites: &Sites) {
        self.origins.store(Arc::new(Origins::new(sites)));
    }

    fn refuse(&self, rejection: Rejection) -> Response<Body> {
        self.refusals.count(&rejection);
        rejection.response()
    }

    /// Refuses a request before it is known to be a beacon. It counts only on the route of a wire format.
    fn refuse_early(&self, route: Route, rejection: Rejection) -> Response<Body> {
        if route.format().is_some() { self.refuse(rejection) } else { rejection.response() }
    }

    /// The requests to a wire format: beacons, and the preflight requests of browsers.
    async fn format_route(
        &self,
        format: &WireFormat,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> Response<Body> {
        let BeaconTransfer::Post { content_types } = format.transfer else {
            return match *request.method() {
                // HEAD does not count as a view.
                Method::HEAD => public_response::pixel(),
                Method::GET => {
                    let pixel = self.pixel(format, request, connection).await;
                    pixel.unwrap_or_else(|rejection| self.refuse(rejection))
                }
                _ => response::method_not_allowed("GET, HEAD"),
            };
        };
        let origin = self.origins.load().allowed(request.headers()).cloned();
        if request.method() == Method::OPTIONS {
            return origin.map_or_else(|| self.refuse(Rejection::ForeignPreflight), cors::preflight);
        }
        let mut response = if request.method() == Method::POST {
            let beacon = self.beacon(format, content_types, request, connection);
            beacon.await.unwrap_or_else(|rejection| self.refuse(rejection))
        } else {
            response::method_not_allowed("POST, OPTIONS")
        };
        if let Some(origin) = origin {
            cors::allow(&mut response, origin);
        }
        response
    }

    async fn beacon(
        &self,
        format: &WireFormat,
        content_types: &[&str],
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> Result<Response<Body>, Rejection> {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let holder = self.sender_token(&head.headers, connection)?;
        let sender = match &holder {
            None => Sender::Page(self.admit(&head.headers, connection, start)?),
            Some(holder) => self.admit_sender(&head.headers, connection, holder, start)?,
        };
        let limits = (self.body_timeout, &self.body_permits);
        let body = body::read(&head, content_types, body, limits).await?;
        let input = WireInput {
            body: &body,
            query: head.uri.query().unwrap_or_default(),
            referer: "",
            random_page_load,
        };
        let accepted = self.collector.store(sender, &head.headers, format, &input).await?;
        self.metrics.count_accepted(&accepted, body.len(), start.elapsed());
        self.refusals.note_left_out(&accepted);
        let mut response = response::empty(StatusCode::NO_CONTENT);
        public_response::add_dropped(&mut response, &accepted);
        Ok(response)
    }

    async fn pixel(
        &self,
        format: &WireFormat,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> Result<Response<Body>, Rejection> {
        let start = Instant::now();
        let (head, _) = request.into_parts();
        let peer = self.admit(&head.headers, connection, start)?;
        let (query, referer) = (head.uri.query().unwrap_or_default(), pixel_referer(&head.headers));
        let input = WireInput { body: b"", query, referer: &referer, random_page_load };
        let accepted = self.collector.store(Sender::Page(peer), &head.headers, format, &input).await?;
        self.metrics.count_accepted(&accepted, 0, start.elapsed());
        let mut response = public_response::pixel();
        public_response::add_dropped(&mut response, &accepted);
        Ok(response)
    }

    /// The visitor's page, and the erasures that visitors request on it.
    async fn visitor_page(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let is_form = head.method == Method::POST;
        if !is_form && !matches!(head.method, Method::GET | Method::HEAD) {
            return response::method_not_allowed("GET, HEAD, POST");
        }
        let peer = match self.admit(&head.headers, connection, Instant::now()) {
            Ok(peer) => peer,
            Err(rejection) => return rejection.response(),
        };
        let is_allowed = !is_form || self.erasure_limiter.acquire(&peer, Instant::now()).is_ok();
        let query = PageQuery::parse(head.uri.query().unwrap_or_default());
        let visit = self.collector.preview(peer, &head.headers, query.site.as_deref()).map(|preview| {
            let code = self.collector.reference(&preview.subject());
            ShownVisit { preview, code }
        });
        let erasure = match (&visit, is_form) {
            (Some(_), true) if !is_allowed => Some(ErasureResult::TooMany),
            (Some(visit), true) => {
                let limits = (self.body_timeout, &self.body_permits);
                match body::read(&head, &[FORM], body, limits).await {
                    Ok(form) => Some(self.erase_visit(visit, &form).await),
                    Err(rejection) => return rejection.response(),
                }
            }
            _ => None,
        };
        visitor_page::respond(&query, &head.headers, visit.as_ref(), erasure)
    }

    /// The form has the code that the page showed to this browser. No other site can read it, so no other site can send the form.
    async fn erase_visit(&self, visit: &ShownVisit, form: &[u8]) -> ErasureResult {
        let code = form_urlencoded::parse(form).find(|(name, _)| name == "code");
        if code.and_then(|(_, code)| code.parse().ok()) != Some(visit.code) {
            return ErasureResult::CodeMismatch;
        }
        let (erase, subject) = (self.erase.clone(), visit.preview.subject());
        tokio::task::spawn_blocking(move || erase(subject)).await.unwrap_or(ErasureResult::Failed)
    }

    /// Returns the holder of a sender's token, or `None` when the request has no token of ours.
    fn sender_token(
        &self,
        headers: &HeaderMap,
        connection: &ConnectionContext,
    ) -> Result<Option<Arc<TokenHolder>>, Rejection> {
        if !TokenVerifier::presents_token(headers) {
            return Ok(None);
        }
        let holder = self.tokens.authenticate(headers, connection.client_address(headers))?;
        match holder.filter(|holder| holder.role == Role::Sender) {
            Some(holder) => Ok(Some(holder)),
            None => Err(AuthError::NotASender.into()),
        }
    }

    /// Takes a token from the sender's bucket. Returns the visitor that the sender names.
    fn admit_sender<'a>(
        &self,
        headers: &HeaderMap,
        connection: &ConnectionContext,
        holder: &'a TokenHolder,
        now: Instant,
    ) -> Result<Sender<'a>, Rejection> {
        self.sender_limiter.acquire_named(&holder.name, now).map_err(Rejection::TooManyFromSender)?;
        let address = match headers.get(&X_FOOTFALL_ADDRESS) {
            Some(_) => single_address(headers, &X_FOOTFALL_ADDRESS),
            // A proxy writes the sender's own address there.
            None if connection.through_proxy() => None,
            None => single_address(headers, &X_FORWARDED_FOR),
        };
        Ok(Sender::Server { visitor: Peer::new(address.ok_or(Rejection::NoVisitor)?), holder })
    }

    /// Takes a token from the bucket of the client's address. Returns the address.
    fn admit(
        &self,
        headers: &HeaderMap,
        connection: &ConnectionContext,
        now: Instant,
    ) -> Result<Peer, Rejection> {
        let names_client = headers.contains_key(&X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        match (connection.through_proxy(), names_client) {
            (false, true) => self.refusals.note_untrusted_proxy(),
            (true, false) => self.refusals.note_silent_proxy(),
            _ => {}
        }
        let peer = Peer::new(connection.client_address(headers));
        self.address_limiter.acquire(&peer, now).map_err(Rejection::TooManyFromAddress)?;
        Ok(peer)
    }
}

/// The page of a pixel. Some clients send bytes as they stand in the page's links; those that are not UTF-8 stay percent-encoded.
pub fn pixel_referer(headers: &HeaderMap) -> Cow<'_, str> {
    let bytes = headers.get(REFERER).map(HeaderValue::as_bytes).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => percent_encode(bytes, CONTROLS).into(),
    }
}

fn random_page_load() -> u64 {
    getrandom::u64().expect("the system's random numbers do not fail after the start")
}

/// A request of HTTP/1.1 without `Host`, or with several, gets 400 (RFC 9112, section 3.2).
fn has_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}
