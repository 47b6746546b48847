//! Series over time: a line with its area, and the small line of a table.

use std::ops::Range;

use super::frame::{Frame, HEIGHT};
use super::scale::Scale;
use super::svg::{Svg, coordinate, percent};

/// The width of the plot in its own units, before it is stretched.
const PLOT_WIDTH: f64 = 1000.0;
/// Points beyond this number are too near to each other to be shown one by one: a year of days has fewer.
const MAX_CIRCLES: usize = 370;
/// The size of a sparkline in its own units, before it is stretched.
const SPARKLINE: (f64, f64) = (100.0, 24.0);
/// Room above the highest point of a sparkline, for half the width of its stroke.
const SPARKLINE_MARGIN: f64 = 1.5;

pub struct LineChart<'a> {
    /// What the chart shows, for those who do not see it.
    pub title: &'a str,
    /// The label of each point, in the order of time.
    pub labels: &'a [String],
    /// The labels for the axis, which have less room.
    pub axis: &'a [String],
    /// The value of each point; `None` where there is none, which leaves a gap.
    pub values: &'a [Option<f64>],
    /// The values of the other period at the same places.
    pub comparison: Option<&'a [Option<f64>]>,
    /// The first point whose time has not ended.
    pub unfinished_from: Option<usize>,
    /// How a value is written.
    pub format: &'a dyn Fn(f64) -> String,
}

/// The series as a line above a quiet grid.
pub fn line(chart: &LineChart<'_>) -> Svg {
    let comparison = chart.comparison.unwrap_or_default();
    let points = chart.values.len().max(comparison.len());
    let all = chart.values.iter().chain(comparison).copied().flatten();
    let frame =
        Frame { scale: Scale::new(all), labels: chart.labels, axis: chart.axis, format: chart.format };
    let position = |at: usize| if points < 2 { 0.5 } else { at as f64 / (points - 1) as f64 };
    let place = |at: usize, value: f64| (position(at) * PLOT_WIDTH, frame.y_in_plot(value));

    let unfinished_from = chart.unfinished_from.unwrap_or(usize::MAX);
    let mut plot = String::new();
    for run in runs(comparison) {
        plot += &stroke("chart-comparison", &polyline(&run, comparison, place));
    }
    for run in runs(chart.values) {
        for (part, class) in parts(run, unfinished_from) {
            let path = polyline(&part, chart.values, place);
            plot += &area(class, &path, place(part.start, 0.0), place(part.end - 1, 0.0));
            plot += &stroke(&format!("chart-stroke{class}"), &path);
        }
    }
    let content = frame.grid()
        + &frame.plot(PLOT_WIDTH, &plot)
        + &frame.axis_labels(position)
        + &targets(chart, comparison, &frame, points, position);
    Svg::image("chart-line", &format!("width=\"100%\" height=\"{HEIGHT}\""), chart.title, &content)
}

/// A small line without labels, from zero to the largest of `values`. A value that is missing leaves a gap.
pub fn sparkline(values: &[Option<f64>], title: &str) -> Svg {
    let (width, height) = SPARKLINE;
    let largest = values.iter().copied().flatten().fold(0.0, f64::max);
    let place = |at: usize, value: f64| {
        let share = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
        let x = if values.len() < 2 { width / 2.0 } else { at as f64 * width / (values.len() - 1) as f64 };
        (x, height - SPARKLINE_MARGIN - share * (height - 2.0 * SPARKLINE_MARGIN))
    };
    let content: String = runs(values)
        .map(|run| {
            let path = polyline(&run, values, place);
            let (left, right) = (place(run.start, 0.0).0, place(run.end - 1, 0.0).0);
            area("", &path, (left, height), (right, height)) + &stroke("chart-stroke", &path)
        })
        .collect();
    let attributes = format!(
        "width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\""
    );
    Svg::image("chart-sparkline", &attributes, title, &content)
}

/// The stretches of `values` without a gap.
fn runs(values: &[Option<f64>]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + values[at..].iter().position(Option::is_some)?;
        let length = values[start..].iter().position(Option::is_none);
        at = length.map_or(values.len(), |length| start + length);
        Some(start..at)
    })
}

/// A stretch with the class of each of its parts: what is finished, and from its last point on what still grows.
fn parts(run: Range<usize>, unfinished_from: usize) -> impl Iterator<Item = (Range<usize>, &'static str)> {
    let end = unfinished_from.clamp(run.start, run.end);
    let finished = run.start..end;
    let unfinished = end.saturating_sub(1).max(run.start)..run.end;
    let is_finished = end == run.end;
    [(finished, ""), (unfinished, " chart-unfinished")]
        .into_iter()
        .filter(move |(part, class)| !part.is_empty() && (class.is_empty() || !is_finished))
}

