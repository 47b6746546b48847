//! Hours of the day by weekday, as a map of shades and as a table.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan, Zoned};

use crate::operator::page::charts::{self, HourCell, HourChart, Svg};
use crate::operator::page::context::ViewContext;
use crate::operator::page::{format, rows};
use crate::report::{Period, ReportAnswer};
use crate::transport::negotiation::Language;

pub(super) struct HoursOfWeek {
    pub(super) chart: Svg,
    pub(super) title: &'static str,
    /// What opens the table.
    pub(super) table: &'static str,
    pub(super) time: &'static str,
    pub(super) weekdays: [&'static str; 7],
    /// The hours of the day, each with a cell for each weekday.
    pub(super) rows: Vec<(String, Vec<HourFigure>)>,
}

/// The figure of an hour of a weekday.
#[derive(Clone)]
pub(super) struct HourFigure {
    pub(super) text: String,
    /// What a change of clock did to the hour; may be empty.
    pub(super) remark: String,
}

/// How often an hour of a weekday came in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct HourCount {
    came: u32,
    /// Days on which the clocks skipped it.
    skipped: u32,
    /// Days on which the clocks were set back, so that it came twice.
    doubled: u32,
}

type Week<T> = [[T; 24]; 7];

impl HoursOfWeek {
    pub(super) fn new(context: &ViewContext, answer: &ReportAnswer) -> Self {
        let language = context.language;
        let counts = counts(answer.request.period, &context.now);
        let values = values(answer);
        let figure = |weekday: usize, hour: usize| {
            let (count, value) = (counts[weekday][hour], values[weekday][hour]);
            let text = match value {
                Some(value) => format::number(value, 0, language),
                None if count.came == 0 => format::NONE.to_owned(),
                None if answer.has_folded_rows() => {
                    language.pick(["few or none", "мало или нисколько"]).to_owned()
                }
                None => format::number(0.0, 0, language),
            };
            HourFigure { text, remark: count.remark(language) }
        };
        let cell = |weekday: usize, hour: usize| {
            let HourFigure { text, remark } = figure(weekday, hour);
            let separator = if remark.is_empty() { "" } else { "; " };
            HourCell {
                value: values[weekday][hour].unwrap_or_default(),
                text: format!("{text}{separator}{remark}"),
            }
        };
        let title = context.say("Views by hour and weekday", "Просмотры по часам и дням недели");
        let weekdays = format::weekdays(language);
        let cells: Vec<Vec<HourCell>> =
            (0..7).map(|weekday| (0..24).map(|hour| cell(weekday, hour)).collect()).collect();
        let row =
            |hour: usize| (format!("{hour:02}:00"), (0..7).map(|weekday| figure(weekday, hour)).collect());
        Self {
            chart: charts::hours(&HourChart { title, weekdays, cells: &cells }),
            title,
            table: language.pick(["As a table", "Таблицей"]),
            time: language.pick(["Hour", "Час"]),
            weekdays,
            rows: (0..24).map(row).collect(),
        }
    }
}

/// The views of each hour that has a row.
fn values(answer: &ReportAnswer) -> Week<Option<f64>> {
    let counted = rows::counted(answer.request.report).map_or(2, |(place, _)| place);
    let mut values = [[None; 24]; 7];
    for row in &answer.rows {
        // Folded hours have no place.
        let number = |place: usize| row.get(place)?.as_str()?.parse::<usize>().ok();
        if let (Some(weekday @ 1..=7), Some(hour @ 0..24)) = (number(0), number(1)) {
            values[weekday - 1][hour] = rows::value(row, counted);
        }
    }
    values
}

impl HourCount {
    fn remark(self, language: Language) -> String {
        let of_days =
            |words: [&str; 2], days: u32| (days > 0).then(|| format!("{}: {days}", language.pick(words)));
        let skipped =
            ["days on which clocks skipped this hour", "дней, когда часы перевели и этого часа не было"];
        let doubled =
            ["days on which this hour came twice", "дней, когда часы перевели и этот час был дважды"];
        let remarks = [of_days(skipped, self.skipped), of_days(doubled, self.doubled)];
        remarks.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// How often each hour of each weekday has come in a period.
fn counts(period: Period, now: &Zoned) -> Week<HourCount> {
    let mut counts = [[HourCount::default(); 24]; 7];
    let mut day = period.from();
    while day <= period.to().min(now.date()) {
        let week = &mut counts[usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default()];
        let is_regular = has_24_hours(day, now.time_zone());
        for (hour, count) in (0_i8..).zip(week.iter_mut()) {
            if day == now.date() && hour > now.hour() {
                break;
            }
            match is_regular {
                true => count.came += 1,
                false => count.add(day.at(hour, 0, 0, 0), now.time_zone()),
            }
        }
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
    counts
}

fn has_24_hours(day: Date, zone: &TimeZone) -> bool {
    let start = |day: Date| zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok();
    let next = day.tomorrow().ok().and_then(start);
    let length = start(day).zip(next).map(|(start, next)| next.duration_since(start));
    length == Some(SignedDuration::from_hours(24))
}

impl HourCount {
    /// Counts an hour of a day with a change of clock. Some zones change by half an hour.
    fn add(&mut self, start: DateTime, zone: &TimeZone) {
        let offset = |time: DateTime| zone.to_ambiguous_timestamp(time).offset();
        let halves = [offset(start), offset(start.saturating_add(30.minutes()))];
        if halves.iter().all(|half| matches!(half, AmbiguousOffset::Gap { .. })) {
            self.skipped += 1;
            return;
        }
        self.came += 1;
        self.doubled += u32::from(halves.iter().any(|half| matches!(half, AmbiguousOffset::Fold { .. })));
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const SUNDAY: usize = 6;

    fn counts_of(from: Date, to: Date, now: &str) -> Week<HourCount> {
        let now = now.parse::<DateTime>().unwrap().in_tz("Europe/Berlin").unwrap();
        counts(Period::new(from, to).unwrap(), &now)
    }

    #[test]
    fn hours_that_the_clocks_skip_or_double_are_known() {
        let now = "2026-11-27T12:30";
        let spring = counts_of(date(2026, 3, 23), date(2026, 3, 29), now);
        assert_eq!(spring[SUNDAY][2], HourCount { came: 0, skipped: 1, doubled: 0 });
        assert_eq!(spring[SUNDAY][3], HourCount { came: 1, ..HourCount::default() });
        let autumn = counts_of(date(2026, 10, 19), date(2026, 11, 1), now);
        assert_eq!(autumn[SUNDAY][2], HourCount { came: 2, skipped: 0, doubled: 1 });
        assert_eq!(autumn[0][2], HourCount { came: 2, ..HourCount::default() });
        assert_eq!(autumn[SUNDAY][2].remark(Language::English), "days on which this hour came twice: 1");
    }

    #[test]
    fn hours_that_are_still_to_come_did_not_come() {
        let friday = counts_of(date(2026, 11, 27), date(2026, 11, 28), "2026-11-27T12:30")[4];
        assert_eq!((friday[12].came, friday[13].came), (1, 0));
    }
}
