//! The notes of answers and the reasons of errors, which the reports write in English, in the reader's language.

use crate::transport::negotiation::Language;

/// English with `{}` for each part that varies, and its Russian with `{0}`, `{1}`, … for these parts.
const PATTERNS: &[(&str, &str)] = &[
    ("there are more rows than these {}", "показаны первые строки: {0}; всего их больше"),
    ("the figures of today are {} s old", "показатели за сегодня посчитаны {0} с назад"),
    (
        "all replicas of a shard are more than {} s behind: figures may lack what is newest",
        "все реплики одного из шардов отстают больше чем на {0} с: самое новое может не попасть в показатели",
    ),
    (
        "today is not computed yet; a running collector computes it when its reports are requested",
        "сегодняшний день ещё не посчитан: работающий сборщик считает его, когда запрашивают отчёты",
    ),
    (
        "fewer than {} visitors pass these filters: nothing is shown",
        "под эти фильтры попадает меньше {0} посетителей, поэтому ничего не показано",
    ),
    (
        "rows with fewer than {} visitors are not shown under filters",
        "при фильтрах строки, в которых меньше {0} посетителей, не показаны",
    ),
    (
        "days with fewer than {} visitors are left out under filters",
        "при фильтрах дни, в которых меньше {0} посетителей, не учтены",
    ),
    (
        "fewer than {} visitors pass these filters in the period of comparison: its figures are not shown",
        "в периоде сравнения под эти фильтры попадает меньше {0} посетителей, и его показатели не показаны",
    ),
    (
        "published figures: counts have noise, and few visitors are left out or in (other)",
        "опубликованные показатели: к числам добавлен небольшой шум, а малочисленные группы пропущены или объединены в «Остальное»",
    ),
    (
        "{} of {} days are published under {}: the others had too few visitors, or are not closed yet",
        "опубликовано дней: {0} из {1} (фильтр {2}); в остальных слишком мало посетителей, или они ещё не закрыты",
    ),
    (
        "{} of {} days are published: the others had too few visitors, or are not closed yet",
        "опубликовано дней: {0} из {1}; в остальных слишком мало посетителей, или они ещё не закрыты",
    ),
    (
        "today's totals are renewed once an hour at most, and only when enough visitors came or went",
        "итоги за сегодня обновляются не чаще раза в час и только тогда, когда сменилось достаточно посетителей",
    ),
    (
        "what had fewer than {} visitors on each day is folded into (other), in which one visitor may count several times",
        "то, у чего каждый день меньше {0} посетителей, объединено в «Остальное»; один посетитель может быть посчитан там несколько раз",
    ),
    ("the store holds no events yet", "в хранилище пока нет событий"),
    (
        "the store holds no events of site {}; it has {}",
        "в хранилище нет событий сайта {0}; есть события сайтов: {1}",
    ),
    ("did you mean {} instead of {}?", "возможно, нужно {0}, а не {1}?"),
    ("views of bots are left out", "просмотры роботов не учтены"),
    ("{} views of bots are left out", "не учтены просмотры роботов: {0}"),
    ("nothing is at {}", "по адресу {0} ничего нет"),
    ("parameter {} has the value {}; it takes {}", "параметр {0} имеет значение {1}; он принимает {2}"),
    ("no site {}", "сайта {0} нет"),
    ("no report {}; did you mean {}?", "отчёта {0} нет; возможно, нужен {1}?"),
    ("no report {}", "отчёта {0} нет"),
    (
        "{} is not a day: give a date like 2026-11-22, or today, yesterday, 7d, 30d, week, month, year",
        "{0} — не день: нужна дата вида 2026-11-22 или today, yesterday, 7d, 30d, week, month, year",
    ),
    (
        "the period ends before it begins: from {} to {}",
        "период кончается раньше, чем начинается: с {0} по {1}",
    ),
    ("{} is out of range: days reach from {} to {}", "день {0} вне пределов: возможны дни с {1} по {2}"),
    (
        "filter {} has no operator: write COLUMN=VALUE, or !=, ~ (contains), !~, <, <=, >, >=",
        "в фильтре {0} нет сравнения: нужно КОЛОНКА=ЗНАЧЕНИЕ или !=, ~ (содержит), !~, <, <=, >, >=",
    ),
    (
        "filter on unknown column {}: did you mean {}?; columns are {}",
        "фильтр по неизвестной колонке {0}: возможно, нужна {1}; есть колонки: {2}",
    ),
    ("filter on unknown column {}; columns are {}", "фильтр по неизвестной колонке {0}; есть колонки: {1}"),
    ("column {} takes no operator {}", "колонку {0} нельзя сравнить так: {1}"),
    ("{} is not a value of column {}: it takes {}", "{0} не подходит для колонки {1}: она принимает {2}"),
    ("viewers read published figures: {}", "роли viewer видны только опубликованные показатели: {0}"),
    ("the store did not answer", "хранилище не отвечает"),
    (
        "{} other reports are running; try again in a moment",
        "сейчас считаются другие отчёты: {0}; попробуйте через минуту",
    ),
    (
        "report {} is made of single events or the last minutes",
        "отчёт {0} показывает отдельные события или последние минуты",
    ),
    ("report {} has rows of few visitors, as a rule", "в отчёте {0} строки обычно малочисленны"),
    (
        "days are the shortest time; go by day, week or month",
        "день — самый короткий отрезок; есть дни, недели и месяцы",
    ),
    ("published figures are of people; leave out `bots`", "опубликованы показатели людей; уберите `bots`"),
    ("one filter at most", "не больше одного фильтра"),
    (
        "a filter is COLUMN=VALUE with one value, of one of the columns {}",
        "фильтр — это КОЛОНКА=ЗНАЧЕНИЕ с одним значением; колонки: {0}",
    ),
    (
        "report {} has no published figures under the filter {}; others have: {}",
        "у отчёта {0} нет опубликованных показателей с фильтром {1}",
    ),
    ("report {} takes no `{}`", "у отчёта {0} нет параметра `{1}`"),
    ("report {} goes by {}, not by {}", "отчёт {0} разбивается так: {1}, а не так: {2}"),
    ("a period is compared with {}, not with {}", "период сравнивается с {0}, а не с {1}"),
    ("role sre may not use the filter {}", "роли sre недоступен фильтр {0}"),
    ("which funnel? name one with `funnel`: {}", "какая воронка? назовите её в `funnel`: {0}"),
    (
        "the site has no goals; write [[site.goal]] into the configuration",
        "у сайта нет целей; добавьте [[site.goal]] в настройки",
    ),
    (
        "the site has no funnels; write [[site.funnel]] into the configuration",
        "у сайта нет воронок; добавьте [[site.funnel]] в настройки",
    ),
    ("the site has no {} {}; did you mean {}?", "у сайта нет {0} {1}; возможно, нужно {2}?"),
    ("the site has no {} {}", "у сайта нет {0} {1}"),
    ("at most {} filters", "фильтров не больше {0}"),
    (
        "a filter is at most {} bytes long, with at most {} values",
        "фильтр не длиннее {0} байт, и в нём не больше {1} значений",
    ),
    ("name the entry of {}: {}.NAME=VALUE", "назовите запись колонки {0}: {1}.ИМЯ=ЗНАЧЕНИЕ"),
    ("column {} has no entries: write {}=VALUE", "в колонке {0} нет записей: нужно {1}=ЗНАЧЕНИЕ"),
    ("limit {} is not a number of rows from 1 to {}", "limit {0} — не число строк от 1 до {1}"),
    (
        "the store's answer is not what the report promises: {}",
        "ответ хранилища не таков, как обещает отчёт: {0}",
    ),
    (
        "this report is for another role: analyst and viewer read audience, sre reads diagnostics",
        "этот отчёт для другой роли: analyst и viewer видят аудиторию, sre — диагностику",
    ),
    ("this token is restricted to other sites", "этот токен действует для других сайтов"),
];

