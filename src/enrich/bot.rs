//! Which programs are no people: by the names they give themselves, and by the marks of automation.
//!
//! `woothee` knows the crawlers of its time; the table here adds later ones, AI crawlers, link previews, monitors and HTTP
//! libraries. A bot that pretends to be a browser is not found by its user agent; `navigator.webdriver` tells some.

/// What stands for a browser under automation that does not say so in its user agent.
pub(super) const AUTOMATED: &str = "WebDriver";

/// Part of a user agent in lower case, and the bot's name. The first that fits counts.
const NAMES: &[(&str, &str)] = &[
    ("googlebot", "Googlebot"),
    ("adsbot-google", "AdsBot-Google"),
    ("mediapartners-google", "Mediapartners-Google"),
    ("google-inspectiontool", "Google-InspectionTool"),
    ("googleother", "GoogleOther"),
    ("chrome-lighthouse", "Lighthouse"),
    ("yandexmetrika", "YandexMetrika"),
    ("yandexdirect", "YandexDirect"),
    ("yandeximages", "YandexImages"),
    ("yandexbot", "YandexBot"),
    ("yandexmobilebot", "YandexBot"),
    ("yandexrenderresourcesbot", "YandexBot"),
    ("mail.ru_bot", "Mail.RU_Bot"),
    ("vkshare", "VK Share"),
    ("odklbot", "OdklBot"),
    ("bingbot", "bingbot"),
    ("bingpreview", "BingPreview"),
    ("duckduckbot", "DuckDuckBot"),
    ("baiduspider", "Baiduspider"),
    ("applebot", "Applebot"),
    ("gptbot", "GPTBot"),
    ("oai-searchbot", "OAI-SearchBot"),
    ("chatgpt-user", "ChatGPT-User"),
    ("claudebot", "ClaudeBot"),
    ("claude-user", "Claude-User"),
    ("claude-searchbot", "Claude-SearchBot"),
    ("anthropic-ai", "anthropic-ai"),
    ("perplexitybot", "PerplexityBot"),
    ("perplexity-user", "Perplexity-User"),
    ("ccbot", "CCBot"),
    ("bytespider", "Bytespider"),
    ("amazonbot", "Amazonbot"),
    ("meta-externalagent", "Meta-ExternalAgent"),
    ("facebookexternalhit", "facebookexternalhit"),
    ("facebookcatalog", "facebookcatalog"),
    ("twitterbot", "Twitterbot"),
    ("linkedinbot", "LinkedInBot"),
    ("telegrambot", "TelegramBot"),
    ("whatsapp/", "WhatsApp"),
    ("slackbot", "Slackbot"),
    ("discordbot", "Discordbot"),
    ("skypeuripreview", "SkypeUriPreview"),
    ("pinterestbot", "Pinterestbot"),
    ("ahrefsbot", "AhrefsBot"),
    ("semrushbot", "SemrushBot"),
    ("mj12bot", "MJ12bot"),
    ("dotbot", "DotBot"),
    ("petalbot", "PetalBot"),
    ("seznambot", "SeznamBot"),
    ("dataforseobot", "DataForSeoBot"),
    ("uptimerobot", "UptimeRobot"),
    ("pingdom", "Pingdom"),
    ("statuscake", "StatusCake"),
    ("site24x7", "Site24x7"),
    ("gtmetrix", "GTmetrix"),
    ("headlesschrome", "HeadlessChrome"),
    ("phantomjs", "PhantomJS"),
    ("puppeteer", "Puppeteer"),
    ("playwright", "Playwright"),
    ("selenium", "Selenium"),
    ("cypress/", "Cypress"),
    ("prerender", "Prerender"),
    ("curl/", "curl"),
    ("wget/", "Wget"),
    ("python-requests", "python-requests"),
    ("python-urllib", "Python-urllib"),
    ("aiohttp/", "aiohttp"),
    ("python-httpx", "python-httpx"),
    ("scrapy/", "Scrapy"),
    ("go-http-client", "Go-http-client"),
    ("okhttp/", "okhttp"),
    ("apache-httpclient", "Apache-HttpClient"),
    ("java/", "Java"),
    ("node-fetch", "node-fetch"),
    ("axios/", "axios"),
    ("undici", "undici"),
    ("libwww-perl", "libwww-perl"),
    ("guzzlehttp", "GuzzleHttp"),
    ("postmanruntime", "PostmanRuntime"),
    ("insomnia/", "insomnia"),
    ("dart/", "Dart"),
    ("ruby", "Ruby"),
];

/// Words that a bot without an entry above gives itself away by.
const MARKS: &[&str] = &["bot/", "bot;", "bot)", "bot-", "bot ", "crawler", "spider", "crawling", "scraper"];

/// The name of the bot that this user agent is of, by its own words; empty when it gives none.
pub(super) fn name(user_agent: &str) -> Box<str> {
    let lower = user_agent.to_ascii_lowercase();
    if let Some((_, name)) = NAMES.iter().find(|(part, _)| lower.contains(part)) {
        return (*name).into();
    }
    let is_marked = MARKS.iter().any(|mark| lower.contains(mark)) || lower.ends_with("bot");
    // `CUBOT` is a make of phones.
    if is_marked && !lower.contains("cubot") { own_name(user_agent) } else { Box::default() }
}

/// The word that holds the mark, without its version: `ExampleBot` of `(compatible; ExampleBot/1.0; …)`.
fn own_name(user_agent: &str) -> Box<str> {
    const MAX_NAME: usize = 64;
    let is_name = |word: &&str| {
        let lower = word.to_ascii_lowercase();
        ["bot", "crawl", "spider", "scraper"].iter().any(|mark| lower.contains(mark))
            && !lower.contains("://")
    };
    let word = user_agent.split([' ', ';', '(', ')', ',', '/']).find(is_name).unwrap_or("bot");
    word[..word.floor_char_boundary(MAX_NAME)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bots_have_their_names() {
        for (user_agent, expected) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "YandexBot"),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                "GPTBot",
            ),
            ("curl/8.5.0", "curl"),
        ] {
            assert_eq!(&*name(user_agent), expected);
        }
    }

    #[test]
    fn a_bot_that_nobody_knows_is_called_what_it_calls_itself() {
        assert_eq!(&*name("Mozilla/5.0 (compatible; ExampleBot/1.0; +https://example.org/)"), "ExampleBot");
        assert_eq!(&*name("acme-crawler 2"), "acme-crawler");
    }

    #[test]
    fn people_are_no_bots() {
        for user_agent in [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_P30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        ] {
            assert_eq!(&*name(user_agent), "", "{user_agent}");
        }
    }
}
