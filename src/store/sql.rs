//! SQL as text: quoting of names and strings, and cutting a file into statements.
//!
//! Values of queries are bound as parameters. Quoting is for statements that ClickHouse takes no parameters in: DDL, and
//! long lists of tuples.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlStatement {
    /// The line comments before and within it, without dashes and surrounding space.
    pub(crate) comments: Vec<String>,
    /// Its text, without comments and without the semicolon.
    pub(crate) text: String,
}

/// A quoted identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A string literal.
pub(crate) fn string(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Cuts a file at its semicolons. A semicolon or dashes in a string, a quoted name or a comment do not count.
///
/// # Panics
/// When the last statement does not end in a semicolon. The files are part of the program, and tests read each.
pub(crate) fn statements(sql: &str) -> Vec<SqlStatement> {
    let mut statements = Vec::new();
    let mut comments = Vec::new();
    let mut text = String::new();
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '-' if rest.starts_with("--") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                comments.push(rest[2..end].trim().to_owned());
                rest = &rest[end..];
                continue;
            }
            '\'' | '`' | '"' => quoted_length(rest),
            _ => letter.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if token == ";" {
            let comments = std::mem::take(&mut comments);
            statements.push(SqlStatement { comments, text: text.trim().to_owned() });
            text.clear();
        } else {
            text.push_str(token);
        }
    }
    assert!(text.trim().is_empty(), "the last statement must end in a semicolon: {text}");
    statements
}

/// Cuts a script at its semicolons, and leaves out parts without a statement. A semicolon in a string, a quoted name or a comment does not
/// count. The last statement needs none.
pub(crate) fn script(sql: &str) -> Vec<&str> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    let mut has_statement = false;
    while at < sql.len() {
        let (length, is_comment) = token(&sql[at..]);
        let token = &sql[at..at + length];
        if token == ";" {
            parts.extend(has_statement.then(|| sql[start..at].trim()));
            (start, has_statement) = (at + length, false);
        } else {
            has_statement |= !is_comment && !token.trim().is_empty();
        }
        at += length;
    }
    parts.extend(has_statement.then(|| sql[start..].trim()));
    parts
}

/// Length in bytes of the token that a text starts with, and whether it is a comment.
fn token(sql: &str) -> (usize, bool) {
    let until = |end: &str| sql.find(end).map_or(sql.len(), |at| at + end.len());
    match sql.chars().next() {
        Some('-') if sql.starts_with("--") => (until("\n"), true),
        Some('/') if sql.starts_with("/*") => (until("*/"), true),
        Some('\'' | '`' | '"') => (quoted_length(sql), false),
        letter => (letter.map_or(0, char::len_utf8), false),
    }
}

/// The names and values of a statement `SET name = value, …`, as ClickHouse takes them as settings of a query; `None` for every other
/// statement.
pub(crate) fn settings(statement: &str) -> Option<Vec<(String, String)>> {
    let mut text = String::new();
    let mut rest = statement;
    while !rest.is_empty() {
        let (length, is_comment) = token(rest);
        text.push_str(if is_comment { " " } else { &rest[..length] });
        rest = &rest[length..];
    }
    let (first, rest) = text.trim().split_once(char::is_whitespace)?;
    if !first.eq_ignore_ascii_case("set") {
        return None;
    }
    let (mut settings, mut rest) = (Vec::new(), rest);
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let (value, after) = is_name.then(|| value(after.trim_start()))??;
        settings.push((name.to_owned(), value));
        match after.trim_start() {
            "" => return Some(settings),
            more => rest = more.strip_prefix(',')?,
        }
    }
}

/// The value that a text starts with, and what follows it. A string loses its quotes; every other value stays as it is.
fn value(text: &str) -> Option<(String, &str)> {
    if text.starts_with('\'') {
        let mut value = String::new();
        let mut rest = text;
        while rest.starts_with('\'') {
            let (quoted, after) = rest.split_at(quoted_length(rest));
            if !value.is_empty() || rest.len() < text.len() {
                value.push('\'');
            }
            unescape(quoted.get(1..quoted.len().checked_sub(1)?)?, &mut value);
            rest = after;
        }
        return Some((value, rest));
    }
    let (mut depth, mut end) = (0_usize, 0);
    while end < text.len() {
        let (length, _) = token(&text[end..]);
        match &text[end..end + length] {
            "[" | "(" | "{" => depth += 1,
            "]" | ")" | "}" => depth = depth.checked_sub(1)?,
            "," if depth == 0 => break,
            _ => {}
        }
        end += length;
    }
    let value = text[..end].trim();
    (!value.is_empty()).then(|| (value.to_owned(), &text[end..]))
}

