//! The catalogue in `docs/reports.md`, generated from the headers.

use std::fmt::Write;

use super::{Report, all};

/// Longest line of a paragraph.
const WIDTH: usize = 110;

#[test]
fn the_documents_have_the_catalogue_of_the_files() {
    let text: String = all().iter().map(section).collect();
    crate::generated_docs::check("docs/reports.md", "catalogue", &text);
}

fn section(report: &Report) -> String {
    let mut out = format!("\n### `{}`: {}\n\n", report.name, report.title);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", wrap(&format!("For {}. {}", report.purpose.name(), report.about)));
    if let Some((default, others)) = report.by.split_first() {
        let others: Vec<String> = others.iter().map(|by| format!("`{by}`")).collect();
        let _ = writeln!(
            out,
            "\n{}",
            wrap(&format!("`--by` is `{default}` (the default), {}.", others.join(", ")))
        );
    }
    if let Some(example) = report.example {
        let _ = writeln!(out, "\nExample: `footfall report {} {example}`", report.name);
    }
    out.push_str("\n| column | unit | meaning |\n|---|---|---|\n");
    for column in &report.columns {
        let _ = writeln!(out, "| `{}` | {} | {} |", column.name, column.unit, column.about);
    }
    out
}

fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
