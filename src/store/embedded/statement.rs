//! Reads just enough SQL to serve it over HTTP: where a statement ends, which format it asks for, where an insert's
//! data starts, and which names it uses that reach outside of the store.
//!
//! The grammar is ClickHouse's business, and its own parser has the last word (`Connection::analyse`); nothing here
//! decides that a statement is harmless.

/// A piece of SQL, without white space and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A keyword or a name.
    Word,
    /// A name in quotes.
    Quoted,
    /// A text or a heredoc.
    Text,
    Open,
    Close,
    Semicolon,
    Other,
}

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
    tokens: Vec<Token>,
}

/// Names of functions, engines and dictionary sources that read or write outside of the store whatever the grants say.
/// ClickHouse's grants stop table functions such as `url` and `s3`; they do not stop these.
/// `eval` runs a text as a query, which nothing here has looked through.
const OUTSIDE_FUNCTIONS: &[&str] = &["file", "catboostevaluate", "executable", "eval"];
const OUTSIDE_PREFIXES: &[&str] = &["ai"];
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
const INSIDE_SOURCES: &[&str] = &["clickhouse", "null"];

impl<'a> Statement<'a> {
    /// Cuts `sql` into tokens, up to the first `;` that ends the statement.
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, tokens: tokens(sql) }
    }

    /// Whether there is nothing but white space and comments.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.first().is_none_or(|token| token.kind == Kind::Semicolon)
    }

    /// Where the statement ends: behind its last token, a closing `;` not counted.
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

    /// The last `FORMAT name` that ends the statement but for `SETTINGS`: where it starts and ends, and the name.
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
            let called = self.tokens.get(index + 1).is_some_and(|next| next.kind == Kind::Open);
            let word = |back: usize| index.checked_sub(back).map(|at| self.word(at)).unwrap_or_default();
            let applied = word(1) == "APPLY" || (before_open(&self.tokens, index) && word(2) == "APPLY");
            let outside_function = OUTSIDE_FUNCTIONS.contains(&name.as_str())
                || (OUTSIDE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && is_ai(&name));
            // An escape in a quoted name could spell any of them.
            let escaped = token.kind == Kind::Quoted && name.contains('\\');
            if (called || applied) && (outside_function || escaped) {
                return Some(name);
            }
            // In parentheses `engine` is a column.
            if depth == 0 && self.is_engine(index) && !INSIDE_ENGINES.contains(&name.as_str()) {
                return Some(name);
            }
            if before_open(&self.tokens, index)
                && word(2) == "SOURCE"
                && !INSIDE_SOURCES.contains(&name.as_str())
            {
                return Some(name);
            }
        }
        None
    }

    /// Every setting before `limit` that `SET` or a `SETTINGS` of any depth gives a value, and the first token of the value. A name
    /// without one is a flag that is raised.
    pub(super) fn assignments(&self, limit: usize) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for index in (0..self.tokens.len()).take_while(|index| self.tokens[*index].start < limit) {
            let begins = self.word(index) == "SETTINGS" || (index == 0 && self.word(0) == "SET");
            let mut at = index + 1;
            if !begins {
                continue;
            }
            while let Some(token) =
                self.tokens.get(at).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
            {
                let name = self.name(token);
                if self.word(at + 1) == "=" {
                    let value = self.tokens.get(at + 2).map(|value| self.text(value)).unwrap_or_default();
                    found.push((name, value));
                    at = self.past_value(at + 2);
                } else if self.word(at + 1) == "." {
                    // No setting here has parts; what follows shall not hide behind one.
                    found.push((format!("{name}."), String::new()));
                    break;
                } else if name.contains('_') && matches!(self.word(at + 1).as_str(), "," | "") {
                    // A table may be called `settings`; no setting of one word is a flag.
                    found.push((name, "1".to_owned()));
                    at += 1;
                } else {
                    break;
                }
                if self.word(at) != "," {
                    break;
                }
                at += 1;
            }
        }
        found
    }

    /// The first token behind a setting's value that stands outside of its brackets: a comma, if another setting follows.
    fn past_value(&self, mut at: usize) -> usize {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(at) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close if depth == 0 => break,
                Kind::Close => depth -= 1,
                Kind::Semicolon => break,
                _ if depth == 0 && self.word(at) == "," => break,
                _ => {}
            }
            at += 1;
        }
        at
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

    fn text(&self, token: &Token) -> String {
        String::from_utf8_lossy(&self.sql[token.start..token.end]).into_owned()
    }

    /// The token in upper case; empty when there is none or it is quoted.
    fn word(&self, index: usize) -> String {
        match self.tokens.get(index) {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Other) => {
                self.text(token).to_ascii_uppercase()
            }
            _ => String::new(),
        }
    }

    /// A name in lower case and without its quotes.
    fn name(&self, token: &Token) -> String {
        let bytes = &self.sql[token.start..token.end];
        // Cut as bytes: a quote that never closes may end within a character, or in what is none.
        let name = if token.kind == Kind::Quoted { &bytes[1..bytes.len().max(2) - 1] } else { bytes };
        String::from_utf8_lossy(name).to_ascii_lowercase()
    }
}

