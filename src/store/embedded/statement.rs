//! Reads just enough SQL to serve it over HTTP: where a statement ends, which format it asks for, where an insert's
//! data starts, and which names it uses that reach outside of the store. `assignments` reads its settings.
//!
//! The grammar is ClickHouse's business, and its grants decide what a role may do. But it has no grants for the function `file`,
//! for engines that read files and for settings that name them: for these, what is refused here is the first bound, and the kernel's is
//! the second (see `confine`). So a text whose tokens are in doubt (see `lexer`) is refused whatever it says.

use super::lexer::{Kind, Token, tokens};

/// What kind of statement it is, by how it must be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// It returns rows.
    Rows,
    /// An insert whose data stands behind it or in the body.
    Insert {
        /// The statement up to `FORMAT` or `VALUES`.
        head: usize,
        /// The format it names; `VALUES` is one.
        format: Option<String>,
        /// Where the data starts, when the format's name is followed by anything.
        data: usize,
    },
    /// `SET name = …`, but not `SET ROLE`.
    Set,
    /// `USE database`.
    Use,
    /// Anything else.
    Command,
}

/// A statement and what matters of it here.
pub(super) struct Statement<'a> {
    sql: &'a [u8],
    pub(super) tokens: Vec<Token>,
    unplaced: Option<(usize, &'static str)>,
}

/// Functions that read or write outside of the store whatever the grants say, wherever their names stand: a function is also
/// called by passing its name to `arrayMap` or `APPLY`. ClickHouse's grants stop table functions such as `url` and `s3`; they
/// do not stop these. `eval` runs a text as a query, which nothing here has looked through.
const OUTSIDE_FUNCTIONS: &[&str] = &["file", "catboostevaluate", "executable", "eval"];
/// Engines, in lower case, that keep what they hold in the store.
const INSIDE_ENGINES: &[&str] = &[
    "aggregatingmergetree",
    "atomic",
    "buffer",
    "coalescingmergetree",
    "collapsingmergetree",
    "dictionary",
    "distributed",
    "generaterandom",
    "join",
    "log",
    "materializedview",
    "memory",
    "merge",
    "mergetree",
    "null",
    "replacingmergetree",
    "replicatedaggregatingmergetree",
    "replicatedcollapsingmergetree",
    "replicatedmergetree",
    "replicatedreplacingmergetree",
    "replicatedsummingmergetree",
    "replicatedversionedcollapsingmergetree",
    "set",
    "stripelog",
    "summingmergetree",
    "timeseries",
    "tinylog",
    "versionedcollapsingmergetree",
    "view",
];
/// Where a dictionary may take its rows from.
const INSIDE_SOURCES: &[&str] = &["clickhouse", "null"];
/// How statements begin that change the session, the server or what of a table is in use.
const CONTROLS: &[&str] = &[
    "ALTER", "ATTACH", "BEGIN", "COMMIT", "CREATE", "DETACH", "DROP", "KILL", "ROLLBACK", "SET", "SYSTEM",
    "USE", "WATCH",
];

impl<'a> Statement<'a> {
    /// Cuts `sql` into tokens, all of it.
    pub(super) fn new(sql: &'a [u8]) -> Self {
        let found = tokens(sql);
        Self { sql, tokens: found.all, unplaced: found.unplaced }
    }

