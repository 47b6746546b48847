//! Errors of pages and reports, in the reader's language.

use crate::operator::page::address::{LONGEST_VALUE, ViewAddressError};
use crate::operator::reading::ReadingError;
use crate::report::{
    Comparison, FilterError, GoalError, MAX_FILTERS, MAX_ROWS, NotPublished, Period, PeriodError, ReportError,
};
use crate::transport::negotiation::Language;

/// Why an address leads to no page.
pub(in crate::operator::page) fn address_reason(error: &ViewAddressError, language: Language) -> String {
    super::capitalised(&match language {
        Language::English => error.to_string(),
        Language::Russian => of_address(error),
    })
}

/// Why nothing was read.
pub(in crate::operator::page) fn reading_reason(error: &ReadingError, language: Language) -> String {
    super::capitalised(&match (error, language) {
        (_, Language::English) => error.to_string(),
        (ReadingError::Parameter(what), _) => what.clone(),
        (ReadingError::OtherRole, _) => {
            "этот отчёт для другой роли: analyst и viewer видят аудиторию, sre — диагностику".to_owned()
        }
        (ReadingError::OtherSites, _) => "этот токен действует для других сайтов".to_owned(),
        (ReadingError::FilterOfOtherRole(filter), _) => format!("роли sre недоступен фильтр {filter}"),
        (ReadingError::Report(error), _) => of_report(error),
    })
}

/// The message of a report's error, in the reader's language.
pub(in crate::operator::page) fn report_reason(error: &ReportError, language: Language) -> String {
    super::capitalised(&match language {
        Language::English => error.to_string(),
        Language::Russian => of_report(error),
    })
}

fn of_address(error: &ViewAddressError) -> String {
    match error {
        ViewAddressError::NoPage(path) => format!("по адресу {path} ничего нет"),
        ViewAddressError::Value { name, value, takes } => {
            format!("параметр {name} имеет значение {value:?}; он принимает {takes}")
        }
        ViewAddressError::TooLong(name) => {
            format!("значение параметра {name} длиннее {LONGEST_VALUE} байт")
        }
    }
}

fn of_report(error: &ReportError) -> String {
    match error {
        ReportError::UnknownReport { name, nearest: None } => format!("отчёта {name:?} нет"),
        ReportError::UnknownReport { name, nearest: Some(nearest) } => {
            format!("отчёта {name:?} нет; возможно, нужен {nearest}?")
        }
        ReportError::NoSite(known) => format!("какой сайт? назовите его: {known}"),
        ReportError::Period(error) => of_period(error),
        ReportError::Filter(error) => of_filter(error),
        ReportError::Parameter { report, parameter } => {
            format!("у отчёта {report} нет параметра `{parameter}`")
        }
        ReportError::By { report, known, given } => {
            format!("отчёт {report} разбивается так: {}, а не так: {given:?}", known.join(", "))
        }
        ReportError::Comparison(given) => {
            let known = Comparison::ALL.map(Comparison::name).join(", ");
            format!("период сравнивается с {known}, а не с {given:?}")
        }
        ReportError::Goal(GoalError::Unknown { kind, name, nearest }) => {
            let kind = if *kind == "goal" { "цели" } else { "воронки" };
            let hint =
                nearest.as_ref().map_or(String::new(), |known| format!("; возможно, нужно {known:?}?"));
            format!("у сайта нет {kind} {name:?}{hint}")
        }
        ReportError::Goal(GoalError::UnnamedFunnel { known }) => {
            format!("какая воронка? назовите её в `funnel`: {known}")
        }
        ReportError::Limit(given) => format!("limit {given:?} — не число строк от 1 до {MAX_ROWS}"),
        ReportError::NamelessZone => "у часового пояса в настройках нет имени IANA".to_owned(),
        ReportError::NotPublished(what) => {
            format!("роли viewer видны только опубликованные показатели: {}", of_unpublished(what))
        }
        ReportError::TooManyFilters => format!("фильтров не больше {MAX_FILTERS}"),
        ReportError::Busy => "сейчас считаются другие отчёты; попробуйте через минуту".to_owned(),
        ReportError::Store(_) => "хранилище не отвечает".to_owned(),
        ReportError::MalformedAnswer(what) => format!("ответ хранилища не таков, как обещает отчёт: {what}"),
    }
}

