//! Referrer, campaign and click id in; the name of the source and its channel out.
//!
//! `docs/sources.md` describes the rules. `sources.tsv` lists search engines, social networks, mail services and so on, by their hosts and
//! their apps. A referrer on the site's own domain is not a source.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::table;
use crate::event::names;
use crate::privacy::scrub::Campaign;

/// Name of the source of a visit without one.
const DIRECT: &str = "Direct";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficSource<'a> {
    /// `Google`, the given `utm_source`, the referrer's host, or `Direct`.
    pub name: &'a str,
    /// One of the channels of `docs/sources.md`.
    pub channel: &'static str,
}

/// Where a link to a page was. Texts are in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferrerOrigin<'a> {
    /// A host; empty without a referrer.
    Site(&'a str),
    /// An app, with the host of the page that it showed, or an empty one.
    App { id: &'a str, host: &'a str },
}

impl<'a> ReferrerOrigin<'a> {
    /// Host without `www.`, or the app's id; empty for a referrer on the page's own domain.
    fn name(self, page_host: &str) -> &'a str {
        match self {
            Self::Site(host) if is_internal(without_www(host), without_www(page_host)) => "",
            Self::Site(host) => without_www(host),
            Self::App { id, .. } => id,
        }
    }

    fn known(self) -> Option<KnownSource> {
        match self {
            Self::Site(host) => by_host(without_www(host)),
            Self::App { id, host } => by_app(id).or_else(|| by_host(without_www(host))),
        }
    }
}

/// Whether an app is in the table. The id of such an app is public.
pub fn is_known_app(id: &str) -> bool {
    by_app(id).is_some()
}

/// The source and the channel of a view. The page's host is in lower case.
pub fn traffic_source<'a>(
    referrer: ReferrerOrigin<'a>,
    page_host: &str,
    campaign: &'a Campaign<'_>,
    click_id: &str,
) -> TrafficSource<'a> {
    let from = referrer.name(page_host);
    let medium = lower(&campaign.medium);
    let clicked = SOURCES.clicks.get(click_id);
    let named = (!campaign.source.is_empty()).then(|| by_name(&lower(&campaign.source)));
    let origin = match (named, clicked) {
        (Some(known), _) => known,
        (None, Some(click)) => Some(*click),
        (None, None) if from.is_empty() => None,
        (None, None) => referrer.known(),
    };
    let name = match (origin, &*campaign.source, from) {
        (Some(origin), _, _) => origin.name,
        (None, "", "") => DIRECT,
        (None, "", from) => from,
        (None, given, _) => given,
    };
    let is_campaign =
        !(campaign.source.is_empty() && campaign.medium.is_empty() && campaign.campaign.is_empty());
    let known = ChannelSignals {
        class: origin.map(|origin| origin.class),
        is_paid: clicked.is_some_and(|click| click.is_paid) || is_paid_medium(&medium),
        medium: &medium,
        campaign: &lower(&campaign.campaign),
        has_referrer: !from.is_empty(),
        is_campaign,
    };
    TrafficSource { name, channel: channel(&known) }
}

struct ChannelSignals<'a> {
    class: Option<SourceClass>,
    is_paid: bool,
    medium: &'a str,
    campaign: &'a str,
    has_referrer: bool,
    is_campaign: bool,
}