    /// What stands before `limit` that ClickHouse may read in another way than this does, if anything.
    pub(super) fn unplaced(&self, limit: usize) -> Option<&'static str> {
        self.unplaced.filter(|(at, _)| *at < limit).map(|(_, what)| what)
    }

    /// Whether all brackets that close were opened within it, and no `;` ends it: then it stays where it is put.
    pub(super) fn is_enclosed(&self) -> bool {
        let mut depth = 0_usize;
        self.tokens.iter().all(|token| match token.kind {
            Kind::Open => {
                depth += 1;
                true
            }
            Kind::Close => {
                depth = depth.wrapping_sub(1);
                depth != usize::MAX
            }
            kind => kind != Kind::Semicolon,
        })
    }

    /// Whether it moves rows from or to a file by `FROM INFILE` or `INTO OUTFILE`.
    pub(super) fn moves_files(&self, limit: usize) -> bool {
        let mut words = (0..self.tokens.len()).take_while(|index| self.tokens[*index].start < limit);
        words.any(|index| matches!(self.word(index).as_str(), "INFILE" | "OUTFILE"))
    }

    /// Whether there is nothing but white space and comments.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.first().is_none_or(|token| token.kind == Kind::Semicolon)
    }

    /// Where the statement ends: behind its last token, `;` at the end not counted.
    pub(super) fn end(&self) -> usize {
        self.tokens.iter().rev().find(|token| token.kind != Kind::Semicolon).map_or(0, |token| token.end)
    }

    /// How it must be run.
    pub(super) fn shape(&self) -> Shape {
        let first = self.tokens.iter().position(|token| token.kind != Kind::Open).unwrap_or(0);
        match self.word(first).as_str() {
            "SELECT" | "WITH" | "SHOW" | "DESC" | "DESCRIBE" | "EXISTS" | "EXPLAIN" | "CHECK" | "FROM"
            | "VALUES" => Shape::Rows,
            "INSERT" => self.insert(first + 1).unwrap_or(Shape::Command),
            "SET" if !matches!(self.word(first + 1).as_str(), "ROLE" | "DEFAULT") => Shape::Set,
            "USE" => Shape::Use,
            _ => Shape::Command,
        }
    }

    /// Whether it may be one that changes the session or the server. What writes to files is of the same class to the engine.
    pub(super) fn may_control(&self) -> bool {
        CONTROLS.contains(&self.word(0).as_str())
    }

    /// The last `FORMAT name` outside of brackets that stands at the end or before `SETTINGS`: where it starts and ends, and
    /// the name.
    pub(super) fn format(&self) -> Option<(usize, usize, String)> {
        let mut depth = 0_usize;
        let mut found = None;
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Word if depth == 0 && self.word(index) == "FORMAT" => {
                    let name = self.tokens.get(index + 1).filter(|next| next.kind == Kind::Word);
                    let last = matches!(
                        self.tokens.get(index + 2).map(|next| next.kind),
                        None | Some(Kind::Semicolon)
                    ) || self.word(index + 2) == "SETTINGS";
                    if let (Some(name), true) = (name, last) {
                        found = Some((token.start, name.end, self.text(name)));
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The first name before `limit` that reaches outside of the store, if any.
    pub(super) fn outside(&self, limit: usize) -> Option<String> {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().take_while(|(_, token)| token.start < limit) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if !matches!(token.kind, Kind::Word | Kind::Quoted) {
                continue;
            }
            let name = self.name(token);
            // An escape in a quoted name could spell any of them.
            let function = is_outside_function(&name) && !(depth == 0 && self.is_column(index));
            if function || (token.kind == Kind::Quoted && name.contains('\\')) {
                return Some(name);
            }
            // In brackets `engine` is a column.
            if depth == 0 && self.is_engine(index) && !INSIDE_ENGINES.contains(&name.as_str()) {
                return Some(name);
            }
            let source =
                index >= 2 && self.tokens[index - 1].kind == Kind::Open && self.word(index - 2) == "SOURCE";
            if source && !INSIDE_SOURCES.contains(&name.as_str()) {
                return Some(name);
            }
        }
        None
    }

    /// Whether a name before `limit` is given by a parameter, which `{name:Identifier}` does.
    pub(super) fn takes_names(&self, limit: usize) -> bool {
        let mut words = (1..self.tokens.len()).take_while(|index| self.tokens[*index].start < limit);
        words.any(|index| self.word(index) == "IDENTIFIER" && self.word(index - 1) == ":")
    }

    /// Whether the name outside of brackets stands alone between its neighbours, as a column of a report does: an argument stands
    /// in brackets, what is called has them behind it, and what `APPLY` and `WITH name AS` take stands behind and before these.
    fn is_column(&self, index: usize) -> bool {
        let word = |at: Option<usize>| at.map(|at| self.word(at)).unwrap_or_default();
        let before = word(index.checked_sub(1));
        let behind = self.word(index + 1);
        let ends = index + 1 == self.tokens.len() || self.kind(index + 1) == Some(Kind::Semicolon);
        let stands = ends
            || matches!(behind.as_str(), "," | "FROM" | "WHERE" | "GROUP" | "ORDER" | "HAVING" | "LIMIT");
        stands && matches!(before.as_str(), "AS" | "BY" | "," | "SELECT")
    }

    /// Whether the token names the engine of a table or database: it stands behind `ENGINE` or `ENGINE =`.
    fn is_engine(&self, index: usize) -> bool {
        let ddl = matches!(self.word(0).as_str(), "CREATE" | "ATTACH" | "REPLACE");
        let word = |back: usize| index.checked_sub(back).map(|at| self.word(at)).unwrap_or_default();
        ddl && (word(1) == "ENGINE" || (word(1) == "=" && word(2) == "ENGINE"))
    }

    /// Takes apart `INSERT INTO [TABLE] [FUNCTION] name [(columns)] [SETTINGS …] VALUES | FORMAT name | SELECT …`.
    fn insert(&self, mut index: usize) -> Option<Shape> {
        for keyword in ["INTO", "TABLE", "FUNCTION"] {
            if self.word(index) == keyword {
                index += 1;
            }
        }
        // The table's name may be spelled like a keyword.
        index += 1;
        while self.word(index) == "." {
            index += 2;
        }
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(index) {
            let word = self.word(index);
            match token.kind {
                Kind::Open => {
                    if depth == 0 && matches!(self.word(index + 1).as_str(), "SELECT" | "WITH") {
                        return None;
                    }
                    depth += 1;
                }
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Semicolon if depth == 0 => break,
                Kind::Word if depth == 0 => match word.as_str() {
                    "SELECT" | "WITH" | "FROM" | "WATCH" => return None,
                    "VALUES" => {
                        let format = Some("Values".to_owned());
                        return Some(Shape::Insert { head: token.start, format, data: token.end });
                    }
                    "FORMAT" => {
                        let name = self.tokens.get(index + 1)?;
                        let data = skip_to_data(self.sql, name.end);
                        return Some(Shape::Insert {
                            head: token.start,
                            format: Some(self.text(name)),
                            data,
                        });
                    }
                    _ => {}
                },
                _ => {}
            }
            index += 1;
        }
        let end = self.end();
        Some(Shape::Insert { head: end, format: None, data: self.sql.len() })
    }

    /// The kind of a token, if there is one.
    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// The token as it stands.
    pub(super) fn text(&self, token: &Token) -> String {
        String::from_utf8_lossy(&self.sql[token.start..token.end]).into_owned()
    }

    /// The token in upper case; empty when there is none or it is quoted.
    pub(super) fn word(&self, index: usize) -> String {
        match self.tokens.get(index) {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Other) => {
                self.text(token).to_ascii_uppercase()
            }
            _ => String::new(),
        }
    }

    /// A name in lower case and without its quotes.
    pub(super) fn name(&self, token: &Token) -> String {
        let bytes = &self.sql[token.start..token.end];
        // Cut as bytes: a quote that never closes may end within a character, or in what is none.
        let name = if token.kind == Kind::Quoted { &bytes[1..bytes.len().max(2) - 1] } else { bytes };
        String::from_utf8_lossy(name).to_ascii_lowercase()
    }
}

