//! Answers and the catalogue as text.

use comfy_table::Table;
use serde_json::Value;

use super::cell::{NONE, cell, cut, is_count, label, thousands};
use super::chart::{bar, sparkline};
use super::grid::{align_right, new_table, set_width, to_text};
use super::layout::{GAP, MIN_TEXT, least, widths};
use super::text::{visible, wrap};
use crate::report::answer::ReportAnswer;
use crate::report::catalogue::{Report, ReportColumn};
use crate::report::request::ReportRequest;

/// The width if there is no terminal and `COLUMNS` is not set.
const DEFAULT_WIDTH: u16 = 100;
/// In less width nothing can be laid out, and lines will wrap.
const MIN_WIDTH: u16 = 40;
/// Shortest and longest bar.
const BAR: std::ops::RangeInclusive<usize> = 6..=30;

/// The width of the terminal: `COLUMNS`, else what the terminal says, else a default.
pub fn width() -> u16 {
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    set.or_else(|| Table::new().width()).unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
}

/// The answer as text of at most `width` columns.
pub fn render(answer: &ReportAnswer, width: u16) -> String {
    let width = usize::from(width.max(MIN_WIDTH));
    let mut out = heading(answer, width);
    if answer.rows.is_empty() {
        out.push_str("nothing in this period\n");
    } else if is_comparison(answer.request.report) {
        out.push_str(&comparison(answer));
    } else {
        out.push_str(&sparklines(answer, width));
        out.push_str(&rows(answer, width));
    }
    for note in &answer.notes {
        out.push_str(&wrap(&format!("note: {note}"), width));
    }
    if let Some(credit) = answer.request.credit() {
        out.push_str(&wrap(credit, width));
    }
    out
}

/// The catalogue as text of at most `width` columns.
pub fn catalogue(reports: &[Report], width: u16) -> String {
    let width = usize::from(width.max(MIN_WIDTH));
    let longest = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    let room = width.saturating_sub(longest + GAP + "diagnostics".len() + GAP).max(MIN_TEXT);
    let mut table = new_table(width);
    table.set_header(["report", "purpose", "what it shows"]);
    for report in reports {
        let first =
            report.about.split_inclusive(['.', ';']).next().unwrap_or("").trim_end_matches(['.', ';']);
        table.add_row([report.name, report.purpose.name(), first]);
    }
    set_width(&mut table, 0, longest);
    set_width(&mut table, 1, "diagnostics".len());
    set_width(&mut table, 2, room);
    to_text(&table)
}

fn heading(answer: &ReportAnswer, width: usize) -> String {
    let ReportRequest { report, site, period, filters, by, bots, .. } = &answer.request;
    let days = if !report.takes("from") {
        String::new()
    } else if period.days() == 1 {
        format!(" · {}", period.from())
    } else {
        format!(" · {} to {}", period.from(), period.to())
    };
    let by = by.map_or_else(String::new, |by| format!(" · by {by}"));
    let bots = if *bots { " · with bots" } else { "" };
    let line = format!("{} · {}{days} · {}{by}{bots}", report.title, visible(site), answer.timezone);
    let mut out = wrap(&line, width);
    if !filters.is_empty() {
        let texts: Vec<String> = filters.iter().map(|filter| visible(&filter.to_string())).collect();
        out.push_str(&wrap(&format!("only {}", texts.join(", ")), width));
    }
    out.push('\n');
    out
}

/// Whether the report has one row that shows each figure beside that of the period before.
fn is_comparison(report: &Report) -> bool {
    report.columns.iter().any(|column| column.name.ends_with("_before"))
}

fn comparison(answer: &ReportAnswer) -> String {
    let columns = &answer.request.report.columns;
    let value = |name: &str| {
        let at = columns.iter().position(|column| column.name == name)?;
        answer.rows[0].get(at)
    };
    let mut table = new_table(usize::from(MIN_WIDTH) * 2);
    table.set_header(["", "this period", "before", "change"]);
    for column in columns.iter().filter(|column| !column.name.ends_with("_before")) {
        let now = value(column.name).unwrap_or(&Value::Null);
        let before = value(&format!("{}_before", column.name)).unwrap_or(&Value::Null);
        table.add_row([label(column), cell(column, now), cell(column, before), change(column, now, before)]);
    }
    for at in 1..4 {
        align_right(&mut table, at);
    }
    to_text(&table)
}