/// The channel of the first rule that matches, in the order of Google Analytics 4's default channel group.
fn channel(known: &ChannelSignals<'_>) -> &'static str {
    let medium = known.medium;
    if known.campaign.contains("cross-network") {
        return "Cross-network";
    }
    if matches!(medium, "display" | "banner" | "expandable" | "interstitial" | "cpm" | "rtb") {
        return "Display";
    }
    if known.is_paid {
        return match known.class {
            Some(SourceClass::Search) => "Paid Search",
            Some(SourceClass::Social) => "Paid Social",
            Some(SourceClass::Video) => "Paid Video",
            Some(SourceClass::Shopping) => "Paid Shopping",
            Some(SourceClass::Display) => "Display",
            _ => "Paid Other",
        };
    }
    match known.class {
        Some(SourceClass::Mail) => return "Email",
        Some(SourceClass::Assistant) => return "AI Assistant",
        Some(SourceClass::Display) => return "Display",
        _ => {}
    }
    match medium {
        "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" => return "Email",
        "affiliate" | "affiliates" | "partner" => return "Affiliates",
        "sms" => return "SMS",
        "push" | "web-push" | "notification" => return "Mobile Push Notifications",
        "audio" | "podcast" => return "Audio",
        "social" | "social-network" | "social-media" | "sm" | "social network" | "social media" | "smm" => {
            return "Organic Social";
        }
        "video" => return "Organic Video",
        _ => {}
    }
    match known.class {
        Some(SourceClass::Shopping) => "Organic Shopping",
        Some(SourceClass::Social) => "Organic Social",
        Some(SourceClass::Video) => "Organic Video",
        Some(SourceClass::Search) => "Organic Search",
        Some(SourceClass::News) => "News",
        _ if medium == "organic" => "Organic Search",
        _ if known.has_referrer || matches!(medium, "referral" | "app" | "link") => "Referral",
        _ if known.is_campaign => "Unassigned",
        _ => "Direct",
    }
}

/// GA4's rule for paid media, and Yandex Direct's usual words.
fn is_paid_medium(medium: &str) -> bool {
    medium.starts_with("paid")
        || medium.contains("cp")
        || matches!(medium, "ppc" | "retargeting" | "ads" | "direct-ads")
}

names! {
    /// Kinds of sources, as `sources.tsv` names them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum SourceClass {
        Search => "search",
        Social => "social",
        Video => "video",
        Mail => "mail",
        Assistant => "assistant",
        News => "news",
        Shopping => "shopping",
        Display => "display",
        Referral => "referral",
    }
}

#[derive(Debug, Clone, Copy)]
struct KnownSource {
    name: &'static str,
    class: SourceClass,
    is_paid: bool,
}

#[derive(Default)]
struct SourceTable {
    /// Hosts, with all their subdomains.
    hosts: HashMap<&'static str, KnownSource, foldhash::fast::RandomState>,
    /// Hosts under any top-level domain, without that domain: `google` of `google.*`.
    families: HashMap<&'static str, KnownSource, foldhash::fast::RandomState>,
    /// Apps: packages of Android, numbers of iOS.
    apps: HashMap<&'static str, KnownSource, foldhash::fast::RandomState>,
    /// Values of `utm_source`, lower case.
    names: HashMap<&'static str, KnownSource, foldhash::fast::RandomState>,
    /// Click-id parameters.
    clicks: HashMap<&'static str, KnownSource, foldhash::fast::RandomState>,
}

static SOURCES: LazyLock<SourceTable> = LazyLock::new(|| {
    let mut table = SourceTable::default();
    for (kind, key, origin) in rows() {
        match (kind, key.strip_suffix(".*")) {
            ("host", Some(family)) => table.families.insert(family, origin),
            ("host", None) => table.hosts.insert(key, origin),
            ("app", _) => table.apps.insert(key, origin),
            ("utm", _) => table.names.insert(key, origin),
            _ => table.clicks.insert(key, origin),
        };
    }
    table
});

/// A test finds wrong rows.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, KnownSource)> {
    let lines = table::rows(include_str!("sources.tsv"));
    lines.filter_map(|line| {
        let mut cells = line.split('\t');
        let (kind, key, name, class) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        let (class, is_paid) = match class.strip_prefix("paid-") {
            Some(class) => (class, true),
            None => (class, false),
        };
        Some((kind, key, KnownSource { name, class: SourceClass::from_name(class)?, is_paid }))
    })
}

fn by_name(name: &str) -> Option<KnownSource> {
    SOURCES.names.get(name).copied().or_else(|| {
        if name.contains('.') { by_app(name).or_else(|| by_host(without_www(name))) } else { None }
    })
}

/// The source of an app. Some apps give the host of their site in place of their package.
fn by_app(id: &str) -> Option<KnownSource> {
    SOURCES.apps.get(id).copied().or_else(|| by_host(without_www(id)))
}

/// The source of a host: the longest entry that is the host or one of its parent domains.
fn by_host(host: &str) -> Option<KnownSource> {
    let family = &host[..host.len() - top_level(host)];
    let mut from = 0;
    loop {
        if let Some(origin) = SOURCES.hosts.get(&host[from..]) {
            return Some(*origin);
        }
        if let Some(origin) = family.get(from..).and_then(|family| SOURCES.families.get(family)) {
            return Some(*origin);
        }
        from += host[from..].find('.')? + 1;
    }
}

