//! What would be stored of a visit, in groups of columns that a visitor can read.

use crate::config::{CookieRule, Retention, Site};
use crate::event::DeviceClass;
use crate::ingest::VisitPreview;
use crate::transport::negotiation::Language;

/// A line of the page's table.
pub(super) struct Field {
    pub(super) label: &'static str,
    /// The value for this visit; empty if it depends on what the visitor does.
    pub(super) value: String,
    pub(super) note: &'static str,
}

struct Group {
    label: [&'static str; 2],
    note: [&'static str; 2],
    value: fn(&VisitPreview, Language) -> String,
    /// Every column of the row is in one group. `tests` checks it.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test"))]
    columns: &'static [&'static str],
}

/// The lines for a visit, in the order of the page.
pub(super) fn fields(preview: &VisitPreview, language: Language) -> Vec<Field> {
    let field = |group: &Group| Field {
        label: language.pick(group.label),
        value: (group.value)(preview, language),
        note: language.pick(group.note),
    };
    GROUPS.iter().map(field).collect()
}

const UNKNOWN: [&str; 2] = ["unknown", "неизвестно"];

/// Joins the parts that are not empty. Returns the word for unknown if all are.
fn known<'a>(parts: impl IntoIterator<Item = &'a str>, separator: &str, language: Language) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { language.pick(UNKNOWN).to_owned() } else { parts.join(separator) }
}

fn nothing(_: &VisitPreview, _: Language) -> String {
    String::new()
}

const GROUPS: &[Group] = &[
    Group {
        label: ["IP address", "IP-адрес"],
        note: [
            "It becomes two random-looking numbers, which only today's key can make. The key is destroyed at midnight. After that, nobody can find your address by these numbers, or your visit by your address.",
            "Он превращается в два числа, похожих на случайные. Получить их можно только с помощью сегодняшнего ключа. В полночь ключ уничтожается. После этого нельзя ни узнать адрес по этим числам, ни найти посещение по адресу.",
        ],
        value: |preview, language| {
            let rest =
                language.pick(["not stored, only its version: IPv", "не хранится, только его версия: IPv"]);
            format!("{rest}{}", preview.identity.ip_version)
        },
        columns: &["visitor", "address", "epoch", "ip_version"],
    },
    Group {
        label: ["Place", "Местоположение"],
        note: [
            "The country, region and city of your provider, from a table on this server. Nobody else is asked.",
            "Страна, регион и город вашего провайдера. Они определяются по таблице на этом сервере, без обращения к другим службам.",
        ],
        value: |preview, language| {
            let place = &preview.identity.place;
            known([place.country(), place.region(), place.city()], ", ", language)
        },
        columns: &["country", "region", "city"],
    },
    Group {
        label: ["Network", "Сеть"],
        note: [
            "The company whose network you use, and whether it is a data centre.",
            "Компания, через сеть которой вы вышли в интернет, и относится ли эта сеть к дата-центру.",
        ],
        value: |preview, language| known([preview.identity.place.network()], "", language),
        columns: &["asn", "network", "data_centre"],
    },
    Group {
        label: ["Browser", "Браузер"],
        note: [
            "Its name and main version. The full text by which browsers introduce themselves (user agent) is not stored.",
            "Название и номер основной версии. Полная строка, которой браузер представляется (user agent), не хранится.",
        ],
        value: |preview, language| known([&*preview.browser.name, &*preview.browser.version], " ", language),
        columns: &["browser", "browser_version", "engine"],
    },
    Group {
        label: ["Device", "Устройство"],
        note: [
            "The operating system with its main version, and the kind of device; never its model.",
            "Операционная система, номер её основной версии и вид устройства. Модель не хранится.",
        ],
        value: |preview, language| {
            let device = language.pick(match preview.browser.device {
                DeviceClass::Desktop => ["computer", "компьютер"],
                DeviceClass::Mobile => ["phone", "телефон"],
                DeviceClass::Tablet => ["tablet", "планшет"],
                DeviceClass::Bot => ["program", "программа"],
                DeviceClass::Other => ["", ""],
            });
            let system = [&*preview.browser.os, &*preview.browser.os_version].join(" ");
            known([system.trim(), device], ", ", language)
        },
        columns: &["os", "os_version", "device"],
    },
    Group {
        label: ["Language, time zone, screen", "Язык, часовой пояс, экран"],
        note: [
            "As the browser tells them to the site's pages. Of the screen, only one of five classes of width is stored. Also whether cookies are enabled.",
            "Как их сообщает страницам сайта браузер. Вместо ширины экрана хранится один из пяти классов ширины. Также хранится, включены ли файлы cookie.",
        ],
        value: nothing,
        columns: &["language", "timezone", "screen", "cookies_enabled"],
    },
    Group {
        label: ["Time", "Время"],
        note: ["When a page was visited, to the second.", "Когда открыта страница, с точностью до секунды."],
        value: nothing,
        columns: &["time", "received", "page_load", "seq"],
    },
    Group {
        label: ["Page", "Страница"],
        note: [
            "Its address. Where they are recognised, names, personal numbers, e-mail addresses and codes in it are replaced. Of what follows the question mark, only listed parameters are stored.",
            "Её адрес. Распознанные имена, личные номера, адреса электронной почты и коды в нём заменяются. Из параметров после вопросительного знака хранятся только перечисленные владельцем сайта.",
        ],
        value: |preview, _| preview.origin.clone().unwrap_or_default(),
        columns: &["site", "host", "path", "query"],
    },
    Group {
        label: ["Where you came from", "Откуда вы пришли"],
        note: [
            "The page with the link that you followed, without what follows its question mark. So a search phrase is never stored. Also the advertising campaign that the link names.",
            "Страница, с которой вы перешли по ссылке, без параметров: поисковый запрос не хранится. Также рекламная кампания, если она указана в ссылке.",
        ],
        value: nothing,
        columns: &[
            "referrer_host",
            "referrer_path",
            "source",
            "channel",
            "utm_source",
            "utm_medium",
            "utm_campaign",
            "utm_content",
            "utm_term",
            "click_id",
        ],
    },
    Group {
        label: ["Cookies", "Файлы cookie"],
        note: [
            "Only those cookies of the site that are listed here. This service sets none of its own, except the one that remembers your refusal.",
            "Только перечисленные здесь файлы cookie сайта. Сам сервис статистики создаёт лишь один — тот, в котором запоминается ваш отказ.",
        ],
        value: |preview, language| cookies(&preview.site, language),
        columns: &["cookies"],
    },
    Group {
        label: ["What you do on the page", "Действия на странице"],
        note: [
            "Views, how long and how far a page was read, advertising blocks that were seen or clicked, links to other sites and files that were followed, and what the site itself reports, such as “appointment booked”. Never what you type.",
            "Просмотры, сколько времени и до какого места вы читали страницу, показы рекламных блоков и нажатия на них, переходы на другие сайты и скачивание файлов, а также то, о чём сообщает сам сайт, например «запись на приём». То, что вы вводите, не сохраняется.",
        ],
        value: nothing,
        columns: &["kind", "name", "props", "ad", "slot", "engaged_ms", "scroll_depth"],
    },
    Group {
        label: ["Faults and speed", "Ошибки и скорость"],
        note: [
            "What did not work on the page, and how long it took to load, so that it can be repaired.",
            "Что на странице не сработало и как долго она загружалась — чтобы это можно было исправить.",
        ],
        value: nothing,
        columns: &[
            "error_message",
            "error_source",
            "error_line",
            "error_column",
            "error_stack",
            "error_group",
            "lcp_ms",
            "inp_ms",
            "cls",
            "fcp_ms",
            "ttfb_ms",
            "dns_ms",
            "connect_ms",
            "tls_ms",
            "load_ms",
            "release",
        ],
    },
    Group {
        label: ["Person or program", "Человек или программа"],
        note: [
            "Whether a person opened the page or a program, such as that of a search engine.",
            "Кто открыл страницу: человек или программа, например поисковый робот.",
        ],
        value: |preview, language| {
            let person = language.pick(["a person", "человек"]);
            if preview.browser.bot.is_empty() { person.to_owned() } else { preview.browser.bot.to_string() }
        },
        columns: &["bot", "bot_category", "spoofed"],
    },
    Group {
        label: ["Policy, end of storage", "Политика, срок хранения"],
        note: [
            "The version of the privacy policy that was in force, and the last day on which the row is kept, or for how many hours.",
            "Версия политики конфиденциальности, действовавшей при посещении, и последний день хранения записи или число часов.",
        ],
        value: |preview, language| {
            known([&*preview.policy, &last_day(&preview.site, language)], ", ", language)
        },
        columns: &["policy", "expires"],
    },
];

