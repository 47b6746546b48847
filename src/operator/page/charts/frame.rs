//! What line and bar charts share: the grid, the labels and the coordinates.
//!
//! A chart is as wide as its place and has a fixed height. Horizontal positions are shares of the width, vertical ones are pixels.

use super::scale::Scale;
use super::svg::{coordinate, escaped, percent};

/// The height of a chart in pixels.
pub(super) const HEIGHT: f64 = 220.0;
/// The upper end of the plot. The label of the highest line is above it.
const TOP: f64 = 18.0;
/// The base line. Labels of the horizontal axis are below it.
const BOTTOM: f64 = 194.0;
/// The distance of a label's base line from its line of the grid.
const LABEL_GAP: f64 = 5.0;
/// Most labels of the horizontal axis. A phone shows every second one.
const MAX_LABELS: usize = 8;
/// Labels nearer to an end than this share of the width are aligned to it.
const END: f64 = 0.05;

pub(super) struct Frame<'a> {
    pub(super) scale: Scale,
    pub(super) labels: &'a [String],
    /// The labels of the horizontal axis.
    pub(super) axis: &'a [String],
    pub(super) format: &'a dyn Fn(f64) -> String,
}

impl Frame<'_> {
    pub(super) const PLOT_HEIGHT: f64 = BOTTOM - TOP;

    /// The height of a value in pixels from the upper end of the plot.
    pub(super) fn y_in_plot(&self, value: f64) -> f64 {
        (1.0 - self.scale.share(value)) * Self::PLOT_HEIGHT
    }

    /// The height of a value in pixels from the upper end of the chart.
    pub(super) fn y(&self, value: f64) -> f64 {
        TOP + self.y_in_plot(value)
    }

    /// An inner picture that is stretched to the chart's width. `width` is that of its own units.
    pub(super) fn plot(&self, width: f64, content: &str) -> String {
        format!(
            "<svg class=\"chart-plot\" y=\"{TOP}\" width=\"100%\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             preserveAspectRatio=\"none\">{content}</svg>",
            height = Self::PLOT_HEIGHT
        )
    }

    /// The lines of the grid, to be drawn below the series.
    pub(super) fn grid(&self) -> String {
        let line = |y: f64| {
            let y = coordinate(y);
            format!("<line class=\"chart-grid\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>")
        };
        self.scale.lines().chain([0.0]).map(|value| line(self.y(value))).collect()
    }

    /// The labels of both axes, to be drawn above the series. `position` is the place of a label as a share of the width.
    pub(super) fn axis_labels(&self, position: impl Fn(usize) -> f64) -> String {
        let label = |value: f64| {
            format!(
                "<text class=\"chart-y\" y=\"{}\">{}</text>",
                coordinate(self.y(value) - LABEL_GAP),
                escaped(&(self.format)(value))
            )
        };
        let mut text: String = self.scale.lines().map(label).collect();
        let every = self.axis.len().div_ceil(MAX_LABELS).max(1);
        for (order, at) in (0..self.axis.len()).step_by(every).enumerate() {
            let x = position(at);
            let anchor = match x {
                x if x < END => "start",
                x if x > 1.0 - END => "end",
                _ => "middle",
            };
            let hidden = if order % 2 == 1 { " chart-narrow-hidden" } else { "" };
            text += &format!(
                "<text class=\"chart-x{hidden}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                percent(x),
                coordinate(HEIGHT - LABEL_GAP),
                escaped(&self.axis[at])
            );
        }
        text
    }

    /// The text of a point: its label, its value, and in brackets the value of the other period.
    pub(super) fn point_title(&self, at: usize, value: f64, comparison: Option<f64>) -> String {
        let label = self.labels.get(at).map_or("", String::as_str);
        let value = (self.format)(value);
        let text = match comparison {
            Some(other) => format!("{label}: {value} ({})", (self.format)(other)),
            None => format!("{label}: {value}"),
        };
        format!("<title>{}</title>", escaped(&text))
    }

    /// Where a pointer finds a point. `left` and `width` are shares of the chart's width.
    pub(super) fn target(&self, left: f64, width: f64) -> String {
        format!("<rect x=\"{}\" width=\"{}\" height=\"{BOTTOM}\"/>", percent(left), percent(width))
    }
}
