//! The test's own event: the row that is inserted and what the model reads are both made from it.

use footfall::event::{
    BotCategory, DeviceClass, EventKind, EventRow, ScreenClass, UniqueText, UnixDay, UnixSeconds,
};
use jiff::civil::Date;

/// What stays the same in all events of one client on one day, or of a part of them that counts as a bot's.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub visitor: u64,
    pub address: u64,
    pub epoch: u32,
    pub policy: &'static str,
    pub expires: u16,
    pub browser: &'static str,
    pub browser_version: &'static str,
    pub engine: &'static str,
    pub os: &'static str,
    pub os_version: &'static str,
    pub device: DeviceClass,
    pub bot: &'static str,
    pub bot_category: BotCategory,
    pub spoofed: bool,
    pub data_centre: bool,
    pub language: &'static str,
    pub timezone: &'static str,
    pub screen: ScreenClass,
    pub country: &'static str,
    pub region: &'static str,
    pub city: &'static str,
    pub asn: u32,
    pub network: &'static str,
    pub ip_version: u8,
    pub cookies_enabled: bool,
}

/// Where a view came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    pub referrer_host: &'static str,
    pub referrer_path: &'static str,
    pub source: &'static str,
    pub channel: &'static str,
    pub utm_source: &'static str,
    pub utm_medium: &'static str,
    pub utm_campaign: &'static str,
    pub utm_content: &'static str,
    pub utm_term: &'static str,
    pub click_id: &'static str,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct ScriptError {
    pub message: &'static str,
    pub source: &'static str,
    pub line: u32,
    pub column: u32,
    pub stack: &'static str,
    pub group: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Vitals {
    pub lcp_ms: Option<u32>,
    pub inp_ms: Option<u32>,
    pub cls: Option<f32>,
    pub fcp_ms: Option<u32>,
    pub ttfb_ms: Option<u32>,
    pub dns_ms: Option<u32>,
    pub connect_ms: Option<u32>,
    pub tls_ms: Option<u32>,
    pub load_ms: Option<u32>,
}

#[derive(Debug, Clone, Default)]
pub struct Event {
    pub page_load: u64,
    pub seq: u32,
    /// Unix time in s.
    pub time: i64,
    /// The day of `time` in the zone of the ledger.
    pub day: Date,
    pub received: i64,
    pub who: Identity,
    pub origin: Origin,
    pub host: &'static str,
    pub path: &'static str,
    pub query: &'static str,
    pub release: &'static str,
    pub kind: EventKind,
    pub name: &'static str,
    pub props: &'static [(&'static str, &'static str)],
    pub cookies: &'static [(&'static str, &'static str)],
    pub ad: &'static str,
    pub slot: &'static str,
    pub engaged_ms: u32,
    pub scroll_depth: u8,
    pub error: ScriptError,
    pub vitals: Vitals,
}

/// The value of a column, for filters.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValue {
    Text(String),
    /// One of a few words, which have no parts.
    Word(&'static str),
    /// `None` where nothing was measured.
    Number(Option<f64>),
    Id(u64),
    Flag(bool),
    /// Unix time in s.
    Moment(i64),
    /// Days since 1970.
    Day(u16),
}

impl Event {
    pub fn is_bot(&self) -> bool {
        !self.who.bot.is_empty()
    }

    /// Whether it opens a visit when no visit is under way.
    pub fn opens_visit(&self) -> bool {
        self.kind == EventKind::View || self.is_action()
    }

    /// Own events, outbound links, downloads and clicks on advertisements.
    pub fn is_action(&self) -> bool {
        match self.kind {
            EventKind::Event | EventKind::Outbound | EventKind::Download => true,
            EventKind::Ad => self.name == "click",
            _ => false,
        }
    }

    pub fn encode(&self, site: &str, out: &mut Vec<u8>) {
        let Self { who, origin, error, vitals, .. } = self;
        let row = EventRow {
            page_load: self.page_load,
            seq: self.seq,
            time: seconds(self.time),
            received: seconds(self.received),
            expires: UnixDay(who.expires),
            site,
            host: self.host,
            path: self.path,
            query: self.query,
            release: self.release,
            kind: self.kind,
            name: self.name,
            props: self.props,
            visitor: who.visitor,
            address: who.address,
            epoch: who.epoch,
            policy: who.policy,
            referrer_host: origin.referrer_host,
            referrer_path: origin.referrer_path,
            source: origin.source,
            channel: origin.channel,
            utm_source: origin.utm_source,
            utm_medium: origin.utm_medium,
            utm_campaign: origin.utm_campaign,
            utm_content: origin.utm_content,
            utm_term: origin.utm_term,
            click_id: origin.click_id,
            browser: who.browser,
            browser_version: who.browser_version,
            engine: who.engine,
            os: who.os,
            os_version: who.os_version,
            device: who.device,
            bot: who.bot,
            bot_category: who.bot_category,
            spoofed: who.spoofed,
            data_centre: who.data_centre,
            language: who.language,
            timezone: who.timezone,
            screen: who.screen,
            country: who.country,
            region: who.region,
            city: who.city,
            asn: who.asn,
            network: who.network,
            ip_version: who.ip_version,
            cookies_enabled: who.cookies_enabled,
            cookies: self.cookies,
            ad: self.ad,
            slot: self.slot,
            engaged_ms: self.engaged_ms,
            scroll_depth: self.scroll_depth,
            error_message: UniqueText(error.message),
            error_source: UniqueText(error.source),
            error_line: error.line,
            error_column: error.column,
            error_stack: UniqueText(error.stack),
            error_group: error.group,
            lcp_ms: vitals.lcp_ms,
            inp_ms: vitals.inp_ms,
            cls: vitals.cls,
            fcp_ms: vitals.fcp_ms,
            ttfb_ms: vitals.ttfb_ms,
            dns_ms: vitals.dns_ms,
            connect_ms: vitals.connect_ms,
            tls_ms: vitals.tls_ms,
            load_ms: vitals.load_ms,
        };
        row.encode(out);
    }

