//! The table drawing of `comfy_table`, in the style of reports.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
    Width,
};
use unicode_width::UnicodeWidthStr;

use super::layout::GAP;

const PADDING: u16 = 1;
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

pub(super) fn new_table(width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    // The padding of the last column is trimmed afterwards, so it may lie beyond the edge.
    table.set_width(u16::try_from(width + GAP).unwrap_or(u16::MAX));
    table
}

pub(super) fn set_width(table: &mut Table, at: usize, width: usize) {
    if let Some(column) = table.column_mut(at) {
        let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(PADDING);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
}

pub(super) fn align_right(table: &mut Table, at: usize) {
    if let Some(column) = table.column_mut(at) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The text of a table, without space at the ends of lines.
pub(super) fn to_text(table: &Table) -> String {
    let mut table = table.clone();
    for column in table.column_iter_mut() {
        column.set_padding((0, PADDING));
    }
    let width = table.lines().map(|line| line.trim_end_matches([' ', '─']).width()).max().unwrap_or(0);
    let mut out = String::new();
    for line in table.lines() {
        if line.starts_with('─') {
            out.push_str(&"─".repeat(width));
        } else {
            out.push_str(line.trim_end());
        }
        out.push('\n');
    }
    out
}
