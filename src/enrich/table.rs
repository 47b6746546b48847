//! Built-in text tables: rows of columns that are separated by tabs. Empty lines and lines that begin with `#` are comments.

/// The rows in their order, untrimmed.
pub(super) fn rows(text: &'static str) -> impl Iterator<Item = &'static str> + use<> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The first `N` columns of a row. Missing columns are empty.
pub(super) fn columns<const N: usize>(row: &'static str) -> [&'static str; N] {
    let mut columns = row.split('\t');
    std::array::from_fn(|_| columns.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_every_table_has_its_columns_and_says_what_it_is_for() {
        for (name, table, required) in [
            ("browsers.tsv", include_str!("browser/tables/browsers.tsv"), 4),
            ("engines.tsv", include_str!("browser/tables/engines.tsv"), 3),
            ("systems.tsv", include_str!("browser/tables/systems.tsv"), 4),
            ("devices.tsv", include_str!("browser/tables/devices.tsv"), 3),
            ("brands.tsv", include_str!("browser/tables/brands.tsv"), 3),
            ("bots.tsv", include_str!("bot/bots.tsv"), 3),
            ("excuses.tsv", include_str!("bot/excuses.tsv"), 3),
        ] {
            for row in rows(table) {
                let filled = columns::<4>(row).iter().take_while(|column| !column.is_empty()).count();
                assert!(filled >= required && row.split('\t').count() <= 4, "{name}: {row:?}");
            }
        }
    }
}
