//! What would be stored of a visit, in groups of columns that a visitor can read.

use super::language::Language;
use crate::config::{CookieRule, Retention, Site};
use crate::event::DeviceClass;
use crate::ingest::VisitPreview;

/// A line of the page's table.
pub(super) struct Field {
    pub(super) label: &'static str,
    /// Of this visit; empty, if it depends on what the visitor does.
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
        label: language.of(group.label),
        value: (group.value)(preview, language),
        note: language.of(group.note),
    };
    GROUPS.iter().map(field).collect()
}

const UNKNOWN: [&str; 2] = ["unknown", "неизвестно"];

/// The parts that are known, or `unknown`.
fn known<'a>(parts: impl IntoIterator<Item = &'a str>, separator: &str, language: Language) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { language.of(UNKNOWN).to_owned() } else { parts.join(separator) }
}

fn nothing(_: &VisitPreview, _: Language) -> String {
    String::new()
}

const GROUPS: &[Group] = &[
    Group {
        label: ["IP address", "IP-адрес"],
        note: [
            "It becomes two random-looking numbers, which only today's key can make. The key is destroyed at midnight. Then nobody can find your address from them, or your visit from your address.",
            "Он превращается в два числа, похожих на случайные. Их может получить только тот, у кого есть сегодняшний ключ. В полночь ключ уничтожается. После этого по числам нельзя узнать адрес, а по адресу — посещение.",
        ],
        value: |preview, language| {
            let rest =
                language.of(["not stored, only its version: IPv", "не хранится, только его версия: IPv"]);
            format!("{rest}{}", preview.identity.ip_version)
        },
        columns: &["visitor", "address", "epoch", "ip_version"],
    },
    Group {
        label: ["Place", "Местоположение"],
        note: [
            "The country, region and city of your provider, from a table on this server. Nobody else is asked.",
            "Страна, регион и город вашего провайдера по таблице на этом сервере. Ни к кому другому сервер не обращается.",
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
            "Компания, через сеть которой вы вышли в интернет, и является ли она дата-центром.",
        ],
        value: |preview, language| known([preview.identity.place.network()], "", language),
        columns: &["asn", "network", "data_centre"],
    },
    Group {
        label: ["Browser", "Браузер"],
        note: [
            "Its name and main version. The full text by which browsers introduce themselves (user agent) is not stored.",
            "Название и основная версия. Полная строка, которой браузер представляется (user agent), не хранится.",
        ],
        value: |preview, language| known([&*preview.browser.name, &*preview.browser.version], " ", language),
        columns: &["browser", "browser_version", "engine"],
    },
    Group {
        label: ["Device", "Устройство"],
        note: [
            "The operating system with its main version, and the kind of device; never its model.",
            "Операционная система с основной версией и вид устройства. Модель не хранится.",
        ],
        value: |preview, language| {
            let device = language.of(match preview.browser.device {
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
            "As the browser tells the site's pages. Of the screen, one of five classes of width is stored, and whether cookies are enabled.",
            "Как их сообщает браузер страницам сайта. О ширине экрана хранится только один из пяти классов, о cookie — включены ли они.",
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
            "Its address. Names, numbers of persons, e-mail addresses and codes in it are replaced. Of what follows the question mark, only listed parameters are stored.",
            "Её адрес. Имена, личные номера, адреса почты и коды в нём заменяются. Из параметров после вопросительного знака хранятся только перечисленные владельцем сайта.",
        ],
        value: |preview, _| preview.origin.clone().unwrap_or_default(),
        columns: &["site", "host", "path", "query"],
    },
    Group {
        label: ["Where you came from", "Откуда вы пришли"],
        note: [
            "The page with the link that you followed, without what follows its question mark: a search phrase is never stored. Also the advertising campaign that the link names.",
            "Страница со ссылкой, по которой вы перешли, без параметров: поисковая фраза не хранится. А также рекламная кампания, которую называет ссылка.",
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
            "Only those of the site that are listed here. This service sets none of its own, except the one with which you refuse.",
            "Только перечисленные здесь файлы сайта. Сама эта служба не ставит ни одного, кроме того, которым вы отказываетесь.",
        ],
        value: |preview, language| cookies(&preview.site, language),
        columns: &["cookies"],
    },
    Group {
        label: ["What you do on the page", "Действия на странице"],
        note: [
            "Views, how long and how far a page was read, advertising blocks that were seen or clicked, links to other sites and files, and what the site itself reports, such as “appointment booked”. Never what you type.",
            "Просмотры, как долго и как далеко прочитана страница, показанные и нажатые рекламные блоки, переходы на другие сайты и к файлам, а также то, о чём сообщает сам сайт, например «запись на приём». Вводимый текст — никогда.",
        ],
        value: nothing,
        columns: &["kind", "name", "props", "ad", "slot", "engaged_ms", "scroll_depth"],
    },
    Group {
        label: ["Faults and speed", "Ошибки и скорость"],
        note: [
            "What did not work on the page, and how long it took to load, so that it can be repaired.",
            "Что на странице не сработало и как долго она загружалась, чтобы это исправить.",
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
        ],
    },
    Group {
        label: ["Programs", "Программы"],
        note: [
            "Whether it was a program, such as a search engine, and not a person.",
            "Была ли это программа, например поисковый робот, а не человек.",
        ],
        value: |preview, language| {
            let person = language.of(["a person", "человек"]);
            if preview.browser.bot.is_empty() { person.to_owned() } else { preview.browser.bot.to_string() }
        },
        columns: &["bot", "bot_category", "spoofed"],
    },
    Group {
        label: ["Policy, last day", "Политика, последний день"],
        note: [
            "The version of the privacy policy that was in force, and the last day on which the row is kept.",
            "Версия действовавшей политики конфиденциальности и последний день хранения записи.",
        ],
        value: |preview, language| {
            known([&*preview.policy, &last_day(&preview.site, language)], ", ", language)
        },
        columns: &["policy", "expires"],
    },
];

fn cookies(site: &Site, language: Language) -> String {
    if site.cookies.is_empty() {
        return language.of(["none", "нет"]).to_owned();
    }
    let name_of = |(name, rule): (&String, &CookieRule)| {
        let rule = language.of(match rule {
            CookieRule::Presence => ["whether it is there", "только наличие"],
            CookieRule::Hmac => ["as a number of today", "в виде числа на сегодня"],
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
        Retention::Unlimited => return language.of(["without limit", "без ограничения срока"]).to_owned(),
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
