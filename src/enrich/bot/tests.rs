//! Bots by their user agents: found, named, sorted, and not taken for people or the other way round.

use super::*;
use crate::beacon::ClientHints;
use crate::event::BotCategory;
use woothee::parser::Parser;

fn found(user_agent: &str) -> Option<(String, BotCategory)> {
    let parsed = Parser::new().parse(user_agent).unwrap_or_default();
    let bot = detect(user_agent, &user_agent.to_ascii_lowercase(), &parsed, &ClientHints::default(), false);
    bot.map(|bot| (bot.name.into_string(), bot.category))
}

#[test]
fn known_bots_have_names_and_categories() {
    for (user_agent, name, category) in [
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot",
            BotCategory::Search,
        ),
        (
            "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
            "YandexBot",
            BotCategory::Search,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 8_1 like Mac OS X) AppleWebKit/600.1.4 (KHTML, like Gecko) Version/8.0 Mobile/12B411 Safari/600.1.4 (compatible; YandexMobileBot/3.0; +http://yandex.com/bots)",
            "YandexBot",
            BotCategory::Search,
        ),
        (
            "Mozilla/5.0 (compatible; YandexMetrika/2.0; +http://yandex.com/bots)",
            "YandexMetrika",
            BotCategory::Monitoring,
        ),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "GPTBot",
            BotCategory::Ai,
        ),
        (
            "Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
            "Bytespider",
            BotCategory::Ai,
        ),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0)",
            "Perplexity-User",
            BotCategory::Ai,
        ),
        ("facebookexternalhit/1.1", "facebookexternalhit", BotCategory::Preview),
        ("TelegramBot (like TwitterBot)", "TelegramBot", BotCategory::Preview),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "AhrefsBot", BotCategory::Seo),
        (
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "UptimeRobot",
            BotCategory::Monitoring,
        ),
        ("curl/8.5.0", "curl", BotCategory::Library),
        ("python-requests/2.32", "python-requests", BotCategory::Library),
        ("Go-http-client/2.0", "Go-http-client", BotCategory::Library),
        ("axios/1.7.2", "axios", BotCategory::Library),
        ("okhttp/4.12.0", "okhttp", BotCategory::Library),
        ("Dart/2.16 (dart:io)", "Dart", BotCategory::Library),
        ("Example/1.2 (ruby)", "Ruby", BotCategory::Library),
        ("example-client/0.4 (python 3.11; linux)", "unnamed", BotCategory::Library),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
            "HeadlessChrome",
            BotCategory::Automation,
        ),
    ] {
        assert_eq!(found(user_agent), Some((name.to_owned(), category)), "{user_agent}");
    }
}

#[test]
fn a_bot_that_nobody_knows_has_the_name_it_gives_itself_or_none() {
    for (user_agent, name) in [
        ("Mozilla/5.0 (compatible; ExampleBot/1.0; +https://example.org/)", "ExampleBot"),
        ("acme-crawler 2", "acme-crawler"),
        ("Mozilla/5.0 (compatible; UnheardOfABot/1.0)", "UnheardOfABot"),
        ("ivan.petrov@example.org/1.0", "unnamed"),
        ("Ivans-agent/1.0", "unnamed"),
        ("bot", "unnamed"),
    ] {
        assert_eq!(found(user_agent), Some((name.to_owned(), BotCategory::Other)));
    }
}

#[test]
fn people_are_no_bots() {
    for user_agent in [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 9; CUBOT_P30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 15; X100; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36 Instagram 324.0.0.27.50 Android (34/14; 420dpi; 1024x768; X; X; ru_RU; 5)",
        "Opera/9.80 (Linux armv7l; HbbTV/1.2.1 (; Example; TV; 1.0; ); CE-HTML/1.0; en) Presto/2.12.407 Version/12.51",
    ] {
        assert_eq!(found(user_agent), None, "{user_agent}");
    }
}
