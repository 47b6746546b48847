//! What the rest of the program reads from the files: the columns of a table and the queries of views.

use std::mem::discriminant;

use super::dimensions::{DIMENSIONS, Dimension, DimensionSource};
use super::files;
use super::render::{RenderTarget, SERVER_ONLY};
use crate::store::sql::{self, SqlStatement};

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
    let definition = template(&format!("CREATE TABLE IF NOT EXISTS {{database}}.{table}"));
    let definition = SERVER.fill(&definition, DIMENSIONS);
    let body = definition.split_once('(').map_or("", |(_, body)| body);
    top_level_items(body).into_iter().filter_map(column).collect()
}

/// The query of a view on one server, without `CREATE … AS`.
///
/// # Panics
/// When no file creates the view, as in [`columns`].
pub(crate) fn view(name: &str) -> String {
    let definition = template(&format!("CREATE OR REPLACE VIEW {{database}}.{name}"));
    let query = definition.split_once(" AS\n").map_or("", |(_, query)| query);
    SERVER.fill(query, DIMENSIONS)
}

/// The query of `sql/daily.sql` for these dimensions. It reads `visits` and `events`, and takes the parameter `timezone`.
pub(crate) fn daily_query(dimensions: &[Dimension]) -> String {
    let [.., figures] = daily_statements();
    let (head, tail) = figures.text.split_once("{rows}").expect("sql/daily.sql has {rows}");
    format!("{head}{}{tail}", daily_rows(dimensions))
}

fn daily_statements() -> [SqlStatement; 4] {
    let statements = sql::statements(include_str!("../../../sql/daily.sql"));
    statements.try_into().unwrap_or_else(|_| panic!("sql/daily.sql has four statements"))
}

/// The rows that the figures of these dimensions are added up from. It reads what [`daily_query`] does.
pub(super) fn daily_rows(dimensions: &[Dimension]) -> String {
    let [visits, events, ads, _] = daily_statements();
    let is_of_visits = |source| matches!(source, DimensionSource::Visits { .. });
    let sources: [(SqlStatement, &dyn Fn(DimensionSource) -> bool); 3] = [
        (visits, &is_of_visits),
        (events, &|source| source == DimensionSource::Events),
        (ads, &|source| source == DimensionSource::Ads),
    ];
    let is_read = |source: &dyn Fn(DimensionSource) -> bool| {
        dimensions.iter().any(|dimension| source(dimension.source))
    };
    let rows = sources.into_iter().filter(|(_, source)| is_read(source));
    let rows: Vec<_> = rows.map(|(statement, _)| SERVER.fill(&statement.text, dimensions)).collect();
    rows.join("\nUNION ALL\n")
}

/// Queries of `sql/daily.sql` that have all dimensions between them, each of a few, so that a large day needs bounded memory at once.
pub(crate) fn daily_queries() -> impl Iterator<Item = String> {
    let is_alike = |a: &Dimension, b: &Dimension| discriminant(&a.source) == discriminant(&b.source);
    let of_one_source = DIMENSIONS.chunk_by(is_alike);
    of_one_source.flat_map(|dimensions| dimensions.chunks(DIMENSIONS_AT_ONCE)).map(daily_query)
}

/// The query of `sql/daily.sql` for all dimensions.
pub(crate) fn whole_daily_query() -> String {
    daily_query(DIMENSIONS)
}

/// Dimensions of one query of [`daily_queries`].
pub(super) const DIMENSIONS_AT_ONCE: usize = 6;

/// The queries are run in the client's database, so its name is not needed.
const SERVER: RenderTarget<'_> = RenderTarget { database: "", cluster: None };

/// The statement that begins with `head` and the placeholders that follow a name.
fn template(head: &str) -> String {
    let statements = files::all().flat_map(|file| sql::statements(file.text));
    let mut texts =
        statements.map(|statement| statement.text.trim_start_matches(SERVER_ONLY).trim_start().to_owned());
    let found =
        texts.find(|text| text.strip_prefix(head).is_some_and(|rest| rest.starts_with(['{', ' ', '\n'])));
    found.unwrap_or_else(|| panic!("no file of sql/schema has: {head}"))
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
    use super::super::dimensions::dimension;
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
        assert!(view("daily").starts_with("SELECT * EXCEPT"));
        assert!(view("zone").starts_with("SELECT if(count() = 0"));
    }

    fn query(names: &[&str]) -> String {
        let dimensions: Vec<_> =
            names.iter().map(|name| dimension(name).expect("a known dimension")).collect();
        daily_query(&dimensions)
    }

    #[test]
    fn only_the_given_dimensions_are_computed() {
        let cities = query(&["city"]);
        assert!(cities.contains("('city', toString(country), toString(city))"), "{cities}");
        assert!(!cities.contains("'browser'") && !cities.contains("FROM events"), "{cities}");
        let ads = query(&["ad_click", "ad_impression"]);
        assert!(ads.contains("dimension IN ('ad_click', 'ad_impression')"), "{ads}");
        assert!(!ads.contains("FROM visits"), "{ads}");
        assert_eq!(query(&["total", "event"]).matches("UNION ALL").count(), 1);
        assert_eq!(whole_daily_query().matches("UNION ALL").count(), 2);
    }
}