fn of_unpublished(what: &NotPublished) -> String {
    match what {
        NotPublished::OfEvents(report) => {
            format!("отчёт {report} показывает отдельные события или последние минуты")
        }
        NotPublished::OfFewVisitors(report) => format!("в отчёте {report} строки обычно малочисленны"),
        NotPublished::Hours => "день — самый короткий отрезок; есть дни, недели и месяцы".to_owned(),
        NotPublished::Bots => "опубликованы показатели людей; уберите `bots`".to_owned(),
        NotPublished::SeveralFilters => "не больше одного фильтра".to_owned(),
        NotPublished::FilterForm { columns } => {
            format!("фильтр — это КОЛОНКА=ЗНАЧЕНИЕ с одним значением; колонки: {columns}")
        }
        NotPublished::UnderFilter { report, filter, .. } => {
            format!("у отчёта {report} нет опубликованных показателей с фильтром {filter}")
        }
    }
}

fn of_period(error: &PeriodError) -> String {
    match error {
        PeriodError::NotADay(text) => format!(
            "{text:?} — не день: нужна дата вида 2026-11-22 или today, yesterday, 7d, 30d, week, month, year"
        ),
        PeriodError::Backwards { from, to } => {
            format!("период кончается раньше, чем начинается: с {from} по {to}")
        }
        PeriodError::OutOfRange(day) => {
            let (first, last) = (Period::FIRST, Period::LAST);
            format!("день {day} вне пределов: возможны дни с {first} по {last}")
        }
    }
}

fn of_filter(error: &FilterError) -> String {
    match error {
        FilterError::NoOperator(filter) => format!(
            "в фильтре {filter:?} нет сравнения: нужно КОЛОНКА=ЗНАЧЕНИЕ или !=, ~ (содержит), !~, <, <=, >, >="
        ),
        FilterError::UnknownColumn { name, nearest, known } => {
            let hint = nearest.map_or(String::new(), |nearest| format!(": возможно, нужна {nearest}?"));
            format!("фильтр по неизвестной колонке {name:?}{hint}; есть колонки: {known}")
        }
        FilterError::NoEntry(column) => {
            format!("назовите запись колонки {column}: {column}.ИМЯ=ЗНАЧЕНИЕ")
        }
        FilterError::SeveralEntries(column) => {
            format!("назовите одну запись колонки {column}: {column}.ИМЯ или {column}.\"ИМЯ\"")
        }
        FilterError::PlainColumn(column) => {
            format!("в колонке {column} нет записей: нужно {column}=ЗНАЧЕНИЕ")
        }
        FilterError::Operator { column, operator } => {
            format!("колонку {column} нельзя сравнить так: {operator}")
        }
        FilterError::Value { column, value, takes } => {
            let takes = super::text(takes, Language::Russian);
            format!("{value:?} не подходит для колонки {column}: она принимает {takes}")
        }
        FilterError::TooLong => "фильтр слишком длинный, или в нём слишком много значений".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Filter;

    #[test]
    fn a_wrong_filter_is_explained_in_russian() {
        for (filter, russian) in [
            ("country", "В фильтре \"country\" нет сравнения"),
            ("contry=RU", "возможно, нужна country?"),
            ("lcp_ms>fast", "она принимает число"),
            ("visitor=x", "она принимает 16 шестнадцатеричных цифр"),
            ("bot_category.x=1", "нет записей"),
        ] {
            let error = ReportError::from(Filter::parse(filter).unwrap_err());
            let text = report_reason(&error, Language::Russian);
            assert!(text.contains(russian), "{text}");
        }
    }

    #[test]
    fn the_reason_within_a_refusal_is_in_the_reader_s_language_too() {
        let refused = ReportError::from(NotPublished::SeveralFilters);
        assert_eq!(
            report_reason(&refused, Language::Russian),
            "Роли viewer видны только опубликованные показатели: не больше одного фильтра"
        );
        assert_eq!(
            report_reason(&refused, Language::English),
            "Viewers read published figures: one filter at most"
        );
    }
}
