//! The state of the entry, and the facts about one request.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

use super::share_passwords::SharePasswords;
use crate::access::{Principal, Sessions, ShareVerifier};
use crate::operator::auth::Auth;
use crate::report::Reports;
use crate::transport::Body;
use crate::transport::negotiation::Language;

/// The files of the page are the same for everybody, and the form of sign-in needs them.
pub(super) const ASSETS: &str = "/assets/";

/// What comes before each path of the page, as an extension of an admitted request: `/share/TOKEN`. Without one, nothing does.
#[derive(Debug, Clone)]
pub struct PageBase(pub String);

pub struct ReportsEntry {
    pub(super) auth: Auth,
    pub(super) sessions: Sessions,
    pub(super) shares: SharePasswords,
    pub(super) reports: Arc<Reports>,
}

/// The result of admission.
pub(in crate::operator) enum Admission {
    Admitted(Request<Incoming>, Principal),
    Answered(Response<Body>),
}

impl From<Response<Body>> for Admission {
    fn from(response: Response<Body>) -> Self {
        Self::Answered(response)
    }
}

/// Facts about the browser that sent a request.
pub(super) struct BrowserRequest {
    pub(super) language: Language,
    /// The address of the client, for limits on attempts.
    pub(super) client: IpAddr,
    /// Whether cookies need the attribute `Secure`.
    pub(super) is_encrypted: bool,
}

impl ReportsEntry {
    /// `reports` knows the sites that links may be made for.
    pub fn new(auth: Auth, verifier: Arc<ShareVerifier>, reports: Arc<Reports>) -> Arc<Self> {
        let (sessions, shares) = (Sessions::default(), SharePasswords::new(verifier));
        Arc::new(Self { auth, sessions, shares, reports })
    }
}