/// ClickHouse's functions that ask a language model over HTTP.
fn is_ai(name: &str) -> bool {
    ["classify", "generate", "generatecontent", "embed", "extract", "translate"]
        .contains(&name.strip_prefix("ai").unwrap_or_default())
}

fn before_open(tokens: &[Token], index: usize) -> bool {
    index >= 1 && tokens[index - 1].kind == Kind::Open
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

fn tokens(sql: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let start = at;
        let rest = &sql[at..];
        let kind = match sql[at] {
            byte if byte.is_ascii_whitespace() || byte == 0x0b => {
                at += 1;
                continue;
            }
            0xe2 if rest.starts_with("\u{2018}".as_bytes()) => {
                at = find(rest, "\u{2019}".as_bytes()).map_or(sql.len(), |end| at + end + 3);
                Kind::Text
            }
            0xe2 if rest.starts_with("\u{201c}".as_bytes()) => {
                at = find(rest, "\u{201d}".as_bytes()).map_or(sql.len(), |end| at + end + 3);
                Kind::Other
            }
            // White space of Unicode; ClickHouse takes nothing else outside of quotes.
            0x80.. => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at = line_end(sql, at);
                continue;
            }
            b'#' if rest.starts_with(b"# ") || rest.starts_with(b"#!") => {
                at = line_end(sql, at);
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                at = comment_end(sql, at);
                continue;
            }
            quote @ (b'\'' | b'"' | b'`') => {
                at = quoted_end(sql, at);
                if quote == b'\'' { Kind::Text } else { Kind::Quoted }
            }
            b'$' => {
                at = heredoc_end(sql, at);
                if at == start + 1 { Kind::Other } else { Kind::Text }
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                while sql.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$')) {
                    at += 1;
                }
                Kind::Word
            }
            byte => {
                at += 1;
                match byte {
                    b'(' | b'[' | b'{' => Kind::Open,
                    b')' | b']' | b'}' => Kind::Close,
                    b';' => Kind::Semicolon,
                    _ => Kind::Other,
                }
            }
        };
        tokens.push(Token { kind, start, end: at });
    }
    tokens
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn line_end(sql: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &sql[at..]).map_or(sql.len(), |end| at + end + 1)
}

/// Behind the comment that starts there; comments nest in ClickHouse.
fn comment_end(sql: &[u8], start: usize) -> usize {
    let mut at = start + 2;
    let mut depth = 1;
    while depth > 0 && at < sql.len() {
        let step = match &sql[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
    }
    at
}

/// Behind the closing quote; a quote is doubled or escaped inside.
fn quoted_end(sql: &[u8], start: usize) -> usize {
    let quote = sql[start];
    let mut at = start + 1;
    while at < sql.len() {
        if sql[at] == b'\\' {
            at += 2;
        } else if sql[at] == quote {
            if sql.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    sql.len()
}

/// Behind `$tag$ … $tag$`, or behind the `$` when it is none.
fn heredoc_end(sql: &[u8], start: usize) -> usize {
    let body = &sql[start + 1..];
    let Some(length) = body.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')) else {
        return start + 1;
    };
    if body[length] != b'$' {
        return start + 1;
    }
    let tag = &sql[start..start + length + 2];
    let inside = start + tag.len();
    find(&sql[inside..], tag).map_or(start + 1, |end| inside + end + tag.len())
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
            "SELECT \u{2018}'\u{2019}, file('/etc/passwd'), \u{2018}'\u{2019}",
            "SELECT 1 /* /* */ ' */, file('/etc/passwd') --'",
            "SELECT file\u{a0}('/etc/passwd')",
        ] {
            assert!(Statement::new(sql.as_bytes()).outside(usize::MAX).is_some(), "{sql}");
        }
        for sql in [
            "SELECT file, airport('x') FROM t WHERE name = 'file(1)'",
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
        }
    }

    #[test]
    fn a_statement_ends_before_its_semicolon_and_comments() {
        let sql = "SELECT 1 ; -- done";
        assert_eq!(Statement::new(sql.as_bytes()).end(), "SELECT 1".len());
        assert!(Statement::new(b" -- nothing\n /* at all */").is_empty());
    }
}
