//! The columns of table `events`, in the order in which they are written to disk and to ClickHouse.

use super::column::{ColumnValue, TextPairs, UniqueText};
use super::date::{UnixDay, UnixSeconds};
use super::kind::{BotCategory, DeviceClass, EventKind, ScreenClass};
use super::native::NativeColumn;

/// Removes one value of a column from the front of encoded rows; `None` when the bytes end before the value does.
pub(crate) type ReadColumnValue = fn(&mut &[u8]) -> Option<serde_json::Value>;

/// What `docs/fields.md` says about a column, besides its name.
#[cfg(test)]
pub(crate) struct ColumnDescription {
    pub(crate) name: &'static str,
    /// The type in ClickHouse.
    pub(crate) sql_type: String,
    pub(crate) meaning: &'static str,
    pub(crate) unit: &'static str,
    /// Which part of the request or of the collector the value comes from.
    pub(crate) from: &'static str,
    /// Clause of the privacy policy (`docs/policy.md`).
    pub(crate) clause: &'static str,
    pub(crate) example: &'static str,
}

/// Declares the row once: its fields, their order, their encoding and the table of `docs/fields.md` follow from it.
macro_rules! row {
    ($(
        #[doc = $meaning:literal]
        $name:ident: $type:ty [unit $unit:literal, from $from:literal, clause $clause:literal, example $example:literal],
    )*) => {
        /// One event as it is stored. The stages that make its texts scrub and bound them.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct EventRow<'a> {
            $(#[doc = $meaning] pub $name: $type,)*
        }

        /// Names of the columns in the order of [`EventRow::encode`].
        pub const COLUMNS: &[&str] = &[$(stringify!($name)),*];

        /// How to read a column's value from encoded rows; `None` when the row has no such column.
        pub(crate) fn column_reader(column: &str) -> Option<ReadColumnValue> {
            readers().into_iter().find(|(name, _)| *name == column).map(|(_, read)| read)
        }

        // The column types use the lifetime only in the body.
        #[allow(clippy::extra_unused_lifetimes)]
        fn readers<'a>() -> [(&'static str, ReadColumnValue); COLUMNS.len()] {
            [$((stringify!($name), <$type as ColumnValue>::read as ReadColumnValue)),*]
        }

        /// The ClickHouse type of a column and an empty column for about `rows` values; `None` when the row has no such column.
        #[allow(clippy::extra_unused_lifetimes)]
        pub(super) fn native_column<'a>(column: &str, rows: usize) -> Option<(String, Box<dyn NativeColumn>)> {
            $(if column == stringify!($name) {
                return Some((<$type as ColumnValue>::sql_type(), Box::new(<$type as ColumnValue>::native_column(rows))));
            })*
            None
        }

        /// Name and ClickHouse type of each column, in order.
        #[allow(clippy::extra_unused_lifetimes)]
        pub(crate) fn column_definitions<'a>() -> impl Iterator<Item = (&'static str, String)> {
            [$((stringify!($name), <$type as ColumnValue>::sql_type())),*].into_iter()
        }

        /// The columns as `docs/fields.md` lists them.
        #[cfg(test)]
        #[allow(clippy::extra_unused_lifetimes)]
        pub(crate) fn column_descriptions<'a>() -> Vec<ColumnDescription> {
            vec![$(ColumnDescription {
                name: stringify!($name),
                sql_type: <$type as ColumnValue>::sql_type(),
                meaning: $meaning.trim_ascii(),
                unit: $unit,
                from: $from,
                clause: $clause,
                example: $example,
            }),*]
        }

        impl EventRow<'_> {
            /// Appends the row in RowBinary.
            pub fn encode(&self, out: &mut Vec<u8>) {
                $(self.$name.encode(out);)*
            }

            /// Calls `visit` with each column's name and value, in order.
            pub fn for_each_column(&self, mut visit: impl FnMut(&'static str, serde_json::Value)) {
                $(visit(stringify!($name), self.$name.to_json());)*
            }
        }
    };
}