/// The points of a stretch as path data. A single point is a line of no length, which round ends make a dot.
fn polyline(part: &Range<usize>, values: &[Option<f64>], place: impl Fn(usize, f64) -> (f64, f64)) -> String {
    let mut path = String::new();
    for at in part.clone() {
        let (x, y) = place(at, values[at].unwrap_or(0.0));
        let command = if path.is_empty() { 'M' } else { 'L' };
        path += &format!("{command}{} {}", coordinate(x), coordinate(y));
    }
    if part.len() == 1 { path + "h0" } else { path }
}

fn stroke(class: &str, path: &str) -> String {
    format!("<path class=\"{class}\" fill=\"none\" vector-effect=\"non-scaling-stroke\" d=\"{path}\"/>")
}

/// The area between a line and the base line; `left` and `right` are its lower corners.
fn area(class: &str, path: &str, left: (f64, f64), right: (f64, f64)) -> String {
    let corner = |(x, y): (f64, f64)| format!("L{} {}", coordinate(x), coordinate(y));
    format!("<path class=\"chart-area{class}\" d=\"{path}{}{}z\"/>", corner(right), corner(left))
}

/// The places where a pointer finds the points, with their texts.
fn targets(
    chart: &LineChart<'_>,
    comparison: &[Option<f64>],
    frame: &Frame<'_>,
    points: usize,
    position: impl Fn(usize) -> f64,
) -> String {
    let half = if points < 2 { 0.5 } else { 0.5 / (points - 1) as f64 };
    let mut text = String::new();
    for (at, value) in chart.values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let (left, right) = ((position(at) - half).max(0.0), (position(at) + half).min(1.0));
        let circle = match points {
            0..=MAX_CIRCLES => {
                let (x, y) = (percent(position(at)), coordinate(frame.y(value)));
                format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"4\"/>")
            }
            _ => String::new(),
        };
        let title = frame.point_title(at, value, comparison.get(at).copied().flatten());
        text += &format!("<g class=\"chart-point\">{}{circle}{title}</g>", frame.target(left, right - left));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(
        values: &[Option<f64>],
        comparison: Option<&[Option<f64>]>,
        unfinished: Option<usize>,
    ) -> String {
        let labels: Vec<String> = (1..=values.len()).map(|day| format!("{day} Nov")).collect();
        line(&LineChart {
            title: "Visitors by day",
            labels: &labels,
            axis: &labels,
            values,
            comparison,
            unfinished_from: unfinished,
            format: &|value| format!("{value:.0}"),
        })
        .to_string()
    }

    #[test]
    fn each_point_tells_its_label_and_value() {
        let svg = chart(&[Some(3.0), None, Some(10.0)], Some(&[Some(1.0), Some(2.0), None]), None);
        assert!(svg.contains("<title>1 Nov: 3 (1)</title>"), "{svg}");
        assert!(svg.contains("<title>3 Nov: 10</title>"), "{svg}");
        assert!(!svg.contains("<title>2 Nov"), "{svg}");
        assert_eq!(svg.matches("chart-comparison").count(), 1, "{svg}");
    }

    #[test]
    fn a_gap_divides_the_line_and_a_single_point_is_a_dot() {
        let svg = chart(&[Some(3.0), None, Some(10.0), Some(4.0)], None, None);
        assert_eq!(svg.matches("class=\"chart-stroke\"").count(), 2, "{svg}");
        assert!(svg.contains("d=\"M0 123.2h0\""), "{svg}");
    }

    #[test]
    fn the_unfinished_part_begins_at_the_last_finished_point() {
        let svg = chart(&[Some(4.0), Some(4.0), Some(2.0)], None, Some(2));
        assert!(
            svg.contains(
                "class=\"chart-stroke\" fill=\"none\" vector-effect=\"non-scaling-stroke\" d=\"M0 0L500 0\""
            ),
            "{svg}"
        );
        assert!(svg.contains("class=\"chart-stroke chart-unfinished\" fill=\"none\" vector-effect=\"non-scaling-stroke\" d=\"M500 0L1000 88\""), "{svg}");
        let all = chart(&[Some(4.0), Some(4.0)], None, Some(0));
        assert!(!all.contains("class=\"chart-stroke\"") && all.contains("M0 0L1000 0"), "{all}");
        let none = chart(&[Some(4.0), Some(4.0)], None, Some(2));
        assert!(!none.contains("chart-unfinished"), "{none}");
    }

    #[test]
    fn empty_series_are_charts_too() {
        assert!(chart(&[], None, Some(0)).contains("chart-grid"));
        assert!(chart(&[None, None], Some(&[]), Some(7)).contains("chart-grid"));
        assert!(sparkline(&[], "none").as_str().contains("aria-label=\"none\""));
        assert!(sparkline(&[Some(0.0), Some(0.0)], "zero").as_str().contains("M0 22.5L100 22.5"));
    }

    #[test]
    fn a_year_of_hours_stays_small() {
        let values: Vec<_> = (0..8760).map(|hour| Some(f64::from(hour % 24))).collect();
        assert!(chart(&values, None, None).len() < 1_500_000);
        assert!(!chart(&values, None, None).contains("<circle"));
    }
}
