//! Invented visitors: people at home, on phones or behind VPNs, clients with spoofed browsers, bots.

use fastrand::Rng;

use crate::demo::clinic::{self, BOTS, BROWSERS, NO_BROWSER, PLACES, VPN_EXITS};
use crate::demo::draw::{chance, mix, pick, weighted};
use crate::event::{BotCategory, DeviceClass};

/// Bots among visitors, per 1,000.
const BOT_SHARE: u32 = 25;
/// People behind a VPN, per 1,000. To the clinic they seem to come from a data centre.
const VPN_SHARE: u32 = 30;
/// Clients whose user agent contradicts their behaviour, per 1,000.
const SPOOFED_SHARE: u32 = 4;

/// One visitor of one day.
pub(crate) struct DemoVisitor {
    pub(crate) key: u64,
    pub(crate) address: u64,
    pub(crate) browser: &'static clinic::DemoBrowser,
    pub(crate) version: &'static str,
    pub(crate) os_version: &'static str,
    pub(crate) device: DeviceClass,
    pub(crate) screen: (u16, u16),
    pub(crate) bot: &'static str,
    pub(crate) bot_category: BotCategory,
    pub(crate) spoofed: bool,
    /// Place of the address.
    pub(crate) place: &'static clinic::DemoPlace,
    pub(crate) network: (u32, &'static str),
    pub(crate) timezone: &'static str,
    pub(crate) language: &'static str,
    pub(crate) ip_version: u8,
}

impl DemoVisitor {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let browser = &BROWSERS[weighted(rng, BROWSERS.iter().map(|browser| browser.weight))];
        let home = &PLACES[weighted(rng, PLACES.iter().map(|place| place.weight))];
        let key = rng.u64(..);
        let person = Self {
            key,
            // One in eight shares an address with another: a household, an office, a carrier's gateway.
            address: if chance(rng, 125) { key % 5_000 } else { mix(key, 1) },
            browser,
            version: pick(rng, browser.versions),
            os_version: pick(rng, browser.os_versions),
            device: browser.device,
            screen: pick(rng, browser.screens),
            bot: "",
            bot_category: BotCategory::None,
            spoofed: false,
            place: home,
            network: pick(rng, home.networks),
            timezone: home.timezone,
            language: pick(rng, home.languages),
            ip_version: if chance(rng, 220) { 6 } else { 4 },
        };
        if chance(rng, BOT_SHARE) {
            person.into_bot(rng)
        } else if chance(rng, SPOOFED_SHARE) {
            // The collector believes neither the user agent nor the hints.
            Self { spoofed: true, ..person.without_browser() }.behind_vpn(rng)
        } else if chance(rng, VPN_SHARE) {
            person.behind_vpn(rng)
        } else {
            person
        }
    }

    fn into_bot(self, rng: &mut Rng) -> Self {
        let bot = &BOTS[weighted(rng, BOTS.iter().map(|bot| bot.weight))];
        // Crawlers name no browser. An automated browser does.
        let browser = if bot.category == BotCategory::Automation { self } else { self.without_browser() };
        Self {
            device: DeviceClass::Bot,
            bot: bot.name,
            bot_category: bot.category,
            place: bot.place,
            network: pick(rng, bot.place.networks),
            timezone: bot.place.timezone,
            language: pick(rng, bot.place.languages),
            ip_version: 4,
            ..browser
        }
    }

    fn without_browser(self) -> Self {
        Self { browser: &NO_BROWSER, version: "", os_version: "", device: DeviceClass::Other, ..self }
    }

    /// Time zone and language stay those of home.
    fn behind_vpn(self, rng: &mut Rng) -> Self {
        let exit = &VPN_EXITS[weighted(rng, VPN_EXITS.iter().map(|exit| exit.weight))];
        Self { place: exit, network: pick(rng, exit.networks), ..self }
    }
}