row! {
    /// Pseudonym of the page load: HMAC of site and its random id. With `seq`, it is the identity of the event.
    page_load: u64 [unit "–", from "privacy", clause "1.8, 3.4", example "13208497263410553"],
    /// Orders the events of a page load in an epoch: their numbers, counted from a random start.
    seq: u32 [unit "–", from "privacy", clause "3.3", example "1204398711"],
    /// Access time: `received` minus the event's age, which the script reports, within the day of the epoch.
    time: UnixSeconds [unit "s", from "collector, script", clause "3.3 (access time)", example "2026-11-22 09:14:03"],
    /// When the collector received the beacon.
    received: UnixSeconds [unit "s", from "collector", clause "3.3", example "2026-11-22 09:14:04"],
    /// Last day on which the row is kept: day of receipt plus `retention`. The TTL deletes the row then.
    expires: UnixDay [unit "day", from "configuration", clause "5.1", example "2027-12-27"],
    /// Site id of the configuration.
    site: &'a str [unit "–", from "configuration", clause "3.3", example "clinic"],
    /// Host of the page, lower case, in Unicode. It is one of the site's hosts.
    host: &'a str [unit "–", from "page address", clause "3.3 (page address)", example "clinic.example"],
    /// Path of the page, decoded. Personal data is `:email`, `:phone`, `:uuid`, `:number`, `:token`, `:name` or `:address`.
    path: &'a str [unit "–", from "page address", clause "3.3 (page address), 3.2", example "/doctors/cardiology-2"],
    /// Allow-listed query parameters, decoded as paths are, scrubbed; a blank is `+`.
    query: &'a str [unit "–", from "page address", clause "3.3 (page address), 3.2", example "utm_source=yandex"],
    /// Release of the site's pages, by `data-release`. It is the site's own text and not scrubbed (`docs/wire.md`).
    release: &'a str [unit "–", from "script element", clause "4 (technical support)", example "2026.11.27-1"],
    /// What happened: `view`, `leave`, `event`, `ad`, `outbound`, `download`, `error`, `resource`, `vitals`, `missing`.
    kind: EventKind [unit "–", from "script", clause "3.3", example "view"],
    /// Own events: their name. Ads: the action. Outbound links, downloads, resources: host and path.
    name: &'a str [unit "–", from "script", clause "3.3 (advertising blocks)", example "booking"],
    /// Properties of own events, scrubbed; numbers have few digits. For resources: the element as `tag`.
    props: TextPairs<'a> [unit "–", from "script", clause "3.3, 3.2", example "{'service':'mri'}"],
    /// Pseudonym: first 8 bytes of HMAC-SHA256 of site, address and user agent under the epoch's key.
    visitor: u64 [unit "–", from "privacy", clause "1.8, 3.4", example "9921337734514098347"],
    /// Pseudonym of the IP address on this site (IPv6: of its /64; 6to4: of its /48).
    address: u64 [unit "–", from "privacy", clause "1.8, 3.3 (IP address), 3.4", example "2216345190042263091"],
    /// When the key in use came into force. Pseudonyms of different epochs cannot be compared.
    epoch: u32 [unit "Unix s", from "privacy", clause "1.8", example "1795309200"],
    /// Version of the privacy policy in force.
    policy: &'a str [unit "–", from "configuration", clause "9.1", example "2026-11-22"],
    /// Host of the referrer, lower case, in Unicode, without `www.`; or the app; empty without a referrer.
    referrer_host: &'a str [unit "–", from "referrer", clause "3.3 (referrer)", example "yandex.ru"],
    /// Path of the referrer, decoded and scrubbed; never its query.
    referrer_path: &'a str [unit "–", from "referrer", clause "3.3 (referrer), 3.2", example "/"],
    /// Traffic source, by campaign, click id or referrer.
    source: &'a str [unit "–", from "enrich", clause "3.4", example "Yandex"],
    /// Class of the source (`docs/sources.md`).
    channel: &'a str [unit "–", from "enrich", clause "3.4", example "Organic Search"],
    /// Campaign parameter, if the site keeps it.
    utm_source: &'a str [unit "–", from "page address", clause "3.4", example "yandex"],
    /// Campaign parameter, if the site keeps it.
    utm_medium: &'a str [unit "–", from "page address", clause "3.4", example "cpc"],
    /// Campaign parameter, if the site keeps it.
    utm_campaign: &'a str [unit "–", from "page address", clause "3.4", example "spring-checkup"],
    /// Campaign parameter, if the site keeps it.
    utm_content: &'a str [unit "–", from "page address", clause "3.4", example "banner-2"],
    /// Campaign parameter, if the site keeps it.
    utm_term: &'a str [unit "–", from "page address", clause "3.4", example "mri"],
    /// Name of an advertiser's click-id parameter, such as `gclid`; never its value.
    click_id: &'a str [unit "–", from "page address", clause "3.4", example "yclid"],
    /// Browser family.
    browser: &'a str [unit "–", from "user agent, client hints", clause "3.3 (browser information)", example "Chrome"],
    /// Major version of the browser.
    browser_version: &'a str [unit "–", from "user agent, client hints", clause "3.3 (browser information)", example "142"],
    /// Rendering engine.
    engine: &'a str [unit "–", from "user agent", clause "3.3 (browser information)", example "Blink"],
    /// Operating system.
    os: &'a str [unit "–", from "user agent, client hints", clause "3.3 (browser information)", example "Android"],
    /// Major version of the operating system.
    os_version: &'a str [unit "–", from "user agent, client hints", clause "3.3 (browser information)", example "15"],
    /// `desktop`, `mobile`, `tablet`, `bot` or `other`.
    device: DeviceClass [unit "–", from "user agent, client hints", clause "3.3 (browser information)", example "mobile"],
    /// Name of the bot; `referrer spam` for a visit that only advertises its referrer; empty for people.
    bot: &'a str [unit "–", from "user agent, automation, referrer", clause "3.4", example "Googlebot"],
    /// What the bot is for (see below); empty if and only if `bot` is empty.
    bot_category: BotCategory [unit "–", from "user agent, automation, referrer", clause "3.4", example "search"],
    /// The client hints contradict the user agent. Browser and system are then empty (`docs/browser.md`).
    spoofed: bool [unit "–", from "user agent, client hints", clause "3.4, 4 (technical support)", example "false"],
    /// The address is in a data centre's network, by its AS number; false when the network is unknown.
    data_centre: bool [unit "–", from "geo file, list of networks", clause "3.4, 4 (technical support)", example "false"],
    /// Preferred language.
    language: &'a str [unit "BCP 47", from "script", clause "3.3 (browser information)", example "ru-RU"],
    /// Time zone of the browser.
    timezone: &'a str [unit "IANA", from "script", clause "3.3 (browser information)", example "Europe/Moscow"],
    /// Class of the screen's width in CSS px; empty when unknown.
    screen: ScreenClass [unit "CSS px", from "script", clause "3.3 (browser information)", example "under 600"],
    /// Country of the address; empty when unknown.
    country: &'a str [unit "ISO 3166-1", from "geo file", clause "3.4", example "RU"],
    /// First subdivision of the country; empty when unknown.
    region: &'a str [unit "–", from "geo file", clause "3.4", example "Moscow"],
    /// City of the address; empty when unknown.
    city: &'a str [unit "–", from "geo file", clause "3.4", example "Moscow"],
    /// Number of the autonomous system; 0 when unknown.
    asn: u32 [unit "–", from "geo file", clause "3.4", example "12389"],
    /// Organisation of the autonomous system; empty when unknown.
    network: &'a str [unit "–", from "geo file", clause "3.4", example "PJSC Rostelecom"],
    /// 4 or 6.
    ip_version: u8 [unit "–", from "connection", clause "3.4", example "4"],
    /// Whether the browser accepts cookies.
    cookies_enabled: bool [unit "–", from "script", clause "3.3 (cookie information)", example "true"],
    /// Allow-listed cookies: `1` for presence, 16 hexadecimal digits of an HMAC, or the scrubbed value.
    cookies: TextPairs<'a> [unit "–", from "script, header", clause "1.7, 3.3 (cookie information)", example "{'ab':'B'}"],
    /// Campaign of the advertising block.
    ad: &'a str [unit "–", from "script", clause "3.3 (advertising blocks)", example "spring-checkup"],
    /// Slot of the advertising block.
    slot: &'a str [unit "–", from "script", clause "3.3 (advertising blocks)", example "top"],
    /// `leave`: time visible, focused and in use since the view or the last `leave`. Add them up.
    engaged_ms: u32 [unit "ms", from "script", clause "3.4", example "31000"],
    /// `leave`: deepest scroll position, in % of the page's height.
    scroll_depth: u8 [unit "%", from "script", clause "3.4", example "80"],
    /// Message of a script error, scrubbed.
    error_message: UniqueText<'a> [unit "–", from "script", clause "4 (technical support), 3.2", example "TypeError: x is undefined"],
    /// Host and path of the failing script, scrubbed.
    error_source: UniqueText<'a> [unit "–", from "script", clause "4 (technical support)", example "clinic.example/static/booking.js"],
    /// Line; 0 when unknown.
    error_line: u32 [unit "from 1", from "script", clause "4 (technical support)", example "218"],
    /// Column; 0 when unknown.
    error_column: u32 [unit "from 1", from "script", clause "4 (technical support)", example "31"],
    /// Stack, scrubbed.
    error_stack: UniqueText<'a> [unit "–", from "script", clause "4 (technical support), 3.2", example "at renderSlots (…)"],
    /// The same for errors that differ only by values in their texts.
    error_group: u64 [unit "–", from "collector", clause "4 (technical support)", example "7716250213301"],
    /// `vitals`: Largest Contentful Paint.
    lcp_ms: Option<u32> [unit "ms", from "PerformanceObserver", clause "4 (technical support)", example "1840"],
    /// `vitals`: Interaction to Next Paint.
    inp_ms: Option<u32> [unit "ms", from "PerformanceObserver", clause "4 (technical support)", example "96"],
    /// `vitals`: Cumulative Layout Shift.
    cls: Option<f32> [unit "–", from "PerformanceObserver", clause "4 (technical support)", example "0.031"],
    /// `vitals`: First Contentful Paint.
    fcp_ms: Option<u32> [unit "ms", from "PerformanceObserver", clause "4 (technical support)", example "1120"],
    /// `vitals`: Time to First Byte.
    ttfb_ms: Option<u32> [unit "ms", from "Navigation Timing", clause "4 (technical support)", example "310"],
    /// `vitals`: name look-up of the navigation.
    dns_ms: Option<u32> [unit "ms", from "Navigation Timing", clause "4 (technical support)", example "12"],
    /// `vitals`: TCP connection of the navigation.
    connect_ms: Option<u32> [unit "ms", from "Navigation Timing", clause "4 (technical support)", example "28"],
    /// `vitals`: TLS handshake of the navigation.
    tls_ms: Option<u32> [unit "ms", from "Navigation Timing", clause "4 (technical support)", example "36"],
    /// `vitals`: from the navigation's start to the end of the load event.
    load_ms: Option<u32> [unit "ms", from "Navigation Timing", clause "4 (technical support)", example "2460"],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_starts_with_what_the_spool_reads() {
        let row = EventRow {
            page_load: 0x0102_0304_0506_0708,
            seq: 11,
            received: UnixSeconds(9),
            expires: UnixDay(10),
            ..EventRow::default()
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(bytes[..12], [8, 7, 6, 5, 4, 3, 2, 1, 11, 0, 0, 0]);
        assert_eq!(bytes[16..22], [9, 0, 0, 0, 10, 0]);
    }

    #[test]
    fn every_column_has_a_name_and_a_value() {
        let mut names = Vec::new();
        EventRow::default().for_each_column(|name, _| names.push(name));
        assert_eq!(names, COLUMNS);
    }
}
