//! What the rest of the program reads from the files: the columns of a table and the query of a view.

use super::files;
use crate::store::sql;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    /// Its ClickHouse type as written, on one line.
    pub(crate) data_type: String,
}

/// The columns of a table, in order.
///
/// # Panics
/// When no file creates the table. The files are part of the program, and tests read every table that is named in it.
pub(crate) fn columns(table: &str) -> Vec<TableColumn> {
    let statement = statement(&format!("CREATE TABLE IF NOT EXISTS {table}"));
    let body = statement.split_once('(').map_or("", |(_, body)| body);
    top_level_items(body).into_iter().filter_map(column).collect()
}

/// The query of a view, without `CREATE … AS`.
///
/// # Panics
/// When no file creates the view, as in [`columns`].
pub(crate) fn view(name: &str) -> String {
    let statement = statement(&format!("CREATE OR REPLACE VIEW {name} AS"));
    statement.split_once(" AS\n").map_or_else(String::new, |(_, query)| query.to_owned())
}

fn statement(head: &str) -> String {
    let is_wanted = |text: &str| {
        text.strip_prefix(head).is_some_and(|rest| rest.starts_with(|letter: char| letter.is_whitespace()))
    };
    let mut statements = files::all().flat_map(|file| sql::statements(file.text));
    let found = statements.find(|statement| is_wanted(&statement.text));
    found.unwrap_or_else(|| panic!("no file of sql/schema has: {head}")).text
}

/// The items of a list up to its closing parenthesis; a comma in a string or in inner parentheses separates nothing.
fn top_level_items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start, mut at) = (0, 0, 0);
    while let Some(letter) = list[at..].chars().next() {
        match letter {
            '\'' => at += sql::quoted_length(&list[at..]) - 1,
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += letter.len_utf8();
    }
    items.push(list[start..at].trim());
    items
}

/// `None` for a projection.
fn column(definition: &str) -> Option<TableColumn> {
    let (name, data_type) = definition.split_once(' ')?;
    let data_type = data_type.split_whitespace().collect::<Vec<_>>().join(" ");
    (name != "PROJECTION").then(|| TableColumn { name: name.to_owned(), data_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_at_its_own_commas() {
        let list = "\n    a Enum8('x, )' = 1,\n  'y' = 2),\n    b Map(A, B),\n    PROJECTION p (SELECT 1, 2)\n) ENGINE = (1, 2)";
        let found: Vec<_> = top_level_items(list).into_iter().filter_map(column).collect();
        let expected = [("a", "Enum8('x, )' = 1, 'y' = 2)"), ("b", "Map(A, B)")];
        let expected =
            expected.map(|(name, data_type)| TableColumn { name: name.into(), data_type: data_type.into() });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_query_of_a_view_follows_its_name() {
        assert!(view("daily_between").starts_with("SELECT\n    site,\n    day,\n"));
        assert!(view("zone").starts_with("SELECT if(count() = 0"));
    }
}
