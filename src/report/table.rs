//! Answers for people: tables that fit the terminal, with bars, sparklines and readable numbers.
//!
//! Words in an answer come from the outside (paths, referrers, error messages): nothing of them reaches the terminal but
//! what can be seen, so that no page's address can move a cursor or turn the text around.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
    Width,
};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::catalogue::{Column, Report};
use super::run::{Answer, Ask};

/// Width taken where there is no terminal and `COLUMNS` is not set.
const DEFAULT_WIDTH: u16 = 100;
/// Narrower than this nothing can be laid out; the lines will wrap.
const MIN_WIDTH: u16 = 40;
/// A column of words is not cut below this; the first, which says what the row is about, not below the second.
const MIN_TEXT: usize = 10;
const MIN_FIRST: usize = 24;
/// Space between columns: the padding and the separator, a space each.
const GAP: usize = 2;
const PADDING: u16 = 1;
/// Shortest and longest bar.
const BAR: std::ops::RangeInclusive<usize> = 6..=30;
/// What stands for no value.
const NONE: &str = "–";
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// The width to lay out for: `COLUMNS`, or the terminal's, or a default.
pub fn width() -> u16 {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    told.or_else(|| Table::new().width()).unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
}

/// An answer as text of at most `width` columns.
pub fn render(answer: &Answer, width: u16) -> String {
    let width = usize::from(width.max(MIN_WIDTH));
    let mut out = heading(answer, width);
    if answer.rows.is_empty() {
        out.push_str("nothing in this period\n");
    } else if is_comparison(answer.ask.report) {
        out.push_str(&comparison(answer));
    } else {
        out.push_str(&sparklines(answer, width));
        out.push_str(&rows(answer, width));
    }
    for note in &answer.notes {
        out.push_str(&wrap(&format!("note: {note}"), width));
    }
    if let Some(credit) = answer.ask.report.credit() {
        out.push_str(&wrap(credit, width));
    }
    out
}

/// The catalogue as text.
pub fn catalogue(reports: &[Report], width: u16) -> String {
    let width = usize::from(width.max(MIN_WIDTH));
    let longest = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    let room = width.saturating_sub(longest + GAP + "diagnostics".len() + GAP).max(MIN_TEXT);
    let mut table = table(width);
    table.set_header(["report", "purpose", "what it shows"]);
    for report in reports {
        let first =
            report.about.split_inclusive(['.', ';']).next().unwrap_or("").trim_end_matches(['.', ';']);
        table.add_row([report.name, report.purpose.name(), first]);
    }
    fix(&mut table, 0, longest);
    fix(&mut table, 1, "diagnostics".len());
    fix(&mut table, 2, room);
    finish(&table)
}

fn heading(answer: &Answer, width: usize) -> String {
    let Ask { report, site, period, filters, by, bots, .. } = &answer.ask;
    let days = if !report.takes("from") {
        String::new()
    } else if period.days() == 1 {
        format!(" · {}", period.from())
    } else {
        format!(" · {} to {}", period.from(), period.to())
    };
    let by = by.map_or_else(String::new, |by| format!(" · by {by}"));
    let bots = if *bots { " · with bots" } else { "" };
    let line = format!("{} · {}{days} · {}{by}{bots}", report.title, seen(site), answer.timezone);
    let mut out = wrap(&line, width);
    if !filters.is_empty() {
        let texts: Vec<String> = filters.iter().map(|filter| seen(&filter.to_string())).collect();
        out.push_str(&wrap(&format!("only {}", texts.join(", ")), width));
    }
    out.push('\n');
    out
}

/// A report of one row that sets each figure beside the figure before.
fn is_comparison(report: &Report) -> bool {
    report.columns.iter().any(|column| column.name.ends_with("_before"))
}

fn comparison(answer: &Answer) -> String {
    let columns = &answer.ask.report.columns;
    let value = |name: &str| {
        let at = columns.iter().position(|column| column.name == name)?;
        answer.rows[0].get(at)
    };
    let mut table = table(usize::from(MIN_WIDTH) * 2);
    table.set_header(["", "this period", "before", "change"]);
    for column in columns.iter().filter(|column| !column.name.ends_with("_before")) {
        let now = value(column.name).unwrap_or(&Value::Null);
        let before = value(&format!("{}_before", column.name)).unwrap_or(&Value::Null);
        table.add_row([label(column), cell(column, now), cell(column, before), change(column, now, before)]);
    }
    for at in 1..4 {
        align_right(&mut table, at);
    }
    finish(&table)
}

/// How a figure changed: in points for shares, else in percent of what it was.
fn change(column: &Column, now: &Value, before: &Value) -> String {
    match (now.as_f64(), before.as_f64()) {
        (Some(now), Some(before)) if column.unit == "%" => format!("{:+.1} pp", now - before),
        (Some(now), Some(before)) if before != 0.0 => format!("{:+.1}%", 100.0 * (now - before) / before),
        _ => NONE.to_owned(),
    }
}

