//! What the model expects of a report, and whether an answer is that.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Count(u64),
    /// A number before it is rounded, and the digits after the point that are shown.
    Rounded(f64, i32),
    /// A share of nothing.
    Empty,
    /// One of several texts; which one is not said.
    OneOf(Vec<String>),
    /// Up to three of the most frequent texts, with the number of times of each. Equally frequent ones are in the order of their letters.
    Top(BTreeMap<String, u64>),
}

#[derive(Debug, Default)]
pub struct Expected {
    pub rows: Vec<Vec<Cell>>,
    pub order: Order,
}

#[derive(Debug, Default, Clone, Copy)]
pub enum Order {
    /// The rows are in this very order.
    Given,
    /// This column does not grow from row to row.
    Descending(usize),
    #[default]
    Any,
}

impl Expected {
    /// Why the answer is wrong.
    pub fn check(&self, found: &[Vec<Value>]) -> Result<(), String> {
        if found.len() != self.rows.len() {
            return Err(format!("{} rows, expected {}", found.len(), self.rows.len()));
        }
        let mut left: Vec<&Vec<Cell>> = self.rows.iter().collect();
        for (place, row) in found.iter().enumerate() {
            let same =
                |cells: &&Vec<Cell>| cells.len() == row.len() && cells.iter().zip(row).all(|(a, b)| a.is(b));
            let at = left.iter().position(same).ok_or_else(|| format!("row {place} is unexpected"))?;
            left.remove(at);
            if at != 0 && matches!(self.order, Order::Given) {
                return Err(format!("row {place} is out of order"));
            }
        }
        if let Order::Descending(column) = self.order
            && !found.is_sorted_by(|a, b| a[column].as_f64() >= b[column].as_f64())
        {
            return Err(format!("column {column} grows"));
        }
        Ok(())
    }
}

impl Cell {
    /// `100 * part / whole`.
    pub fn percent(part: u64, whole: u64) -> Self {
        Self::ratio(100.0 * part as f64, whole, 2)
    }

    pub fn ratio(part: f64, whole: u64, digits: i32) -> Self {
        if whole == 0 { Self::Empty } else { Self::Rounded(part / whole as f64, digits) }
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn is(&self, found: &Value) -> bool {
        match self {
            Self::Text(text) => found.as_str() == Some(text),
            Self::Count(count) => found.as_u64() == Some(*count),
            Self::Rounded(number, digits) => found.as_f64().is_some_and(|found| {
                let unit = 10_f64.powi(-digits);
                // Halves may be rounded either way. The answer itself has no more digits than are shown.
                let is_rounded = (found / unit - (found / unit).round()).abs() < 1e-6;
                is_rounded && (found - number).abs() <= 0.5 * unit + 1e-9
            }),
            Self::Empty => found.is_null(),
            Self::OneOf(texts) => texts.iter().any(|text| found.as_str() == Some(text)),
            Self::Top(counts) => found.as_str().is_some_and(|found| is_top(counts, found)),
        }
    }
}

fn is_top(counts: &BTreeMap<String, u64>, found: &str) -> bool {
    let mut most: Vec<&str> = counts.keys().map(String::as_str).collect();
    // The sort keeps the order of letters.
    most.sort_by_key(|text| std::cmp::Reverse(counts[*text]));
    most.truncate(3);
    most.join(", ") == found
}

/// How often each text comes.
pub fn counts(texts: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}
