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
    /// The value of each hour, from 0 to 23, of each weekday.
    pub values: [[f64; 24]; 7],
    /// How a value is written.
    pub format: &'a dyn Fn(f64) -> String,
}

/// A row a weekday, a cell an hour; the fuller the shade, the larger the value.
pub fn hours(chart: &HourChart<'_>) -> Svg {
    let largest = chart.values.iter().flatten().copied().fold(0.0, f64::max);
    let column = (1.0 - NAMES) / 24.0;
    let mut content = String::new();
    for (row, (weekday, values)) in chart.weekdays.iter().zip(&chart.values).enumerate() {
        let y = row as f64 * ROW;
        content +=
            &format!("<text class=\"chart-x\" y=\"{}\">{}</text>", coordinate(y + 15.0), escaped(weekday));
        for (hour, value) in values.iter().enumerate() {
            let text = format!("{weekday} {hour:02}:00: {}", (chart.format)(*value));
            content += &format!(
                "<rect class=\"chart-level-{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"><title>{}</title></rect>",
                level(*value, largest),
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
        let mut values = [[0.0; 24]; 7];
        values[1][9] = 10.0;
        values[6][23] = 1.0;
        let weekdays = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
        let svg = hours(&HourChart { title: "Visits", weekdays, values, format: &|value| value.to_string() });
        let svg = svg.as_str();
        assert_eq!(svg.matches("<rect").count(), 168);
        assert!(svg.contains("<title>Tu 09:00: 10</title>") && svg.contains("<title>Mo 00:00: 0</title>"));
        assert_eq!(svg.matches("chart-level-5").count(), 1);
        assert_eq!(svg.matches("chart-level-1").count(), 1);
        assert_eq!(svg.matches("chart-level-0").count(), 166);
    }
}
