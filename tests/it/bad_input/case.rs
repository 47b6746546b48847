//! One bad request, and what the documentation says will be answered.

/// A word that bad requests carry wherever they can: no answer may repeat it.
pub const CANARY: &str = "zqxcanary";
/// A word that stands only in headers whose text must not reach the disk.
pub const HEADER_CANARY: &str = "zqxheader";
/// Stands for the page load's id in a body.
pub const PAGE_LOAD: &str = "$L";

/// A request and its documented answer.
pub struct Case {
    /// What is bad about it.
    pub name: String,
    /// What goes over the wire.
    pub request: Request,
    /// What must come back.
    pub expect: Expect,
}

/// What goes over the wire.
pub enum Request {
    /// `POST /b` with a browser's headers and this body.
    Body(Vec<u8>),
    /// `POST /b` with a browser's headers, these ones before them, and a body that is right.
    Headers(String),
    /// These bytes, with `$L` replaced; the connection's sending side is closed behind them.
    Raw(Vec<u8>),
}

/// What must come back.
#[derive(Debug, Clone)]
pub enum Expect {
    /// 204, and the event is stored once.
    Stored,
    /// 204, and nothing is stored.
    Dropped,
    /// 400 with this place in the error.
    At(&'static str),
    /// 400 with this place in the error, which was put together.
    AtField(String),
    /// This status.
    Status(u16),
    /// One of these, since HTTP leaves the choice.
    OneOf(&'static [u16]),
    /// 400, or the connection is closed without a word: it was not HTTP.
    NotHttp,
}

impl Case {
    /// A bad body.
    pub fn body(name: impl Into<String>, body: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self { name: name.into(), request: Request::Body(body.into()), expect }
    }

    /// A beacon whose only event is bad.
    pub fn event(name: impl Into<String>, event: &str, expect: Expect) -> Self {
        Self::body(name, beacon(event), expect)
    }

    /// Bad headers before a good body.
    pub fn headers(name: impl Into<String>, headers: impl Into<String>, expect: Expect) -> Self {
        Self { name: name.into(), request: Request::Headers(headers.into()), expect }
    }

    /// Bad bytes.
    pub fn raw(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self { name: name.into(), request: Request::Raw(bytes.into()), expect }
    }
}

/// A beacon of one event, given as JSON.
pub fn beacon(event: &str) -> String {
    format!(r#"{{"v":1,"s":"clinic","l":"{PAGE_LOAD}","e":[{event}]}}"#)
}

/// An event on a page of the site, with more fields.
pub fn on_page(fields: &str) -> String {
    format!(r#"{{"u":"https://clinic.example/hostile",{fields}}}"#)
}
