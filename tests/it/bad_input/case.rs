//! One bad request and its documented answer.

/// A word that every bad request contains where it can. No answer may repeat it.
pub const CANARY: &str = "zqxcanary";
/// A word that is only in headers whose text must not reach the disk.
pub const HEADER_CANARY: &str = "zqxheader";
/// Placeholder for the page load's id in a body.
pub const PAGE_LOAD: &str = "$L";

pub struct Case {
    /// What is bad about it.
    pub name: String,
    pub request: Request,
    pub expect: Expect,
}

pub enum Request {
    /// `POST /b` with a browser's headers and this body.
    Body(Vec<u8>),
    /// `POST /b` with these headers, then a browser's headers, and a good body.
    Headers(String),
    /// These bytes, with `$L` replaced. Then the sending side of the connection is closed.
    Raw(Vec<u8>),
}

#[derive(Debug, Clone)]
pub enum Expect {
    /// 204, and the event is stored once.
    Stored,
    /// 204, and nothing is stored.
    Dropped,
    /// 204, and the only event is left out: the header names this path.
    EventLeftOut(String),
    /// 204, and the event is stored without the field of this path.
    FieldLeftOut(String),
    /// 204, and the first event is stored. Another one is dropped for this reason.
    FirstStored(&'static str),
    /// 400 with this path in the error.
    At(&'static str),
    Status(u16),
    /// One of these: HTTP allows each.
    OneOf(&'static [u16]),
    /// 400, or the connection is closed without an answer: the request was not HTTP.
    NotHttp,
}

impl Case {
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
