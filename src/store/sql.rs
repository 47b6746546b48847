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
