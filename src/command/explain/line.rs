//! A JSON line: what a page, a browser and a visitor are, in plain words. It becomes the request that the script would send.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hyper::header::USER_AGENT;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::hints;
use super::request::{SampleRequest, add_header};

/// The name of an event that a line gives only properties for.
const SOME_EVENT: &str = "explain";

/// Its names are also those of the command's options.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExplainLine {
    site: Option<String>,
    url: Option<String>,
    referrer: String,
    ua: String,
    hints: Map<String, Value>,
    headers: BTreeMap<String, String>,
    ip: Option<IpAddr>,
    /// `navigator.maxTouchPoints`.
    touch_points: u8,
    /// Width and height in CSS px.
    screen: (u16, u16),
    /// `navigator.webdriver`.
    automated: bool,
    language: String,
    timezone: String,
    /// `data-release` of the script element.
    release: String,
    cookies: Map<String, Value>,
    /// Random id of the page load, in base 36.
    page_load: Option<String>,
    /// Number of the event within its page load.
    number: u32,
    #[serde(flatten)]
    what: WhatHappened,
}

/// One event. Its kind follows from the fields, unless it is given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WhatHappened {
    kind: Option<String>,
    age_ms: Value,
    /// Name of an own event.
    event: Option<String>,
    props: Value,
    ad: Option<String>,
    slot: Value,
    /// `impression`, `viewable` or `click`.
    action: Option<String>,
    outbound: Option<String>,
    download: Option<String>,
    resource: Option<String>,
    tag: Value,
    error: Option<String>,
    source: Value,
    line: Value,
    column: Value,
    stack: Value,
    engaged_ms: Value,
    scroll_depth: Value,
    /// `lcp`, `inp`, `cls` and so on.
    vitals: Map<String, Value>,
}

/// A line as a request, with what the request does not say.
pub(super) struct LineRequest {
    pub(super) request: SampleRequest,
    pub(super) ip: Option<IpAddr>,
}

/// What a line needs of the configuration.
pub(super) struct LineSite {
    /// Its id, or its signed name.
    pub(super) name: String,
    /// A page of it.
    pub(super) page: String,
    /// Whether it is in the configuration, not made up for a page on any host.
    pub(super) is_configured: bool,
}

impl ExplainLine {
    /// # Errors
    /// Names the field that is unknown or has a value of another type.
    pub(super) fn parse(fields: Map<String, Value>) -> Result<Self, String> {
        // A flattened struct cannot tell unknown fields. So they are looked for here.
        let known = FIELDS.iter().copied();
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(format!(
                "unknown field {unknown:?}; fields are {}",
                known.collect::<Vec<_>>().join(", ")
            ));
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
    }

    pub(super) fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// # Errors
    /// Names the field that cannot be sent.
    pub(super) fn into_request(self, site: &LineSite) -> Result<LineRequest, String> {
        let (script_hints, mut headers) = hints::read(&self.hints)?;
        if !self.ua.is_empty() {
            add_header(&mut headers, USER_AGENT.as_str().as_bytes(), self.ua.as_bytes())?;
        }
        for (name, value) in &self.headers {
            add_header(&mut headers, name.as_bytes(), value.as_bytes())?;
        }
        let mut event = self.what.event();
        event.insert("u".to_owned(), self.url.as_deref().unwrap_or(&site.page).into());
        event.insert("r".to_owned(), self.referrer.into());
        let page_load = self.page_load.map_or_else(|| json!(fastrand::f64()), Value::from);
        let mut beacon = json!({
            "v": 1, "s": site.name, "l": page_load, "o": self.number, "w": self.screen.0, "h": self.screen.1,
            "g": self.language, "z": self.timezone, "rel": self.release, "c": true, "t": self.touch_points, "b": self.automated,
            "ck": self.cookies, "e": [event],
        });
        if !script_hints.is_empty() {
            beacon["ch"] = script_hints.into();
        }
        Ok(LineRequest {
            request: SampleRequest::beacon(headers, beacon.to_string().into_bytes()),
            ip: self.ip,
        })
    }
}

impl WhatHappened {
    /// The event as the script writes it.
    fn event(self) -> Map<String, Value> {
        let has = |value: &Value| !value.is_null();
        let given = self.kind.as_deref();
        let kind = given.unwrap_or(match () {
            () if self.error.is_some() || has(&self.stack) => "error",
            () if self.ad.is_some() => "ad",
            () if self.event.is_some() || has(&self.props) => "event",
            () if self.outbound.is_some() => "outbound",
            () if self.download.is_some() => "download",
            () if self.resource.is_some() => "resource",
            () if !self.vitals.is_empty() => "vitals",
            () if has(&self.engaged_ms) || has(&self.scroll_depth) => "leave",
            () => "view",
        });
        let name = match kind {
            "event" => self.event.or_else(|| Some(SOME_EVENT.to_owned())),
            "ad" => self.action.or_else(|| Some("viewable".to_owned())),
            "outbound" => self.outbound,
            "download" => self.download,
            "resource" => self.resource,
            _ => None,
        };
        let mut event = self.vitals;
        let fields = [
            ("k", kind.into()),
            ("a", self.age_ms),
            ("n", name.into()),
            ("p", self.props),
            ("ad", self.ad.into()),
            ("slot", self.slot),
            ("ms", self.engaged_ms),
            ("sd", self.scroll_depth),
            ("m", self.error.into()),
            ("f", self.source),
            ("ln", self.line),
            ("col", self.column),
            ("st", self.stack),
            ("tag", self.tag),
        ];
        event.extend(
            fields.into_iter().filter(|(_, value)| has(value)).map(|(name, value)| (name.to_owned(), value)),
        );
        event
    }
}

/// The fields of a line.
pub(super) const FIELDS: [&str; 35] = [
    "site",
    "url",
    "referrer",
    "ua",
    "hints",
    "headers",
    "ip",
    "touch_points",
    "screen",
    "automated",
    "language",
    "timezone",
    "release",
    "cookies",
    "page_load",
    "number",
    "kind",
    "age_ms",
    "event",
    "props",
    "ad",
    "slot",
    "action",
    "outbound",
    "download",
    "resource",
    "tag",
    "error",
    "source",
    "line",
    "column",
    "stack",
    "engaged_ms",
    "scroll_depth",
    "vitals",
];
