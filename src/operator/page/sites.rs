//! All sites of the reader: a small line of the last days, today against the same hours a week ago, and what is wrong.

use std::cmp::Ordering;

use askama::Template;
use hyper::{Response, StatusCode};

use super::address::View;
use super::charts::{self, Svg};
use super::context::ViewContext;
use super::error::{ViewError, store_advice};
use super::format;
use super::layout::{self, PageFrame, PageLink};
use crate::operator::reading::ReadingError;
use crate::report::{SUMMARY_DAYS, SiteSummary, WeekComparison};
use crate::transport::Body;

/// Fewer errors than these do not count as a rise: one visitor with one odd browser makes some.
const LEAST_ERRORS: u64 = 10;
/// Errors are up if they are so many times those of a week ago.
const RISE: u64 = 2;
/// Fewer refused beacons than these in a day are those of scanners.
const LEAST_REFUSED: u64 = 10;

#[derive(Template)]
#[template(path = "operator/page/templates/sites.html")]
struct SitesPage {
    frame: PageFrame,
    /// Why there are no sites.
    nothing: Option<&'static str>,
    /// What holds for all sites.
    warning: Option<String>,
    days: usize,
    compared: &'static str,
    rows: Vec<SiteRow>,
}

struct SiteRow {
    link: PageLink,
    line: Svg,
    visitors: String,
    change: Option<String>,
    direction: &'static str,
    before: String,
    /// The published day.
    day: String,
    marks: Vec<PageLink>,
}

pub(super) async fn render(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    let access = context.access;
    let reports = if access.exact { context.reports.clone() } else { context.reports.protected() };
    let summaries = match context.sites().is_empty() {
        true => Ok(Vec::new()),
        false => reports.site_summaries(context.principal.name(), access.diagnostics).await,
    };
    // Without the store the sites are still there, and beacons of each are taken.
    let (status, summaries, unavailable) = match summaries.map_err(ReadingError::from) {
        Ok(summaries) => (StatusCode::OK, summaries, None),
        Err(error) => {
            error.log("sites");
            let unknown = context.sites().iter().map(|site| SiteSummary::unknown(site)).collect();
            (StatusCode::SERVICE_UNAVAILABLE, unknown, Some(store_advice(context).to_owned()))
        }
    };
    let compared = match access.exact {
        true => {
            context.say("today, and a week ago up to this time", "сегодня и неделю назад к этому времени")
        }
        false => context.say(
            "the last published day, and the same weekday before",
            "последний опубликованный день и тот же день недели до него",
        ),
    };
    let page = SitesPage {
        frame: PageFrame::new(context, context.say("Sites", "Сайты")),
        nothing: nothing(context),
        warning: unavailable.or_else(|| warning(context)),
        days: SUMMARY_DAYS,
        compared,
        rows: summaries.iter().map(|summary| row(context, summary)).collect(),
    };
    Ok(layout::page(status, &page))
}

fn nothing(context: &ViewContext) -> Option<&'static str> {
    let access = context.access;
    if !(access.exact || access.published || access.diagnostics) {
        return Some(context.say(
            "Your role reads no figures. The audit is at /api/audit.",
            "Ваша роль не даёт доступа к показателям. Журнал аудита: /api/audit.",
        ));
    }
    context.sites().is_empty().then(|| {
        context.say(
            "No site is configured. Add a [[site]] to the configuration and reload the collector.",
            "Ни один сайт не настроен. Добавьте [[site]] в настройки и перезагрузите сборщик.",
        )
    })
}

/// Says that the store is behind. How many events wait concerns all sites, so it is not for readers of some.
fn warning(context: &ViewContext) -> Option<String> {
    let waiting = context.collector.as_ref()?.waiting();
    if !waiting.is_behind() {
        return None;
    }
    let language = context.language;
    let age = format::duration(waiting.oldest.as_secs_f64(), language);
    let behind = language.pick([
        format!("The store is behind: events of the last {age} are on disk and not in these figures yet. Nothing is lost."),
        format!("Хранилище отстаёт: события за последние {age} записаны на диск, но ещё не вошли в показатели. Ничего не потеряно."),
    ]);
    if context.principal.restricted_to().is_some() {
        return Some(behind);
    }
    let events = format::number(waiting.events as f64, 0, language);
    Some(
        behind
            + &language
                .pick([format!(" Events that wait: {events}."), format!(" Ожидают отправки: {events}.")]),
    )
}

fn row(context: &ViewContext, summary: &SiteSummary) -> SiteRow {
    let language = context.language;
    let WeekComparison { now, before } = summary.visitors;
    let number = |count: u64| format::number(count as f64, 0, language);
    let days: Vec<_> = summary.days.iter().map(|count| count.map(|count| count as f64)).collect();
    let title = language.pick([
        format!("{}: visitors of the last {SUMMARY_DAYS} days", summary.site),
        format!("{}: посетители за {SUMMARY_DAYS} дней", summary.site),
    ]);
    let is_known = summary.day.is_some();
    SiteRow {
        link: PageLink::new(&summary.site, &context.address.to_site(&summary.site)),
        line: charts::sparkline(&days, &title),
        visitors: if is_known { number(now) } else { format::NONE.to_owned() },
        change: before.and_then(|before| format::change(now as f64, before as f64, language)),
        direction: match before.map(|before| now.cmp(&before)) {
            Some(Ordering::Greater) => "good",
            Some(Ordering::Less) => "bad",
            _ => "quiet",
        },
        before: match before {
            _ if !is_known => String::new(),
            Some(before) => number(before),
            None => context.say("not published", "не опубликовано").to_owned(),
        },
        day: summary
            .day
            .filter(|_| !context.access.exact)
            .map_or_else(String::new, |day| format::day_of_week(day, context.now.year(), language)),
        marks: marks(context, summary),
    }
}

/// What is wrong with a site, for readers of diagnostics.
fn marks(context: &ViewContext, summary: &SiteSummary) -> Vec<PageLink> {
    if !context.access.diagnostics {
        return Vec::new();
    }
    let language = context.language;
    let number = |count: u64| format::number(count as f64, 0, language);
    let to = context.address.to_site(&summary.site).to_view(View::Diagnostics);
    let mut marks = Vec::new();
    if let Some(WeekComparison { now, before }) = summary.errors.filter(|errors| are_up(*errors)) {
        let before = before.unwrap_or(0);
        let words = language.pick([
            format!("Errors are up: {} today, {} a week ago", number(now), number(before)),
            format!("Ошибок больше: сегодня {}, неделю назад {}", number(now), number(before)),
        ]);
        marks.push(PageLink::new(words, &to.with_period("today", None)));
    }
    let refused = context.collector.as_ref().map(|collector| collector.refused(&summary.site, language));
    let refused: u64 = refused.iter().flatten().map(|refused| refused.count).sum();
    if refused >= LEAST_REFUSED {
        let words = language.pick([
            format!("Beacons refused in the last 24 hours: {}", number(refused)),
            format!("Отклонено событий за 24 часа: {}", number(refused)),
        ]);
        marks.push(PageLink::new(words, &to));
    }
    marks
}

fn are_up(errors: WeekComparison) -> bool {
    errors.now >= LEAST_ERRORS && errors.now >= errors.before.unwrap_or(0) * RISE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_up_if_they_are_many_and_twice_those_of_a_week_ago() {
        let up = |now, before| are_up(WeekComparison { now, before: Some(before) });
        assert!(up(10, 0) && up(10, 5) && up(100, 50));
        assert!(!up(9, 0) && !up(10, 6) && !up(0, 0));
    }
}
