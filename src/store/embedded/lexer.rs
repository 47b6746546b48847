//! Cuts SQL into tokens as ClickHouse's lexer does, and says what it could not place.
//!
//! What a check does not see, it does not refuse: a quote or a comment that ClickHouse reads and this does not would hide
//! all that stands behind it. So whatever is not plainly the same in both is named here ([`Tokens::unplaced`]) and refused
//! for everybody: ClickHouse's other comments, its typographic quotes and minus signs, and bytes that begin no token.

/// A piece of SQL, without white space and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a name or a number's digits.
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

/// The tokens of a text.
pub(super) struct Tokens {
    /// In their order.
    pub(super) all: Vec<Token>,
    /// Where the first thing stands whose reading is in doubt, and what it is.
    pub(super) unplaced: Option<(usize, &'static str)>,
}

/// Cuts `sql` into tokens. What is in doubt is a token of kind `Other`, or a text up to the end.
pub(super) fn tokens(sql: &[u8]) -> Tokens {
    let mut found = Tokens { all: Vec::new(), unplaced: None };
    let mut at = 0;
    while at < sql.len() {
        let start = at;
        let (kind, end) = match next(sql, at) {
            Ok((None, end)) => {
                at = end;
                continue;
            }
            Ok((Some(kind), end)) => (kind, end),
            Err(Doubt { why, kind, end }) => {
                found.unplaced.get_or_insert((start, why));
                (kind, end)
            }
        };
        at = end;
        found.all.push(Token { kind, start, end });
    }
    found
}

/// Something that ClickHouse may read in another way.
struct Doubt {
    why: &'static str,
    kind: Kind,
    end: usize,
}

impl Doubt {
    fn byte(why: &'static str, at: usize) -> Self {
        Self { why, kind: Kind::Other, end: at + 1 }
    }
}

/// The token that starts at `at` and its end, or no token and the end of white space or a comment.
fn next(sql: &[u8], at: usize) -> Result<(Option<Kind>, usize), Doubt> {
    let rest = &sql[at..];
    match sql[at] {
        byte if byte.is_ascii_whitespace() || byte == 0x0b => Ok((None, at + 1)),
        b'-' if rest.starts_with(b"--") => {
            if behind_an_exponent(sql, at) {
                return Err(Doubt::byte("-- behind a number's e or p", at));
            }
            Ok((None, line_end(sql, at)))
        }
        b'/' if rest.starts_with(b"/*") => match comment_end(sql, at) {
            Some(end) => Ok((None, end)),
            None => Err(Doubt { why: "a comment without an end", kind: Kind::Other, end: sql.len() }),
        },
        b'/' if rest.starts_with(b"//") => Err(Doubt::byte("// (comments are /* … */ or --)", at)),
        b'#' => Err(Doubt::byte("# (comments are /* … */ or --)", at)),
        b'\\' => Err(Doubt::byte("a backslash", at)),
        0x80.. => Err(Doubt::byte("a character that is not ASCII, outside of quotes", at)),
        byte if byte.is_ascii_control() => Err(Doubt::byte("a control character", at)),
        quote @ (b'\'' | b'"' | b'`') => {
            let kind = if quote == b'\'' { Kind::Text } else { Kind::Quoted };
            let (end, closed) = quoted_end(sql, at);
            if closed {
                Ok((Some(kind), end))
            } else {
                Err(Doubt { why: "a quote without an end", kind, end })
            }
        }
        b'$' => match heredoc_end(sql, at) {
            Some(end) => Ok((Some(Kind::Text), end)),
            None => Err(Doubt::byte("$ outside of $name$ … $name$", at)),
        },
        b'x' | b'X' | b'b' | b'B' if sql.get(at + 1) == Some(&b'\'') => {
            let digits = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let end = at + 2 + digits;
            if sql.get(end) == Some(&b'\'') && sql.get(end + 1) != Some(&b'\'') {
                Ok((Some(Kind::Text), end + 1))
            } else {
                Err(Doubt::byte("x'…' or b'…' of other than digits", at))
            }
        }
        byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
            let length =
                rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            let end = at + length;
            // ClickHouse takes it into a name and not into a number.
            if sql.get(end) == Some(&b'$') {
                return Err(Doubt { why: "$ within a name", kind: Kind::Word, end: end + 1 });
            }
            Ok((Some(Kind::Word), end))
        }
        byte => {
            let kind = match byte {
                b'(' | b'[' | b'{' => Kind::Open,
                b')' | b']' | b'}' => Kind::Close,
                b';' => Kind::Semicolon,
                _ => Kind::Other,
            };
            Ok((Some(kind), at + 1))
        }
    }
}

