//! Acts of destruction, printed from the audit in Russian or English: what, how much, when, how, why and by whom.

use std::io::Write;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::app::ExitError;
use crate::store::audit::AuditRow;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ActLanguage {
    /// Russian.
    Ru,
    /// English.
    #[default]
    En,
}

impl ActLanguage {
    pub(super) fn pick(self, russian: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::Ru => russian,
            Self::En => english,
        }
    }
}

/// The contents of an act, without its number and date.
#[derive(Debug, PartialEq, Eq)]
struct Act {
    what: String,
    how: String,
    why: String,
    by: String,
}

/// Prints an act for each row that records a destruction, the oldest first.
pub(super) fn print_acts(
    rows: &[AuditRow],
    (from, to): (Option<Date>, Option<Date>),
    language: ActLanguage,
    out: &mut impl Write,
) -> Result<(), ExitError> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| (row.time, row.place()));
    rows.dedup();
    for row in rows {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        // A row that a command has left got its own time when the collector took it over.
        let at = detail["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let time = at.or_else(|| Timestamp::from_millisecond(row.time).ok()).unwrap_or_default();
        let time = time.to_zoned(TimeZone::UTC);
        let is_wanted = from.is_none_or(|from| time.date() >= from) && to.is_none_or(|to| time.date() <= to);
        let Some(act) = act(&row.action, &detail, language).filter(|_| is_wanted) else { continue };
        let title = language.pick("АКТ ОБ УНИЧТОЖЕНИИ ДАННЫХ №", "ACT OF DESTRUCTION No.");
        writeln!(out, "{title} {}\n", row.place())?;
        let lines = [
            (language.pick("Дата", "Date"), time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
            (language.pick("Уничтожено", "Destroyed"), act.what),
            (language.pick("Способ", "How"), act.how),
            (language.pick("Основание", "Why"), act.why),
            (language.pick("Исполнитель", "By"), act.by),
            (language.pick("Подпись", "Signature"), "____________________".to_owned()),
        ];
        for (name, text) in lines {
            writeln!(out, "{:<13}{text}", format!("{name}:"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// `None`: the row records no destruction.
fn act(action: &str, detail: &Value, language: ActLanguage) -> Option<Act> {
    let text = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| detail[name].as_u64().unwrap_or_default();
    let collector =
        || language.pick("сервис статистики, автоматически", "the collector, automatically").to_owned();
    let act = match action {
        "subject erased" => erasure(detail, language),
        "retention passed" | "quarantined events expired" => {
            let until = [text("until"), text("last_day")].concat();
            let what = match language {
                ActLanguage::Ru => format!("событий: {}; {} {}", number("events"), text("site"), until),
                ActLanguage::En => format!("events: {}; {} {}", number("events"), text("site"), until),
            };
            let how = language.pick(
                "удаление из хранилища или из карантина по истечении срока",
                "deletion from the store or from the quarantine after the retention had passed",
            );
            let why = language.pick("истёк срок хранения", "the retention has passed").to_owned();
            let reason = text("reason");
            Act {
                what: what.trim_end().to_owned(),
                how: how.to_owned(),
                why: if reason.is_empty() { why } else { reason },
                by: collector(),
            }
        }
        "segment discarded" => discarded(detail, language),
        "key turned" | "key expired" => {
            let key = language.pick("ключ псевдонимов", "key of pseudonyms");
            let how = language.pick(
                "перезапись в памяти и в файле; связать псевдонимы этого ключа с кем-либо больше невозможно",
                "overwritten in memory and in its file; nobody can link its pseudonyms any more",
            );
            let why = language
                .pick(
                    "истёк срок действия ключа или ключ сменён администратором",
                    "the key's time has ended, or an operator rotated it",
                )
                .to_owned();
            let by = language
                .pick("сервис статистики или команда footfall key", "the collector, or footfall key")
                .to_owned();
            Act { what: format!("{key} {}", text("ended")), how: how.to_owned(), why, by }
        }
        _ => return None,
    };
    Some(act)
}

/// The act of a segment that an operator has discarded from the quarantine.
fn discarded(detail: &Value, language: ActLanguage) -> Act {
    let text = |name: &str| detail[name].as_str().unwrap_or_default().to_owned();
    let unknown = language.pick("неизвестно", "unknown");
    let events = detail["events"].as_u64().map_or_else(|| unknown.to_owned(), |events| events.to_string());
    let what = match language {
        ActLanguage::Ru => format!("событий: {events}; сегмент {}", text("segment")),
        ActLanguage::En => format!("events: {events}; segment {}", text("segment")),
    };
    let how = match detail["had_file"].as_bool() {
        Some(false) => language.pick("файла сегмента уже не было", "the segment's file was gone already"),
        _ => language
            .pick("удаление файла сегмента из карантина", "deletion of the segment's file in quarantine"),
    };
    let by = language
        .pick("администратор, командой footfall spool discard", "an operator, by footfall spool discard")
        .to_owned();
    Act { what, how: how.to_owned(), why: text("reason"), by }
}

/// The act of an erasure on request, or of a whole site.
fn erasure(detail: &Value, language: ActLanguage) -> Act {
    let text = |name: &str| detail[name].as_str().unwrap_or_default();
    let number = |name: &str| detail[name].as_u64().unwrap_or_default();
    let days: Vec<_> = detail["days"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (days, site, request) = (days.join(", "), text("site"), text("request"));
    let quarantined = number("quarantined_events");
    let all = number("events") + quarantined;
    let what = match language {
        ActLanguage::Ru => {
            format!(
                "событий: {all}, из них в карантине: {quarantined}; сайт {site}; дни: {days}; запрос {request}"
            )
        }
        ActLanguage::En => {
            format!(
                "events: {all}, of them in quarantine: {quarantined}; site {site}; days: {days}; request {request}"
            )
        }
    };
    let how = language.pick(
        "удаление событий (также в карантине), визитов и показателей; контрольный поиск ничего не нашёл",
        "deletion of events (in quarantine too), visits and figures; the search that followed found nothing",
    );
    let unread: Vec<_> = detail["search"]["unreadable_files"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let not_searched = language.pick("не удалось проверить файлы", "files that could not be searched");
    let how = match &unread[..] {
        [] => how.to_owned(),
        files => format!("{how}; {not_searched}: {}", files.join(", ")),
    };
    Act { what, how, why: text("ground").to_owned(), by: text("operator").to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_act_says_what_how_why_and_by_whom_in_both_languages() {
        let erased = json!({ "site": "clinic", "events": 4, "quarantined_events": 1, "days": ["2026-11-27"], "request": "ab", "ground": "letter 18", "operator": "Olga" });
        for (language, what) in [
            (
                ActLanguage::En,
                "events: 5, of them in quarantine: 1; site clinic; days: 2026-11-27; request ab",
            ),
            (ActLanguage::Ru, "событий: 5, из них в карантине: 1; сайт clinic; дни: 2026-11-27; запрос ab"),
        ] {
            let act = act("subject erased", &erased, language).unwrap();
            assert_eq!((act.what.as_str(), act.why.as_str(), act.by.as_str()), (what, "letter 18", "Olga"));
        }
        let passed = json!({ "site": "clinic", "events": 7, "until": "2026-11-27T10:00:00Z" });
        let act_of = |action: &str, detail: &Value| act(action, detail, ActLanguage::En);
        assert_eq!(
            act_of("retention passed", &passed).unwrap().what,
            "events: 7; clinic 2026-11-27T10:00:00Z"
        );
        assert_eq!(
            act_of("key turned", &json!({ "ended": "5f0c9be1" })).unwrap().what,
            "key of pseudonyms 5f0c9be1"
        );
        let discarded = json!({ "segment": "ab", "events": null, "had_file": false });
        let discarded = act_of("segment discarded", &discarded).unwrap();
        assert_eq!(discarded.what, "events: unknown; segment ab");
        assert_eq!(discarded.how, "the segment's file was gone already");
        let partly = json!({ "search": { "unreadable_files": ["quarantine/ab.segment"] } });
        assert!(act_of("subject erased", &partly).unwrap().how.ends_with("searched: quarantine/ab.segment"));
        assert_eq!(act_of("token added", &json!({})), None);
        assert_eq!(act_of("subject blocked", &erased), None, "what is blocked is not destroyed");
    }
}