/// Whether a name, in lower case, is that of a function that reaches outside of the store.
pub(super) fn is_outside_function(name: &str) -> bool {
    // ClickHouse's functions that ask a language model over HTTP.
    let asks_a_model =
        |rest| ["classify", "generate", "generatecontent", "embed", "extract", "translate"].contains(&rest);
    OUTSIDE_FUNCTIONS.contains(&name) || name.strip_prefix("ai").is_some_and(asks_a_model)
}

/// ClickHouse skips blanks and one line end behind the format's name; what follows is data.
fn skip_to_data(sql: &[u8], mut at: usize) -> usize {
    while matches!(sql.get(at), Some(b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if sql.get(at) == Some(&b'\r') {
        at += 1;
    }
    if sql.get(at) == Some(&b'\n') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(sql: &str) -> (String, Option<String>, String) {
        match Statement::new(sql.as_bytes()).shape() {
            Shape::Insert { head, format, data } => (sql[..head].to_owned(), format, sql[data..].to_owned()),
            shape => panic!("{sql} is {shape:?}"),
        }
    }

    #[test]
    fn an_insert_is_cut_where_its_data_starts() {
        let (head, format, data) = insert("INSERT INTO a.`t t` (x, y) FORMAT RowBinary\n\n\n1");
        assert_eq!(
            (head.as_str(), format.as_deref(), data.as_str()),
            ("INSERT INTO a.`t t` (x, y) ", Some("RowBinary"), "\n\n1")
        );
        let (head, format, data) = insert("insert into values values (1), ('a;b')");
        assert_eq!(
            (head.as_str(), format.as_deref(), data.as_str()),
            ("insert into values ", Some("Values"), " (1), ('a;b')")
        );
        let (head, format, data) =
            insert("INSERT INTO t SETTINGS a = 'FORMAT x' FORMAT JSONEachRow {\"a\":1}");
        assert_eq!(
            (head.as_str(), format.as_deref(), data.as_str()),
            ("INSERT INTO t SETTINGS a = 'FORMAT x' ", Some("JSONEachRow"), "{\"a\":1}")
        );
        assert_eq!(insert("INSERT INTO t;").1, None);
    }

    #[test]
    fn an_insert_from_a_select_is_a_command() {
        for sql in
            ["INSERT INTO t SELECT 1", "INSERT INTO t (a) (SELECT 1)", "INSERT INTO t WITH 1 AS x SELECT x"]
        {
            assert_eq!(Statement::new(sql.as_bytes()).shape(), Shape::Command, "{sql}");
        }
    }

    #[test]
    fn the_format_is_found_only_where_a_format_can_stand() {
        let format = |sql: &str| Statement::new(sql.as_bytes()).format().map(|(_, _, name)| name);
        assert_eq!(format("SELECT 1 FORMAT JSON").as_deref(), Some("JSON"));
        assert_eq!(format("SELECT 1 format TSV settings max_threads=1;").as_deref(), Some("TSV"));
        assert_eq!(format("SELECT format FROM t"), None);
        assert_eq!(format("SELECT 'FORMAT JSON'"), None);
        assert_eq!(format("SELECT 1 -- FORMAT JSON"), None);
        assert_eq!(format("SELECT (SELECT 1 FORMAT JSON)"), None);
        assert_eq!(format("SELECT $a$ FORMAT JSON $a$"), None);
    }

    #[test]
    fn names_that_reach_outside_are_found_however_they_are_spelled() {
        for sql in [
            "SELECT file('/etc/passwd')",
            "SELECT `file` ('/etc/passwd')",
            "SELECT \"file\"/* */('/etc/passwd')",
            "SELECT `f\\x69le`('/etc/passwd')",
            "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
            "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
            "CREATE TABLE t (a String) ENGINE = File(TSV)",
            "CREATE TABLE t (a String) ENGINE URL('http://x', TSV)",
            "CREATE DATABASE d ENGINE = Filesystem('/')",
            "CREATE DICTIONARY d (a Int) PRIMARY KEY a SOURCE(HTTP(url 'http://x'))",
            "SELECT aiGenerate('x')",
            "SELECT 1 /* /* */ ' */, file('/etc/passwd') --'",
            "SELECT arrayMap(file, ['/etc/passwd'])",
            "SELECT arrayMap(`file`, ['/etc/passwd'])",
            "SELECT arrayMap(`f\\x69le`, ['/etc/passwd'])",
            "SELECT arrayMap(aiGenerate, ['x'])",
            "CREATE FUNCTION f AS x -> file(x)",
            "WITH file AS f SELECT arrayMap(f, ['/etc/passwd'])",
            "SELECT file f, arrayMap(f, ['/etc/passwd'])",
            "SELECT file format, arrayMap(format, ['/etc/passwd'])",
            "SELECT '/etc/passwd' APPLY file, 1",
            "SELECT 1 AS file, arrayMap(file, ['/etc/passwd'])",
        ] {
            assert!(Statement::new(sql.as_bytes()).outside(usize::MAX).is_some(), "{sql}");
        }
        for sql in [
            "SELECT value AS file, count() FROM t GROUP BY file ORDER BY file, value, file LIMIT 5",
            "SELECT files, airport('x'), `file.name` FROM t WHERE name = 'file(1)' -- file",
            "CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a",
            "CREATE TABLE t (engine LowCardinality(String)) ENGINE = MergeTree ORDER BY engine",
            "CREATE DICTIONARY d (a Int) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't'))",
        ] {
            assert_eq!(Statement::new(sql.as_bytes()).outside(usize::MAX), None, "{sql}");
        }
    }

    #[test]
    fn a_quote_that_never_closes_and_ends_in_no_character_is_read_without_a_panic() {
        for sql in [&b"SELECT \"a\x91"[..], b"SELECT `\xff", b"SELECT \"", b"SELECT `\xe2\x80"] {
            assert_eq!(Statement::new(sql).outside(usize::MAX), None);
            assert!(Statement::new(sql).unplaced(usize::MAX).is_some());
        }
    }

    #[test]
    fn a_statement_ends_before_its_semicolon_and_comments() {
        let sql = "SELECT 1 ; -- done";
        assert_eq!(Statement::new(sql.as_bytes()).end(), "SELECT 1".len());
        assert!(Statement::new(b" -- nothing\n /* at all */").is_empty());
    }
}