/// Whether what stands directly before `at` could be a number that takes a sign: ClickHouse reads `1e--1` as `1e-`, `-`, `1`.
fn behind_an_exponent(sql: &[u8], at: usize) -> bool {
    let word = sql[..at]
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        .count();
    let word = &sql[at - word..at];
    matches!(word.last(), Some(b'e' | b'E' | b'p' | b'P'))
        && (word[0].is_ascii_digit() || word.contains(&b'.'))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn line_end(sql: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &sql[at..]).map_or(sql.len(), |end| at + end + 1)
}

/// Behind the comment that starts there, if it ends; comments nest in ClickHouse.
fn comment_end(sql: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 2;
    let mut depth = 1;
    while depth > 0 {
        let step = match sql.get(at..)? {
            [] => return None,
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
    Some(at)
}

/// Behind the closing quote, and whether there is one; a quote is doubled or escaped inside.
fn quoted_end(sql: &[u8], start: usize) -> (usize, bool) {
    let quote = sql[start];
    let mut at = start + 1;
    while at < sql.len() {
        if sql[at] == b'\\' {
            at += 2;
        } else if sql[at] == quote {
            if sql.get(at + 1) != Some(&quote) {
                return (at + 1, true);
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    (sql.len(), false)
}

/// Behind `$tag$ … $tag$`, if it is one. ClickHouse takes other tags too; those are in doubt.
fn heredoc_end(sql: &[u8], start: usize) -> Option<usize> {
    let body = &sql[start + 1..];
    let length = body.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))?;
    if body[length] != b'$' {
        return None;
    }
    let tag = &sql[start..start + length + 2];
    let inside = start + tag.len();
    find(&sql[inside..], tag).map(|end| inside + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unplaced(sql: &str) -> Option<usize> {
        tokens(sql.as_bytes()).unplaced.map(|(at, _)| at)
    }

    #[test]
    fn what_clickhouse_may_read_otherwise_is_named_where_it_stands() {
        for (before, sql) in [
            ("SELECT ", "\u{201c}file\u{201d}('/etc/passwd')"),
            ("SELECT ", "\u{2018}a\u{2019}"),
            ("SELECT 1 ", "\u{2212}\u{2212} '\n, file('/etc/passwd')"),
            ("SELECT 1, ", "// '\nfile('/etc/passwd')"),
            ("SELECT 1, ", "# '\nfile('/etc/passwd')"),
            ("SELECT 1, ", "#! '\nfile('/etc/passwd')"),
            ("SELECT file", "\u{a0}('/etc/passwd')"),
            ("SELECT ", "$ $'$ $, file('/etc/passwd'), $ $'$ $"),
            ("SELECT ", "1$a$'$a$, file('/etc/passwd'), $a$'$a$"),
            ("SELECT ", "a$b"),
            ("SELECT ", "x'41'', file('/etc/passwd') --'"),
            ("SELECT 1e", "--file('/etc/passwd')"),
            ("SELECT 1.e", "--file('/etc/passwd')"),
            ("SELECT 1 ", "\\G"),
            ("SELECT 1", "\0"),
            ("SELECT 1 ", "/* /* */"),
            ("SELECT ", "'a\\'"),
            ("SELECT ", "`a``"),
        ] {
            assert_eq!(unplaced(&format!("{before}{sql}")), Some(before.len()), "{before}{sql}");
        }
    }

    #[test]
    fn in_quotes_and_comments_all_may_stand() {
        for sql in [
            "SELECT '\u{201c}, // # \u{2212} $' -- \u{201c} // # $",
            "SELECT `\u{e4}$`, \"\u{201c}\" /* \u{201c} // '\" */",
            "SELECT $a$ ' \u{201c} // $b$ $a$, $$ '' $$",
            "SELECT x'41', b'01', DATE'2026-01-01', 1e-5, 1e5 - -1, a -- e\n, 2 / 3, 4--5",
        ] {
            assert_eq!(unplaced(sql), None, "{sql}");
        }
    }
}