fn cookies(site: &Site, language: Language) -> String {
    if site.cookies.is_empty() {
        return language.pick(["none", "нет"]).to_owned();
    }
    let name_of = |(name, rule): (&String, &CookieRule)| {
        let rule = language.pick(match rule {
            CookieRule::Presence => ["only whether it is there", "только наличие"],
            CookieRule::Hmac => {
                ["as a number that is new each day", "в виде числа, которое меняется каждый день"]
            }
            CookieRule::Value => ["its value", "значение"],
        });
        format!("{name} ({rule})")
    };
    site.cookies.iter().map(name_of).collect::<Vec<_>>().join(", ")
}

fn last_day(site: &Site, language: Language) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    match site.retention {
        Retention::Unlimited | Retention::Hours(_) => retention(site, language),
        Retention::Days(days) => today.saturating_add(jiff::Span::new().days(days)).to_string(),
    }
}

/// For how long rows of the site are kept.
pub(super) fn retention(site: &Site, language: Language) -> String {
    let (number, english, russian) = match site.retention {
        Retention::Unlimited => return language.pick(["without limit", "без ограничения срока"]).to_owned(),
        Retention::Hours(hours) => (hours, "hour", ["час", "часа", "часов"]),
        Retention::Days(days) => (days, "day", ["день", "дня", "дней"]),
    };
    match language {
        Language::English if number == 1 => format!("1 {english}"),
        Language::English => format!("{number} {english}s"),
        Language::Russian => format!("{number} {}", russian[russian_form(number)]),
    }
}

/// Which form of a noun follows this number: that of 1, of 2 to 4, or of 5.
fn russian_form(number: u16) -> usize {
    match (number % 100, number % 10) {
        (11..=14, _) => 2,
        (_, 1) => 0,
        (_, 2..=4) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::COLUMNS;

    #[test]
    fn every_column_is_explained_once() {
        let mut explained: Vec<&str> = GROUPS.iter().flat_map(|group| group.columns).copied().collect();
        let mut columns = COLUMNS.to_vec();
        explained.sort_unstable();
        columns.sort_unstable();
        assert_eq!(explained, columns);
    }

    #[test]
    fn nouns_have_the_russian_form_of_their_number() {
        let forms = [1, 2, 5, 11, 14, 21, 22, 30, 111, 400].map(russian_form);
        assert_eq!(forms, [0, 1, 2, 2, 2, 0, 1, 2, 2, 2]);
    }
}
