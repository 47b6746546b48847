//! Names of values in reports: countries and languages as CLDR has them (`tools/names`), channels, devices, screens, ratings, dimensions.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::report::OTHER;
use crate::transport::negotiation::Language;

type Names = HashMap<&'static str, [&'static str; 2]>;

static COUNTRIES: LazyLock<Names> = LazyLock::new(|| names(include_str!("countries.tsv")));
static LANGUAGES: LazyLock<Names> = LazyLock::new(|| names(include_str!("languages.tsv")));

/// Words of the schema that are shown, in Russian; the English ones are shown as they are.
const WORDS: [(&str, &str); 30] = [
    ("Direct", "Прямые заходы"),
    ("Organic Search", "Поиск"),
    ("Paid Search", "Платный поиск"),
    ("Organic Social", "Соцсети"),
    ("Paid Social", "Реклама в соцсетях"),
    ("Organic Video", "Видео"),
    ("Paid Video", "Реклама в видео"),
    ("Organic Shopping", "Маркетплейсы"),
    ("Paid Shopping", "Реклама на маркетплейсах"),
    ("Display", "Медийная реклама"),
    ("Paid Other", "Прочая реклама"),
    ("Email", "Почта"),
    ("AI Assistant", "Нейросети"),
    ("Affiliates", "Партнёры"),
    ("SMS", "СМС"),
    ("Mobile Push Notifications", "Уведомления"),
    ("Audio", "Аудио"),
    ("News", "Новости"),
    ("Referral", "Ссылки на сайтах"),
    ("Unassigned", "Прочие кампании"),
    ("desktop", "компьютер"),
    ("mobile", "телефон"),
    ("tablet", "планшет"),
    ("bot", "программа"),
    ("other", "другое"),
    ("under 600", "меньше 600"),
    ("1920 and more", "1920 и больше"),
    ("good", "хорошо"),
    ("needs improvement", "нужно улучшить"),
    ("poor", "плохо"),
];

fn names(text: &'static str) -> Names {
    let name = |line: &'static str| {
        let mut parts = line.split('\t');
        Some((parts.next()?, [parts.next()?, parts.next()?]))
    };
    text.lines().filter_map(name).collect()
}

/// A value of a column as it is shown. The empty value is [`of_nothing`].
pub(in crate::operator::page) fn named(column: &str, value: &str, language: Language) -> String {
    if value.is_empty() {
        return of_nothing(column, language).to_owned();
    }
    if value == OTHER {
        return language.pick(["Other", "Остальное"]).to_owned();
    }
    match column {
        "country" => {
            COUNTRIES.get(value).map_or_else(|| value.to_owned(), |names| language.pick(*names).to_owned())
        }
        "language" => tag(value, language),
        "source" if value == "Direct" => of_nothing(column, language).to_owned(),
        "channel" | "device" | "screen" | "rating" if language == Language::Russian => {
            let word = WORDS.iter().find(|(word, _)| *word == value);
            word.map_or_else(|| value.to_owned(), |(_, russian)| (*russian).to_owned())
        }
        // The rows of a diagnosis are named by columns.
        "dimension" => super::text(value, language).replace('_', " "),
        _ => value.to_owned(),
    }
}

/// What stands for an empty value of a column.
pub(in crate::operator::page) fn of_nothing(column: &str, language: Language) -> &'static str {
    language.pick(match column {
        "source" | "channel" | "referrer" | "referrer_host" => ["Direct", "Прямые заходы"],
        "campaign" | "utm_campaign" | "origin" | "utm_source" | "utm_medium" | "utm_content" | "utm_term" => {
            ["Not given", "Не указано"]
        }
        _ => ["Unknown", "Неизвестно"],
    })
}

/// A language tag (BCP 47): the language, and the country if the tag has one.
fn tag(tag: &str, language: Language) -> String {
    let mut parts = tag.split(['-', '_']);
    let code = parts.next().unwrap_or_default().to_ascii_lowercase();
    let Some(names) = LANGUAGES.get(code.as_str()) else { return tag.to_owned() };
    let name = language.pick(*names);
    let country = parts.find_map(|part| COUNTRIES.get(part.to_ascii_uppercase().as_str()));
    country.map_or_else(|| name.to_owned(), |country| format!("{name} ({})", language.pick(*country)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_value_has_a_name_in_both_languages() {
        for (column, value, names) in [
            ("country", "RU", ["Russia", "Россия"]),
            ("country", "", ["Unknown", "Неизвестно"]),
            ("country", "(other)", ["Other", "Остальное"]),
            ("country", "Q1", ["Q1", "Q1"]),
            ("language", "ru-RU", ["Russian (Russia)", "русский (Россия)"]),
            ("language", "tlh", ["tlh", "tlh"]),
            ("device", "mobile", ["mobile", "телефон"]),
            ("screen", "under 600", ["under 600", "меньше 600"]),
            ("rating", "needs improvement", ["needs improvement", "нужно улучшить"]),
            ("dimension", "browser_version", ["browser version", "версия браузера"]),
            ("dimension", "all", ["all", "рост в целом"]),
            ("source", "", ["Direct", "Прямые заходы"]),
            ("path", "/bot", ["/bot", "/bot"]),
        ] {
            let shown = [Language::English, Language::Russian].map(|language| named(column, value, language));
            assert_eq!(shown, names, "{column} {value}");
        }
    }
}
