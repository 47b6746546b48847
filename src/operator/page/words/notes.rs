//! The notes of answers in the reader's language.

use crate::report::Note;
use crate::transport::negotiation::Language;

/// A note in the reader's language.
pub(in crate::operator::page) fn note(note: &Note, language: Language) -> String {
    super::capitalised(&match language {
        Language::English => note.to_string(),
        Language::Russian => in_russian(note),
    })
}

/// The notes of several answers, each once, with the age of the oldest figures of today. That there are more rows is said by a link to
/// them.
pub(in crate::operator::page) fn notes<'a>(
    notes: impl Iterator<Item = &'a Note>,
    language: Language,
) -> Vec<String> {
    let mut different: Vec<Note> = Vec::new();
    for note in notes {
        let same = different.iter_mut().find(|known| match (&**known, note) {
            (Note::TodayIsOld { .. }, Note::TodayIsOld { .. }) => true,
            (known, note) => known == note,
        });
        match (same, note) {
            (_, Note::MoreRows { .. }) => {}
            (Some(Note::TodayIsOld { seconds }), Note::TodayIsOld { seconds: other }) => {
                *seconds = (*seconds).max(*other);
            }
            (Some(_), _) => {}
            (None, note) => different.push(note.clone()),
        }
    }
    different.iter().map(|known| self::note(known, language)).collect()
}

fn in_russian(note: &Note) -> String {
    match note {
        Note::MoreRows { limit } => format!("показаны первые строки: {limit}; всего их больше"),
        Note::TodayIsOld { seconds } => format!("показатели за сегодня посчитаны {seconds} с назад"),
        Note::TodayIsNotComputed => {
            "сегодняшний день ещё не посчитан: работающий сборщик считает его, когда запрашивают отчёты".to_owned()
        }
        Note::FewVisitors { k } => {
            format!("под эти фильтры попадает меньше {k} посетителей, поэтому ничего не показано")
        }
        Note::FewVisitorsInRows { k } => {
            format!("при фильтрах строки, в которых меньше {k} посетителей, не показаны")
        }
        Note::FewVisitorsOnDays { k } => {
            format!("при фильтрах дни, в которых меньше {k} посетителей, не учтены")
        }
        Note::FewVisitorsBefore { k } => format!(
            "в периоде сравнения под эти фильтры попадает меньше {k} посетителей, и его показатели не показаны"
        ),
        Note::Folded { k } => format!(
            "то, у чего каждый день меньше {k} посетителей, объединено в «Остальное»; один посетитель может быть посчитан там несколько раз"
        ),
        Note::FoldedUnlessK => "с `--k 1` показаны все строки, но только вам и на этой машине".to_owned(),
        Note::Published => "опубликованные показатели: к числам добавлен небольшой шум, а малочисленные группы пропущены или объединены в «Остальное»"
            .to_owned(),
        Note::PublishedDays { published, days, filter } => {
            let under = filter.as_ref().map_or(String::new(), |filter| format!(" (фильтр {filter})"));
            format!(
                "опубликовано дней: {published} из {days}{under}; в остальных слишком мало посетителей, или они ещё не закрыты"
            )
        }
        Note::PublishedToday => {
            "итоги за сегодня обновляются не чаще раза в час и только тогда, когда сменилось достаточно посетителей"
                .to_owned()
        }
        Note::EmptyStore => "в хранилище пока нет событий".to_owned(),
        Note::UnknownSite { site, known } => {
            format!("в хранилище нет событий сайта «{site}»; есть события сайтов: {}", known.join(", "))
        }
        Note::UnknownValue { filter, meant } => format!("возможно, нужно {meant}, а не {filter}?"),
        // What an empty report means stands in the report's file, and its Russian among the texts of the catalogue.
        Note::NothingFound(meaning) => super::text(meaning, Language::Russian).to_owned(),
        Note::BotsLeftOut { views: Some(views) } => format!("не учтены просмотры роботов: {views}"),
        Note::BotsLeftOut { views: None } => "просмотры роботов не учтены".to_owned(),
        Note::NoGoals => "у сайта нет целей; добавьте [[site.goal]] в настройки".to_owned(),
        Note::NoFunnels => "у сайта нет воронок; добавьте [[site.funnel]] в настройки".to_owned(),
        Note::ReplicasLag { seconds } => {
            format!("все реплики одного из шардов отстают больше чем на {seconds} с: самое новое может не попасть в показатели")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::catalogue;

    #[test]
    fn a_note_keeps_what_varies() {
        let unknown = Note::UnknownValue { filter: "path=/{0}".to_owned(), meant: "path=/{1}".to_owned() };
        for (of_answer, russian) in [
            (Note::MoreRows { limit: 20 }, "Показаны первые строки: 20; всего их больше"),
            (Note::BotsLeftOut { views: Some(12) }, "Не учтены просмотры роботов: 12"),
            (unknown, "Возможно, нужно path=/{1}, а не path=/{0}?"),
        ] {
            assert_eq!(note(&of_answer, Language::Russian), russian);
        }
        assert_eq!(note(&Note::EmptyStore, Language::English), "The store holds no events yet");
    }

    #[test]
    fn notes_of_several_answers_stand_there_once_with_the_oldest_figures_of_today() {
        let of_answers = [
            Note::TodayIsOld { seconds: 1 },
            Note::Published,
            Note::MoreRows { limit: 9 },
            Note::TodayIsOld { seconds: 8 },
            Note::Published,
        ];
        let shown = notes(of_answers.iter(), Language::English);
        assert_eq!((shown.len(), &*shown[0]), (2, "The figures of today are 8 s old"));
    }

    #[test]
    fn what_an_empty_report_means_has_its_russian() {
        for meaning in catalogue::all().iter().filter_map(|report| report.empty) {
            let empty = Note::NothingFound(meaning);
            assert_ne!(note(&empty, Language::Russian), note(&empty, Language::English));
        }
    }
}
