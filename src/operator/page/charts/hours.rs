//! Hours of the day by weekday, as a map of shades.

use super::svg::{Svg, coordinate, escaped, percent};

/// The share of the width that names of weekdays take.
const NAMES: f64 = 0.08;
/// The height of a row in pixels.
const ROW: f64 = 22.0;
/// The gap between cells in pixels.
const GAP: f64 = 2.0;
/// The height of the labels of hours in pixels.
const LABELS: f64 = 18.0;
/// Every so many hours have a label.
const LABELLED: usize = 3;

pub struct HourChart<'a> {
    /// What the chart shows, for those who do not see it.
    pub title: &'a str,
    /// Short names, in the order of the rows.
    pub weekdays: [&'a str; 7],
    /// For each weekday the hours from 0 to 23.
    pub cells: &'a [Vec<HourCell>],
}

/// An hour of a weekday.
pub struct HourCell {
    pub value: f64,
    /// The value in words.
    pub text: String,
}

/// A row a weekday, a cell an hour; the fuller the shade, the larger the value.
pub fn hours(chart: &HourChart<'_>) -> Svg {
    let largest = chart.cells.iter().flatten().map(|cell| cell.value).fold(0.0, f64::max);
    let column = (1.0 - NAMES) / 24.0;
    let mut content = String::new();
    for (row, (weekday, cells)) in chart.weekdays.iter().zip(chart.cells).enumerate() {
        let y = row as f64 * ROW;
        content +=
            &format!("<text class=\"chart-x\" y=\"{}\">{}</text>", coordinate(y + 15.0), escaped(weekday));
        for (hour, cell) in cells.iter().enumerate() {
            let text = format!("{weekday} {hour:02}:00: {}", cell.text);
            content += &format!(
                "<rect class=\"chart-level-{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"><title>{}</title></rect>",
                level(cell.value, largest),
                percent(NAMES + hour as f64 * column),
                coordinate(y),
                percent(column * 0.92),
                coordinate(ROW - GAP),
                escaped(&text)
            );
        }
    }
    let height = 7.0 * ROW + LABELS;
    for (order, hour) in (0..24).step_by(LABELLED).enumerate() {
        let hidden = if order % 2 == 1 { " chart-narrow-hidden" } else { "" };
        content += &format!(
            "<text class=\"chart-x{hidden}\" x=\"{}\" y=\"{}\">{hour:02}</text>",
            percent(NAMES + hour as f64 * column),
            coordinate(height - 4.0)
        );
    }
    Svg::image("chart-hours", &format!("width=\"100%\" height=\"{height}\""), chart.title, &content)
}

/// From 1 to 5 in equal steps up to `largest`; 0 for nothing.
fn level(value: f64, largest: f64) -> u32 {
    if value <= 0.0 || largest <= 0.0 {
        return 0;
    }
    (value / largest * 5.0).ceil().clamp(1.0, 5.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_has_a_shade_and_a_text() {
        let value = |at: (usize, usize)| match at {
            (1, 9) => 10.0,
            (6, 23) => 1.0,
            _ => 0.0,
        };
        let cell = |at| HourCell { value: value(at), text: value(at).to_string() };
        let cells: Vec<Vec<HourCell>> =
            (0..7).map(|row| (0..24).map(|hour| cell((row, hour))).collect()).collect();
        let weekdays = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
        let svg = hours(&HourChart { title: "Visits", weekdays, cells: &cells });
        let svg = svg.as_str();
        assert_eq!(svg.matches("<rect").count(), 168);
        assert!(svg.contains("<title>Tu 09:00: 10</title>") && svg.contains("<title>Mo 00:00: 0</title>"));
        assert_eq!(svg.matches("chart-level-5").count(), 1);
        assert_eq!(svg.matches("chart-level-1").count(), 1);
        assert_eq!(svg.matches("chart-level-0").count(), 166);
    }
}