/// One line for each count of a series.
fn sparklines(answer: &Answer, width: usize) -> String {
    let columns = &answer.ask.report.columns;
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

/// Numbers as eighths of a line's height, from 0; more numbers than `room` are averaged.
fn sparkline(numbers: &[f64], room: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let each = numbers.len().div_ceil(room.max(1)).max(1);
    let means: Vec<f64> =
        numbers.chunks(each).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let most = means.iter().copied().fold(0.0, f64::max);
    let level = |number: &f64| {
        let share = if most > 0.0 { number / most } else { 0.0 };
        LEVELS[((share * 7.0).round() as usize).min(7)]
    };
    means.iter().map(level).collect()
}

/// The rows of an answer, what every row shares said once above them.
fn rows(answer: &Answer, width: usize) -> String {
    let columns = &answer.ask.report.columns;
    let cells: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| columns.iter().zip(row).map(|(column, value)| cell(column, value)).collect())
        .collect();
    let shared = |at: usize| {
        let first = &cells[0][at];
        at > 0 && columns[at].unit == "text" && cells.len() > 1 && cells.iter().all(|row| row[at] == *first)
    };
    let mut out = String::new();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        if shared(at) {
            out.push_str(&wrap(&format!("{} of every row: {}", label(column), cells[0][at]), width));
        } else {
            kept.push(at);
        }
    }
    while kept.len() > 2 && least(columns, &cells, &kept) > width {
        left_out.extend(kept.pop().map(|at| label(&columns[at])));
    }
    if !left_out.is_empty() {
        left_out.reverse();
        let what = left_out.join(", ");
        out.push_str(&wrap(&format!("not shown for want of width: {what}"), width));
    }
    out.push_str(&laid_out(answer, &cells, &kept, width));
    out
}

fn laid_out(answer: &Answer, cells: &[Vec<String>], kept: &[usize], width: usize) -> String {
    let columns = &answer.ask.report.columns;
    let (widths, spare) = widths(columns, cells, kept, width);
    let bar = kept.iter().copied().find(|at| is_count(&columns[*at]) && columns[*at].unit != "samples");
    let bar = bar.filter(|_| cells.len() > 1);
    let bar_width = spare.saturating_sub(GAP).min(*BAR.end());
    let bar = bar.filter(|_| bar_width >= *BAR.start());
    let number = |row: usize, at: usize| answer.rows[row][at].as_f64().unwrap_or(0.0);
    let most = bar.map_or(0.0, |at| (0..cells.len()).map(|row| number(row, at)).fold(0.0, f64::max));

    let mut table = table(width);
    let mut header: Vec<String> = kept.iter().map(|at| label(&columns[*at])).collect();
    header.extend(
        bar.map(|at| label(&columns[at]))
            .map(|label| if label.len() > bar_width { String::new() } else { label }),
    );
    table.set_header(header);
    for (index, row) in cells.iter().enumerate() {
        let mut line: Vec<String> =
            kept.iter().zip(&widths).map(|(at, width)| cut(&columns[*at], &row[*at], *width)).collect();
        line.extend(bar.map(|at| bar_of(number(index, at), most, bar_width)));
        table.add_row(line);
    }
    for (place, (at, width)) in kept.iter().zip(&widths).enumerate() {
        fix(&mut table, place, *width);
        if !columns[*at].is_text() {
            align_right(&mut table, place);
        }
    }
    if bar.is_some() {
        fix(&mut table, kept.len(), bar_width);
    }
    finish(&table)
}

/// The narrowest table of these columns.
fn least(columns: &[Column], cells: &[Vec<String>], kept: &[usize]) -> usize {
    let narrowest = |at: &usize| match columns[*at].unit {
        "text" => natural(columns, cells, *at).min(least_words(columns, *at)),
        // A moment may stand on two lines.
        "time" => widest_word(cells, *at).max(word(&label(&columns[*at]))),
        _ => natural(columns, cells, *at),
    };
    kept.iter().map(narrowest).sum::<usize>() + GAP * (kept.len() - 1)
}

/// Widths of the columns in a table of at most `width`, and what is left over.
fn widths(columns: &[Column], cells: &[Vec<String>], kept: &[usize], width: usize) -> (Vec<usize>, usize) {
    let mut widths: Vec<usize> = kept.iter().map(|at| natural(columns, cells, *at)).collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * (kept.len() - 1);
    // Words give way first, the widest first; then moments fold onto two lines.
    while total(&widths) > width {
        let is = |place: usize, unit: &str| columns[kept[place]].unit == unit;
        let narrow =
            |place: &usize| is(*place, "text") && widths[*place] > least_words(columns, kept[*place]);
        let folds = |place: &usize| {
            let least = widest_word(cells, kept[*place]).max(word(&label(&columns[kept[*place]])));
            (is(*place, "time") && widths[*place] > least).then_some((*place, least))
        };
        // Moments fold before words are cut to a few letters.
        if let Some(place) = (0..kept.len()).filter(narrow).max_by_key(|place| widths[*place])
            && (widths[place] > 3 * MIN_TEXT || !(0..kept.len()).any(|place| folds(&place).is_some()))
        {
            widths[place] -= 1;
        } else if let Some((place, least)) = (0..kept.len()).find_map(|place| folds(&place)) {
            widths[place] = least;
        } else {
            break;
        }
    }
    let spare = width.saturating_sub(total(&widths));
    (widths, spare)
}

