//! Path templates as SQL expressions, which replace what [`PathTemplates::apply`](crate::config::PathTemplates::apply) does.

use super::strings;
use crate::config::{PathTemplates, Site, TemplateSegment};
use crate::store::sql;

/// The condition of events that have a link or file as their name.
const HAS_LINK: &str = "kind IN ('outbound', 'download', 'resource')";

/// The statements that find and change the paths of one site.
pub(super) struct Replacement {
    site: String,
    /// The tables of events and of blocked events.
    tables: [String; 2],
    /// Each column with the expression of its new value.
    columns: Vec<(&'static str, String)>,
    /// The condition of published figures about a path that changes.
    published: String,
}

impl Replacement {
    /// `own`: the site's own hosts among those that its events have. `tables`: those of events and of blocked events.
    pub(super) fn new(site: &Site, own_hosts: &[String], tables: [String; 2]) -> Self {
        let mut columns = vec![("path", replaced("toString(path)", &site.paths))];
        if !own_hosts.is_empty() {
            let own = strings(own_hosts);
            let referrer = replaced("toString(referrer_path)", &site.paths);
            columns.push((
                "referrer_path",
                format!("if(toString(referrer_host) IN ({own}), {referrer}, toString(referrer_path))"),
            ));
            let (host, path) = ("extract(toString(name), '^[^/]*')", "extract(toString(name), '/.*$')");
            let link = replaced(path, &site.paths);
            columns.push((
                "name",
                format!("if({HAS_LINK} AND {host} IN ({own}), concat({host}, {link}), toString(name))"),
            ));
        }
        let published = [("filter", "filter_value"), ("dimension", "value")].map(|(dimension, value)| {
            let path = format!(
                "({dimension} IN ('page', 'missing', 'entry', 'exit') AND {value} != {})",
                replaced(value, &site.paths)
            );
            let (host, rest) = (format!("extract({value}, '^[^/]*')"), format!("extract({value}, '/.*$')"));
            let link = format!(
                "({dimension} IN ('outbound', 'download', 'resource') AND {host} IN ({}) AND {rest} != {})",
                strings(own_hosts),
                replaced(&rest, &site.paths)
            );
            if own_hosts.is_empty() { path } else { format!("{path} OR {link}") }
        });
        Self { site: sql::string(&site.id), tables, columns, published: published.join(" OR ") }
    }

    /// The site's events, also those that are blocked, as a table.
    fn rows(&self) -> String {
        let [events, blocked] = &self.tables;
        let of = |table: &str| {
            format!(
                "SELECT site, time, kind, path, referrer_host, referrer_path, name FROM {table} WHERE site = {}",
                self.site
            )
        };
        format!("({} UNION ALL {})", of(events), of(&format!("{blocked} FINAL")))
    }

    /// The condition of events that change.
    fn changes(&self) -> String {
        let changes: Vec<String> =
            self.columns.iter().map(|(column, value)| format!("toString({column}) != {value}")).collect();
        format!("site = {} AND ({})", self.site, changes.join(" OR "))
    }

    pub(super) fn months(&self) -> String {
        format!(
            "SELECT toYYYYMM(time) AS month, count() FROM {} WHERE {} GROUP BY month ORDER BY month",
            self.rows(),
            self.changes()
        )
    }

    /// Blocked events are in no figures, so they have no days.
    pub(super) fn days(&self, month: Option<u32>) -> String {
        let month = month.map_or_else(String::new, |month| format!(" AND toYYYYMM(time) = {month}"));
        format!(
            "SELECT DISTINCT toUInt16(toDate(time, ifNull(nullIf((SELECT timezone FROM zone), ''), 'UTC'))) AS day FROM {} \
             WHERE {}{month} ORDER BY day",
            self.tables[0],
            self.changes()
        )
    }

    pub(super) fn examples(&self, limit: u64) -> String {
        let of_column = |(column, value): &(&str, String)| {
            format!(
                "SELECT '{column}' AS column, toString({column}) AS before, {value} AS after, count() AS events FROM {} \
                 WHERE before != after GROUP BY before, after ORDER BY events DESC, before LIMIT {limit}",
                self.rows()
            )
        };
        let queries: Vec<String> =
            self.columns.iter().map(|column| format!("({})", of_column(column))).collect();
        format!(
            "SELECT * FROM ({}) ORDER BY events DESC, column, before LIMIT {limit}",
            queries.join(" UNION ALL ")
        )
    }

    /// The statement that deletes published figures about paths that change. `figures`: their table in a statement that changes it.
    pub(super) fn withdrawal(&self, figures: &str) -> String {
        format!("DELETE FROM {figures} WHERE site = {} AND ({})", self.site, self.published)
    }

    /// The statements that change a month.
    pub(super) fn mutations(&self, month: u32) -> [String; 2] {
        let set: Vec<String> =
            self.columns.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let (set, changes) = (set.join(", "), self.changes());
        self.tables
            .each_ref()
            .map(|table| format!("ALTER TABLE {table} UPDATE {set} IN PARTITION {month} WHERE {changes}"))
    }
}

/// The expression of a path with the segments of the first template that fits.
fn replaced(path: &str, templates: &PathTemplates) -> String {
    let mut cases = String::new();
    for template in &templates.0 {
        let pattern: String = template
            .segments()
            .map(|segment| match segment {
                TemplateSegment::Literal(literal) => format!("/{}", escaped(literal)),
                TemplateSegment::Parameter(_) => "/[^/]+".to_owned(),
            })
            .collect();
        let pattern = sql::string(&format!("^{pattern}(/.*)?$"));
        // The templates have no backslash.
        let with = sql::string(&format!("{}\\1", template.as_str()));
        cases += &format!("match({path}, {pattern}), replaceRegexpOne({path}, {pattern}, {with}), ");
    }
    format!("multiIf({cases}{path})")
}

/// A text as a regular expression of RE2 that matches it alone.
fn escaped(literal: &str) -> String {
    let mut pattern = String::with_capacity(literal.len());
    for letter in literal.chars() {
        if letter.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
