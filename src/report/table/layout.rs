//! The widths of columns in a table that must fit a terminal.

use unicode_width::UnicodeWidthStr;

use super::cell::label;
use super::text::longest_word;
use crate::report::catalogue::ReportColumn;

/// Texts are not cut below this width. The first column, which says what the row is about, is not cut below the second one.
pub(super) const MIN_TEXT: usize = 10;
const MIN_FIRST: usize = 24;
/// Space between columns: the padding and the separator, a space each.
pub(super) const GAP: usize = 2;

/// The width of the narrowest table of these columns.
pub(super) fn least(columns: &[ReportColumn], cells: &[Vec<String>], shown: &[usize]) -> usize {
    let narrowest = |at: &usize| match columns[*at].unit {
        "text" => natural(columns, cells, *at).min(least_words(columns, *at)),
        // A time may take two lines.
        "time" => widest_word(cells, *at).max(longest_word(&label(&columns[*at]))),
        _ => natural(columns, cells, *at),
    };
    shown.iter().map(narrowest).sum::<usize>() + GAP * (shown.len() - 1)
}

/// The widths of the columns in a table of at most `width`, and the width that is left.
pub(super) fn widths(
    columns: &[ReportColumn],
    cells: &[Vec<String>],
    shown: &[usize],
    width: usize,
) -> (Vec<usize>, usize) {
    let mut widths: Vec<usize> = shown.iter().map(|at| natural(columns, cells, *at)).collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * (shown.len() - 1);
    // Texts are shortened first, the widest first. Then times are broken into two lines.
    while total(&widths) > width {
        let is = |place: usize, unit: &str| columns[shown[place]].unit == unit;
        let narrow =
            |place: &usize| is(*place, "text") && widths[*place] > least_words(columns, shown[*place]);
        let folds = |place: &usize| {
            let least = widest_word(cells, shown[*place]).max(longest_word(&label(&columns[shown[*place]])));
            (is(*place, "time") && widths[*place] > least).then_some((*place, least))
        };
        // Times are broken before texts are cut to a few letters.
        if let Some(place) = (0..shown.len()).filter(narrow).max_by_key(|place| widths[*place])
            && (widths[place] > 3 * MIN_TEXT || !(0..shown.len()).any(|place| folds(&place).is_some()))
        {
            widths[place] -= 1;
        } else if let Some((place, least)) = (0..shown.len()).find_map(|place| folds(&place)) {
            widths[place] = least;
        } else {
            break;
        }
    }
    let spare = width.saturating_sub(total(&widths));
    (widths, spare)
}

/// The width below which a text is not cut.
fn least_words(columns: &[ReportColumn], at: usize) -> usize {
    let least = if at == 0 { MIN_FIRST } else { MIN_TEXT };
    least.max(longest_word(&label(&columns[at])))
}

/// The width in which every cell fits, and every word of the heading.
fn natural(columns: &[ReportColumn], cells: &[Vec<String>], at: usize) -> usize {
    let cells = cells.iter().map(|row| row[at].width()).max().unwrap_or(0);
    cells.max(longest_word(&label(&columns[at]))).max(1)
}

fn widest_word(cells: &[Vec<String>], at: usize) -> usize {
    cells.iter().map(|row| longest_word(&row[at])).max().unwrap_or(0)
}