    /// The value of a column, or of an entry of a map; empty where the map has none.
    pub fn column(&self, name: &str, entry: Option<&str>) -> ColumnValue {
        if let Some(value) = self.who.column(name).or_else(|| self.origin.column(name)) {
            return value;
        }
        let Self { error, vitals, .. } = self;
        let map = |pairs: &[(&str, &str)]| {
            let found = pairs.iter().find(|(key, _)| Some(*key) == entry);
            text(found.map_or("", |(_, value)| value))
        };
        match name {
            "page_load" => ColumnValue::Id(self.page_load),
            "seq" => number(self.seq),
            "time" => ColumnValue::Moment(self.time),
            "received" => ColumnValue::Moment(self.received),
            "host" => text(self.host),
            "path" => text(self.path),
            "query" => text(self.query),
            "release" => text(self.release),
            "kind" => ColumnValue::Word(self.kind.name()),
            "name" => text(self.name),
            "props" => map(self.props),
            "cookies" => map(self.cookies),
            "ad" => text(self.ad),
            "slot" => text(self.slot),
            "engaged_ms" => number(self.engaged_ms),
            "scroll_depth" => number(self.scroll_depth.into()),
            "error_message" => text(error.message),
            "error_source" => text(error.source),
            "error_line" => number(error.line),
            "error_column" => number(error.column),
            "error_stack" => text(error.stack),
            "error_group" => ColumnValue::Id(error.group),
            "cls" => ColumnValue::Number(vitals.cls.map(decimal)),
            _ => ColumnValue::Number(vitals.time(name).map(f64::from)),
        }
    }
}

impl Identity {
    pub fn column(&self, name: &str) -> Option<ColumnValue> {
        Some(match name {
            "visitor" => ColumnValue::Id(self.visitor),
            "address" => ColumnValue::Id(self.address),
            "epoch" => number(self.epoch),
            "policy" => text(self.policy),
            "expires" => ColumnValue::Day(self.expires),
            "browser" => text(self.browser),
            "browser_version" => text(self.browser_version),
            "engine" => text(self.engine),
            "os" => text(self.os),
            "os_version" => text(self.os_version),
            "device" => ColumnValue::Word(self.device.name()),
            "bot" => text(self.bot),
            "bot_category" => ColumnValue::Word(self.bot_category.name()),
            "spoofed" => ColumnValue::Flag(self.spoofed),
            "data_centre" => ColumnValue::Flag(self.data_centre),
            "language" => text(self.language),
            "timezone" => text(self.timezone),
            "screen" => ColumnValue::Word(self.screen.name()),
            "country" => text(self.country),
            "region" => text(self.region),
            "city" => text(self.city),
            "asn" => number(self.asn),
            "network" => text(self.network),
            "ip_version" => number(self.ip_version.into()),
            "cookies_enabled" => ColumnValue::Flag(self.cookies_enabled),
            _ => return None,
        })
    }
}

impl Origin {
    pub fn column(&self, name: &str) -> Option<ColumnValue> {
        Some(text(match name {
            "referrer_host" => self.referrer_host,
            "referrer_path" => self.referrer_path,
            "source" => self.source,
            "channel" => self.channel,
            "utm_source" => self.utm_source,
            "utm_medium" => self.utm_medium,
            "utm_campaign" => self.utm_campaign,
            "utm_content" => self.utm_content,
            "utm_term" => self.utm_term,
            "click_id" => self.click_id,
            _ => return None,
        }))
    }
}

impl Vitals {
    /// The measure of a column in ms.
    pub fn time(&self, column: &str) -> Option<u32> {
        match column {
            "lcp_ms" => self.lcp_ms,
            "inp_ms" => self.inp_ms,
            "fcp_ms" => self.fcp_ms,
            "ttfb_ms" => self.ttfb_ms,
            "dns_ms" => self.dns_ms,
            "connect_ms" => self.connect_ms,
            "tls_ms" => self.tls_ms,
            "load_ms" => self.load_ms,
            _ => unreachable!("no column {column}"),
        }
    }
}

/// The number that a person would write for a short float: 0.1 for `0.1_f32`.
pub fn decimal(value: f32) -> f64 {
    value.to_string().parse().expect("a float prints as a number")
}

pub fn text(value: &str) -> ColumnValue {
    ColumnValue::Text(value.to_owned())
}

fn number(value: u32) -> ColumnValue {
    ColumnValue::Number(Some(value.into()))
}

fn seconds(time: i64) -> UnixSeconds {
    UnixSeconds::from_millis(time * 1000)
}