/// A note in the reader's language. What no pattern knows stays English.
pub(in crate::operator::page) fn note(english: &str, language: Language) -> String {
    if language == Language::English {
        return capitalised(english);
    }
    // What an empty report means stands in the report's file, and its Russian among the texts of the catalogue.
    let russian = in_russian(english).unwrap_or_else(|| super::text(english, language).to_owned());
    capitalised(&russian)
}

/// The Russian of a text, if a pattern knows it. The reason within a refusal is such a text, too.
fn in_russian(english: &str) -> Option<String> {
    let (russian, found) =
        PATTERNS.iter().find_map(|(pattern, russian)| Some((russian, parts(pattern, english)?)))?;
    let reason = |part: &str| match part.contains(' ') {
        true => in_russian(part).unwrap_or_else(|| part.to_owned()),
        false => part.to_owned(),
    };
    let found: Vec<String> = found.into_iter().map(reason).collect();
    Some(filled(russian, &found))
}

/// Whether a text is one that has its Russian.
#[cfg(test)]
fn is_known(english: &str) -> bool {
    PATTERNS.iter().any(|(pattern, _)| parts(pattern, english).is_some())
}

/// What stands in the places of a pattern, if the text has it.
fn parts<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = pattern.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let at = if is_last { rest.len().checked_sub(piece.len())? } else { rest.find(piece)? };
        if !rest.is_char_boundary(at) || !rest[at..].starts_with(piece) {
            return None;
        }
        found.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty().then_some(found)
}