/// How a figure changed: in percentage points for shares, else in percent.
fn change(column: &ReportColumn, now: &Value, before: &Value) -> String {
    match (now.as_f64(), before.as_f64()) {
        (Some(now), Some(before)) if column.unit == "%" => format!("{:+.1} pp", now - before),
        (Some(now), Some(before)) if before != 0.0 => format!("{:+.1}%", 100.0 * (now - before) / before),
        _ => NONE.to_owned(),
    }
}

/// A sparkline for each of the first three counts of a series.
fn sparklines(answer: &ReportAnswer, width: usize) -> String {
    let columns = &answer.request.report.columns;
    let series = columns.first().is_some_and(|column| column.name == "time");
    if !series || answer.rows.len() < 3 {
        return String::new();
    }
    let mut out = String::new();
    let counts = columns.iter().enumerate().filter(|(_, column)| is_count(column)).take(3);
    let longest = columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
    for (at, column) in counts {
        let numbers: Vec<f64> = answer.rows.iter().map(|row| row[at].as_f64().unwrap_or(0.0)).collect();
        let most = numbers.iter().copied().fold(0.0, f64::max);
        let room = width.saturating_sub(longest + 2 * GAP + "at most ".len() + 12).max(MIN_TEXT);
        out.push_str(&format!(
            "{:longest$}  {}  at most {}\n",
            column.name,
            sparkline(&numbers, room),
            thousands(most)
        ));
    }
    out.push('\n');
    out
}

/// The rows of an answer. Texts that are the same in every row are shown once, above the table.
fn rows(answer: &ReportAnswer, width: usize) -> String {
    let columns = &answer.request.report.columns;
    let cells: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| columns.iter().zip(row).map(|(column, value)| cell(column, value)).collect())
        .collect();
    let is_shared = |at: usize| {
        let first = &cells[0][at];
        at > 0 && columns[at].unit == "text" && cells.len() > 1 && cells.iter().all(|row| row[at] == *first)
    };
    let mut out = String::new();
    let (mut shown, mut left_out) = (Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        if is_shared(at) {
            out.push_str(&wrap(&format!("{} of every row: {}", label(column), cells[0][at]), width));
        } else {
            shown.push(at);
        }
    }
    while shown.len() > 2 && least(columns, &cells, &shown) > width {
        left_out.extend(shown.pop().map(|at| label(&columns[at])));
    }
    if !left_out.is_empty() {
        left_out.reverse();
        let what = left_out.join(", ");
        out.push_str(&wrap(&format!("not shown for want of width: {what}"), width));
    }
    out.push_str(&draw(answer, &cells, &shown, width));
    out
}

fn draw(answer: &ReportAnswer, cells: &[Vec<String>], shown: &[usize], width: usize) -> String {
    let columns = &answer.request.report.columns;
    let (widths, spare) = widths(columns, cells, shown, width);
    let bar_column =
        shown.iter().copied().find(|at| is_count(&columns[*at]) && columns[*at].unit != "samples");
    let bar_column = bar_column.filter(|_| cells.len() > 1);
    let bar_width = spare.saturating_sub(GAP).min(*BAR.end());
    let bar_column = bar_column.filter(|_| bar_width >= *BAR.start());
    let number = |row: usize, at: usize| answer.rows[row][at].as_f64().unwrap_or(0.0);
    let most = bar_column.map_or(0.0, |at| (0..cells.len()).map(|row| number(row, at)).fold(0.0, f64::max));

    let mut table = new_table(width);
    let mut header: Vec<String> = shown.iter().map(|at| label(&columns[*at])).collect();
    header.extend(
        bar_column
            .map(|at| label(&columns[at]))
            .map(|label| if label.len() > bar_width { String::new() } else { label }),
    );
    table.set_header(header);
    for (index, row) in cells.iter().enumerate() {
        let mut line: Vec<String> =
            shown.iter().zip(&widths).map(|(at, width)| cut(&columns[*at], &row[*at], *width)).collect();
        line.extend(bar_column.map(|at| bar(number(index, at), most, bar_width)));
        table.add_row(line);
    }
    for (place, (at, width)) in shown.iter().zip(&widths).enumerate() {
        set_width(&mut table, place, *width);
        if !columns[*at].is_text() {
            align_right(&mut table, place);
        }
    }
    if bar_column.is_some() {
        set_width(&mut table, shown.len(), bar_width);
    }
    to_text(&table)
}