/// Bytes of the top-level domain with its dot: `.ru`, `.co.uk`, `.com.tr`.
fn top_level(host: &str) -> usize {
    let Some(last) = host.rfind('.') else { return 0 };
    let second = host[..last].rfind('.').map_or(0, |dot| dot + 1);
    let is_country = host.len() - last == 3;
    let start = if is_country && second > 0 && matches!(&host[second..last], "co" | "com" | "org" | "net") {
        second - 1
    } else {
        last
    };
    host.len() - start
}

/// Whether a referrer is on the page's registrable domain.
fn is_internal(referrer: &str, page: &str) -> bool {
    if referrer.is_empty() || referrer == page {
        return true;
    }
    match (psl::domain_str(referrer), psl::domain_str(page)) {
        (Some(referrer), Some(page)) => referrer == page,
        _ => false,
    }
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// Trimmed and in lower case; borrowed when it is so already.
fn lower(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::scrub::CLICK_IDS;

    fn campaign(source: &'static str, medium: &'static str) -> Campaign<'static> {
        Campaign { source: source.into(), medium: medium.into(), ..Campaign::default() }
    }

    #[test]
    fn the_data_file_is_whole() {
        let lines: Vec<_> = table::rows(include_str!("sources.tsv")).collect();
        assert_eq!(rows().count(), lines.len(), "a row was not understood");
        let keys: std::collections::HashSet<_> = rows().map(|(kind, key, _)| (kind, key)).collect();
        assert_eq!(keys.len(), lines.len(), "a key stands twice");
        for (kind, key, _) in rows() {
            assert!(matches!(kind, "host" | "app" | "utm" | "click"), "{kind}");
            assert!(kind == "click" || !key.bytes().any(|byte| byte.is_ascii_uppercase()), "{key}");
        }
        for id in CLICK_IDS {
            assert!(SOURCES.clicks.contains_key(id), "{id}");
        }
    }

    #[test]
    fn referrers_have_names_and_channels() {
        for (referrer, name, channel) in [
            ("", "Direct", "Direct"),
            ("www.google.com", "Google", "Organic Search"),
            ("google.co.uk", "Google", "Organic Search"),
            ("yandex.ru", "Yandex", "Organic Search"),
            ("ya.ru", "Yandex", "Organic Search"),
            ("mail.yandex.ru", "Yandex Mail", "Email"),
            ("go.mail.ru", "Mail.ru Search", "Organic Search"),
            ("e.mail.ru", "Mail.ru", "Email"),
            ("nova.rambler.ru", "Rambler", "Organic Search"),
            ("away.vk.com", "VK", "Organic Social"),
            ("m.vk.com", "VK", "Organic Social"),
            ("ok.ru", "Odnoklassniki", "Organic Social"),
            ("t.me", "Telegram", "Organic Social"),
            ("web.telegram.org", "Telegram", "Organic Social"),
            ("dzen.ru", "Dzen", "News"),
            ("l.facebook.com", "Facebook", "Organic Social"),
            ("youtube.com", "YouTube", "Organic Video"),
            ("rutube.ru", "RuTube", "Organic Video"),
            ("chatgpt.com", "ChatGPT", "AI Assistant"),
            ("mail.google.com", "Gmail", "Email"),
            ("gemini.google.com", "Gemini", "AI Assistant"),
            ("google.evil.example", "google.evil.example", "Referral"),
            ("www.partner.example", "partner.example", "Referral"),
            ("localhost", "localhost", "Referral"),
        ] {
            let campaign = Campaign::default();
            let found = traffic_source(ReferrerOrigin::Site(referrer), "clinic.example", &campaign, "");
            assert_eq!((found.name, found.channel), (name, channel), "{referrer}");
        }
    }

    #[test]
    fn the_site_s_own_domain_is_no_source() {
        let none = Campaign::default();
        for (referrer, page) in [
            ("clinic.example", "clinic.example"),
            ("www.clinic.example", "clinic.example"),
            ("booking.clinic.example", "www.clinic.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(
                traffic_source(ReferrerOrigin::Site(referrer), page, &none, "").channel,
                "Direct",
                "{referrer} to {page}"
            );
        }
        let other = ReferrerOrigin::Site("one.github.io");
        assert_eq!(traffic_source(other, "two.github.io", &none, "").channel, "Referral");
    }

    #[test]
    fn campaigns_and_clicks_decide_over_the_referrer() {
        for (given, click_id, referrer, name, channel) in [
            (campaign("google", "cpc"), "", "", "Google", "Paid Search"),
            (campaign("Yandex", "CPC"), "", "yandex.ru", "Yandex", "Paid Search"),
            (campaign("", ""), "gclid", "www.google.com", "Google", "Paid Search"),
            (campaign("", ""), "yclid", "", "Yandex", "Paid Search"),
            (campaign("", ""), "ysclid", "yandex.ru", "Yandex", "Organic Search"),
            (campaign("", ""), "fbclid", "", "Facebook", "Organic Social"),
            (campaign("vk", "cpm"), "", "", "VK", "Display"),
            (campaign("vk.com", "paid_social"), "", "", "VK", "Paid Social"),
            (campaign("newsletter", "email"), "", "", "Newsletter", "Email"),
            (campaign("poster", ""), "", "", "poster", "Unassigned"),
            (campaign("Poster", "qr"), "", "", "Poster", "Unassigned"),
            (campaign("partner", "affiliate"), "", "", "partner", "Affiliates"),
            (campaign("doctor.example", "banner"), "", "doctor.example", "doctor.example", "Display"),
            (campaign("blog", "cpc"), "", "", "blog", "Paid Other"),
        ] {
            let found = traffic_source(ReferrerOrigin::Site(referrer), "clinic.example", &given, click_id);
            assert_eq!((found.name, found.channel), (name, channel), "{given:?} {click_id}");
        }
    }

    #[test]
    fn apps_have_the_names_and_channels_of_their_sites() {
        let none = Campaign::default();
        for (id, host, name, channel) in [
            ("org.telegram.messenger", "", "Telegram", "Organic Social"),
            ("org.telegram.messenger.web", "", "Telegram", "Organic Social"),
            ("686449807", "t.me", "Telegram", "Organic Social"),
            ("com.google.android.gm", "", "Gmail", "Email"),
            ("com.vkontakte.android", "", "VK", "Organic Social"),
            ("com.google.android.googlequicksearchbox", "www.google.com", "Google", "Organic Search"),
            ("ru.yandex.searchplugin", "", "Yandex", "Organic Search"),
            ("com.yandex.browser", "", "Yandex", "Organic Search"),
            ("ru.yandex.mail", "", "Yandex Mail", "Email"),
            ("com.google.android.youtube", "", "YouTube", "Organic Video"),
            ("com.openai.chatgpt", "", "ChatGPT", "AI Assistant"),
            ("ru.ozon.app.android", "", "Ozon", "Organic Shopping"),
            ("ru.dublgis.dgismobile", "", "2GIS", "Referral"),
            // The host of the app's site, and the page that an unknown app showed.
            ("m.facebook.com", "", "Facebook", "Organic Social"),
            ("com.example.browser", "www.google.com", "Google", "Organic Search"),
            ("com.example.browser", "", "com.example.browser", "Referral"),
            ("ios-app", "", "ios-app", "Referral"),
        ] {
            let found = traffic_source(ReferrerOrigin::App { id, host }, "clinic.example", &none, "");
            assert_eq!((found.name, found.channel), (name, channel), "{id}");
        }
        // An app is never the site itself, and shops write it as a campaign's source.
        let own = ReferrerOrigin::App { id: "example.clinic", host: "" };
        assert_eq!(traffic_source(own, "example.clinic", &none, "").channel, "Referral");
        let campaign = campaign("org.telegram.messenger", "referral");
        assert_eq!(
            traffic_source(ReferrerOrigin::Site(""), "clinic.example", &campaign, "").name,
            "Telegram"
        );
    }

    #[test]
    fn the_document_lists_every_app() {
        let none = Campaign::default();
        let mut table = "| app | source | channel |\n|---|---|---|\n".to_owned();
        for (_, id, _) in rows().filter(|(kind, ..)| *kind == "app") {
            let TrafficSource { name, channel } =
                traffic_source(ReferrerOrigin::App { id, host: "" }, "", &none, "");
            table += &format!("| `{id}` | {name} | {channel} |\n");
        }
        crate::generated_docs::check("docs/sources.md", "apps", &table);
    }
}