fn filled(pattern: &str, parts: &[String]) -> String {
    // A part may have braces of its own, so each place is filled once.
    let mut pieces = pattern.split('{');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (place, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let part = place.parse::<usize>().ok().and_then(|place| parts.get(place));
        out.push_str(part.map_or("", String::as_str));
        out.push_str(rest);
    }
    out
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    first.to_uppercase().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Filter, Period, catalogue};

    #[test]
    fn a_note_keeps_what_varies() {
        for (english, russian) in [
            ("there are more rows than these 20", "Показаны первые строки: 20; всего их больше"),
            ("the figures of today are 7 s old", "Показатели за сегодня посчитаны 7 с назад"),
            ("12 views of bots are left out", "Не учтены просмотры роботов: 12"),
            ("views of bots are left out", "Просмотры роботов не учтены"),
            ("did you mean path=/{1} instead of path=/{0}?", "Возможно, нужно path=/{1}, а не path=/{0}?"),
            (
                "viewers read published figures: one filter at most",
                "Роли viewer видны только опубликованные показатели: не больше одного фильтра",
            ),
            (
                "viewers read published figures: report hours has rows of few visitors, as a rule",
                "Роли viewer видны только опубликованные показатели: в отчёте hours строки обычно малочисленны",
            ),
            ("something new", "Something new"),
        ] {
            assert_eq!(note(english, Language::Russian), russian);
        }
        assert_eq!(note("something new", Language::English), "Something new");
    }

    #[test]
    fn what_an_empty_report_means_has_its_russian() {
        for english in catalogue::all().iter().filter_map(|report| report.empty) {
            assert_ne!(note(english, Language::Russian), capitalised(english));
        }
    }

    #[test]
    fn the_reasons_of_wrong_requests_have_their_russian() {
        for filter in
            ["country", "contry=RU", "xyzzy=1", "country>RU", "lcp_ms>fast", "props=1", "country.x=1"]
        {
            let error = Filter::parse(filter).unwrap_err().to_string();
            assert!(is_known(&error), "{error}");
        }
        let (today, later) = (jiff::civil::date(2026, 11, 27), jiff::civil::date(2026, 11, 28));
        for error in
            [Period::new(later, today).unwrap_err(), Period::parse(Some("x"), None, today).unwrap_err()]
        {
            assert!(is_known(&error.to_string()), "{error}");
        }
    }
}
