//! Values side by side as bars.

use super::frame::{Frame, HEIGHT};
use super::scale::Scale;
use super::svg::{Svg, coordinate, percent};

/// The share of the width that the labels of the grid take at the left.
const LABELS: f64 = 0.04;
/// The share of its place that a bar fills.
const FILLED: f64 = 0.72;

pub struct BarChart<'a> {
    /// What the chart shows, for those who do not see it.
    pub title: &'a str,
    /// The label of each bar.
    pub labels: &'a [String],
    pub values: &'a [f64],
    /// How a value is written.
    pub format: &'a dyn Fn(f64) -> String,
}

/// Bars above a quiet grid.
pub fn bars(chart: &BarChart<'_>) -> Svg {
    let (scale, labels) = (Scale::new(chart.values.iter().copied()), chart.labels);
    let frame = Frame { scale, labels, axis: labels, format: chart.format };
    let each = (1.0 - LABELS) / chart.values.len().max(1) as f64;
    let mut content = frame.grid();
    for (at, value) in chart.values.iter().enumerate() {
        let left = LABELS + at as f64 * each;
        let (top, base) = (frame.y(*value), frame.y(0.0));
        content += &format!(
            "<g class=\"chart-point\">{}<rect class=\"chart-bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>{}</g>",
            frame.target(left, each),
            percent(left + each * (1.0 - FILLED) / 2.0),
            coordinate(top),
            percent(each * FILLED),
            coordinate(base - top),
            frame.point_title(at, *value, None)
        );
    }
    content += &frame.axis_labels(|at| LABELS + (at as f64 + 0.5) * each);
    Svg::image("chart-bars", &format!("width=\"100%\" height=\"{HEIGHT}\""), chart.title, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_base_line_and_tell_their_values() {
        let labels = ["-1", "0"].map(str::to_owned);
        let svg = bars(&BarChart {
            title: "Views",
            labels: &labels,
            values: &[2.0, 4.0],
            format: &|value| value.to_string(),
        });
        let svg = svg.as_str();
        assert!(svg.contains("<title>-1: 2</title>") && svg.contains("<title>0: 4</title>"), "{svg}");
        assert!(svg.contains("y=\"106\" width=\"34.56%\" height=\"88\""), "{svg}");
        assert!(svg.contains("y=\"18\" width=\"34.56%\" height=\"176\""), "{svg}");
    }
}