fn unescape(text: &str, out: &mut String) {
    let mut chars = text.chars();
    while let Some(letter) = chars.next() {
        out.push(match letter {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('0') => '\0',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
}

/// A statement that sets the parameter `{name:Type}` of the queries after it. ClickHouse takes a parameter's value in the form of
/// tab-separated files, where a backslash escapes.
pub(crate) fn set_parameter(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
    format!("SET param_{name} = {};", string(&escaped))
}

/// Length in bytes of the quoted token that `sql` starts with. A backslash escapes the next character.
pub(crate) fn quoted_length(sql: &str) -> usize {
    let mut chars = sql.char_indices();
    let quote = chars.next().map_or('\'', |(_, quote)| quote);
    while let Some((at, letter)) = chars.next() {
        if letter == '\\' {
            chars.next();
        } else if letter == quote {
            return at + quote.len_utf8();
        }
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_and_dashes_in_strings_and_comments_do_not_split() {
        let sql = "-- A title; with a semicolon.\n-- cluster: everywhere\nSELECT 'it''s; -- not \\' a comment' -- really\n;\
                   \nSELECT `a;b`, \"c;d\";\n-- the end\n";
        let found = statements(sql);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].comments, ["A title; with a semicolon.", "cluster: everywhere", "really"]);
        assert_eq!(found[0].text, "SELECT 'it''s; -- not \\' a comment'");
        assert_eq!(found[1].text, "SELECT `a;b`, \"c;d\"");
    }

    #[test]
    fn a_script_is_cut_at_the_semicolons_that_end_statements() {
        let sql = "-- one; two\nSET param_a = 'x;''y'; /* ; */ ;\n\nSELECT `a;b`, \"c;d\" -- ; e\n, '\\';' ;; SELECT 2 /* open ;";
        let expected = [
            "-- one; two\nSET param_a = 'x;''y'",
            "SELECT `a;b`, \"c;d\" -- ; e\n, '\\';'",
            "SELECT 2 /* open ;",
        ];
        assert_eq!(script(sql), expected);
        assert_eq!(script("SELECT 1"), ["SELECT 1"]);
        assert!(script(" ; -- nothing\n; /* nothing */").is_empty());
    }

    #[test]
    fn the_values_of_set_are_those_that_clickhouse_takes() {
        let pairs = |sql: &str| {
            settings(sql)
                .map(|all| all.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>())
        };
        let some = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(pairs("SET param_a = 'b'"), some(&["param_a=b"]));
        assert_eq!(
            pairs("-- why\nset  max_threads=1,param_b = 'it''s', param_c = ''"),
            some(&["max_threads=1", "param_b=it's", "param_c="])
        );
        assert_eq!(pairs("SET param_a = ['x,y', 'z'], b = -1.5"), some(&["param_a=['x,y', 'z']", "b=-1.5"]));
        assert_eq!(pairs(r"SET param_a = 'a\\b\'c\n'"), some(&["param_a=a\\b'c\n"]));
        for other in [
            "SELECT 1",
            "SET",
            "SET ROLE x",
            "SET a",
            "SET a =",
            "SET = 1",
            "SETTINGS a = 1",
            "SET a = 1 b = 2)",
        ] {
            assert_eq!(pairs(other).filter(|all| all.len() != 1), None, "{other}");
        }
    }

    #[test]
    fn a_parameter_is_set_to_any_text() {
        for value in ["", "demo", "it's", "a\\b", "tab\tline\nend", "'; DROP TABLE x; --", "врач"] {
            let statement = set_parameter("x", value);
            let [statement] = script(&statement)[..] else { panic!("{statement}") };
            let (name, escaped) = settings(statement).unwrap().remove(0);
            let plain = escaped.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\");
            assert_eq!((name.as_str(), plain.as_str()), ("param_x", value));
        }
    }

    #[test]
    fn a_doubled_quote_is_two_strings_side_by_side() {
        assert_eq!(quoted_length("'it''s'"), 4);
        assert_eq!(quoted_length("'a\\'b' c"), 6);
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        assert_eq!(identifier("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(string("a'b\\"), "'a\\'b\\\\'");
    }
}
