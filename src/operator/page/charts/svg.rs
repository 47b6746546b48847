//! The text of a chart, and how texts and numbers are written into it.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

/// A whole `svg` element. Every text within it is escaped, so a template prints it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    /// An image with a name for those who do not see it. `attributes` and `content` are SVG.
    pub(super) fn image(class: &str, attributes: &str, title: &str, content: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<svg class=\"chart {class}\" role=\"img\" aria-label=\"{title}\" {attributes}>{content}</svg>"
        ))
    }

    /// As [`image`](Self::image), with links inside, which an image may not have.
    pub(super) fn group(class: &str, attributes: &str, title: &str, content: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<svg class=\"chart {class}\" role=\"group\" aria-label=\"{title}\" {attributes}>{content}</svg>"
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Svg {}

/// `text` for an element or an attribute in double quotes.
pub(super) fn escaped(text: &str) -> String {
    match escape(text, Html) {
        Ok(text) => text.to_string(),
    }
}

/// A coordinate with at most one decimal.
pub(super) fn coordinate(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // No "-0".
    format!("{}", rounded + 0.0)
}

/// A position or a length as a share of the chart's width. Two decimals: a tenth of a pixel on the widest screen.
pub(super) fn percent(share: f64) -> String {
    let rounded = (share * 10_000.0).round() / 100.0;
    format!("{}%", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let svg = Svg::image("chart-line", "width=\"100%\"", "<script>\"&'", "");
        assert!(!svg.as_str().contains("<script>"), "{svg}");
        assert_eq!(svg.as_str().matches('"').count(), 8, "{svg}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(coordinate(12.34), "12.3");
        assert_eq!(coordinate(-0.01), "0");
        assert_eq!(coordinate(7.0), "7");
        assert_eq!(percent(1.0 / 3.0), "33.33%");
    }
}