/// The width below which words are not cut.
fn least_words(columns: &[Column], at: usize) -> usize {
    let least = if at == 0 { MIN_FIRST } else { MIN_TEXT };
    least.max(word(&label(&columns[at])))
}

/// The width in which every cell and every word of the heading fits.
fn natural(columns: &[Column], cells: &[Vec<String>], at: usize) -> usize {
    let cells = cells.iter().map(|row| row[at].width()).max().unwrap_or(0);
    cells.max(word(&label(&columns[at]))).max(1)
}

fn widest_word(cells: &[Vec<String>], at: usize) -> usize {
    cells.iter().map(|row| word(&row[at])).max().unwrap_or(0)
}

/// The longest word of a text.
fn word(text: &str) -> usize {
    text.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Words cut to a width, an ellipsis in place of what is gone; numbers and moments as they are.
fn cut(column: &Column, text: &str, width: usize) -> String {
    if column.unit != "text" || text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(letter);
    }
    out.push('…');
    out
}

/// A bar of eighths of a character, as long as the number's share of `most`.
fn bar_of(number: f64, most: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if most > 0.0 { (number / most).clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * width as f64 * 8.0).round() as usize;
    // What is there is seen, however small.
    let eighths = if number > 0.0 { eighths.max(1) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn is_count(column: &Column) -> bool {
    !column.is_text() && !matches!(column.unit, "%" | "s" | "ms" | "ratio")
}

/// A column's heading: its name in words, with its unit where the cells do not tell it.
fn label(column: &Column) -> String {
    let name = column.name.replace('_', " ");
    if column.unit == "ms" { format!("{name} ms") } else { name }
}

/// A value as people read it.
fn cell(column: &Column, value: &Value) -> String {
    match (value, column.unit) {
        (Value::String(text), _) if text.is_empty() => "(none)".to_owned(),
        (Value::String(text), _) => seen(text),
        (Value::Number(number), unit) => {
            let number = number.as_f64().unwrap_or(0.0);
            match unit {
                "%" => format!("{number:.1}%"),
                "s" => duration(number),
                "ratio" => format!("{number:.2}"),
                _ => thousands(number),
            }
        }
        (Value::Null, _) => NONE.to_owned(),
        (other, _) => other.to_string(),
    }
}

/// Seconds as `9.5s`, `6m 36s` or `1h 05m`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// A number with commas between thousands; decimals only where there are any.
fn thousands(number: f64) -> String {
    let text = if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.3}") };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() { out } else { format!("{out}.{decimals}") }
}

/// A text of which only visible characters are left.
fn seen(text: &str) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            // Marks of direction and other characters without a width can make a text read as another.
            || (letter.width() == Some(0) && !is_combining(letter))
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Accents and vowel signs, which belong to the letter before.
fn is_combining(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}'
        | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}')
}

/// A line broken between words at `width`.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out.push('\n');
    out
}

fn table(width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    // The padding of the last column is trimmed afterwards: it may stand beyond the edge.
    table.set_width(u16::try_from(width + GAP).unwrap_or(u16::MAX));
    table
}

fn fix(table: &mut Table, at: usize, width: usize) {
    if let Some(column) = table.column_mut(at) {
        let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(PADDING);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
}

fn align_right(table: &mut Table, at: usize) {
    if let Some(column) = table.column_mut(at) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn finish(table: &Table) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1234567.5, "1,234,567.5"),
            (-1234.0, "-1,234"),
            (0.125, "0.125"),
        ] {
            assert_eq!(thousands(number), text);
        }
        for (seconds, text) in
            [(0.0, "0.0s"), (9.54, "9.5s"), (59.7, "1m 00s"), (396.0, "6m 36s"), (3900.0, "1h 05m")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar_of(8.0, 8.0, 4), "████");
        assert_eq!(bar_of(1.0, 8.0, 4), "▌");
        assert_eq!(bar_of(0.001, 8.0, 4), "▏");
        assert_eq!(bar_of(0.0, 8.0, 4), "");
        assert_eq!(bar_of(0.0, 0.0, 4), "");
    }

    #[test]
    fn sparklines_start_at_zero_and_fit_their_room() {
        assert_eq!(sparkline(&[0.0, 3.5, 7.0], 10), "▁▅█");
        assert_eq!(sparkline(&[0.0, 0.0], 10), "▁▁");
        assert_eq!(sparkline(&[1.0; 100], 30).chars().count(), 25);
    }

    #[test]
    fn nothing_invisible_reaches_the_terminal() {
        assert_eq!(seen("/a\u{1b}[2J\n\u{202e}b\u{200b}"), "/a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(seen("/врачи/й\u{306}"), "/врачи/й\u{306}");
    }
}
