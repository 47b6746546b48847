//! The store's answers as they may be logged: without the rows and queries that ClickHouse quotes in them.

use std::error;

use clickhouse::error::Error;

use crate::error_chain::error_chain;

/// Most characters of the store's answer that are kept.
const MAX_ANSWER_CHARS: usize = 300;
/// The beginning of every error of ClickHouse.
const ANSWER_START: &str = "Code: ";

/// The error without the rows and queries that the store quotes in it.
pub(crate) fn redact(error: Error) -> Error {
    match error {
        Error::BadResponse(answer) => Error::BadResponse(without_quotes(&answer)),
        error => error,
    }
}

/// What may be logged of the store's answer: the text before the first quotation of a row or a query, which may hold visitors'
/// data, and the name of the error from the end of the answer.
pub(crate) fn without_quotes(answer: &str) -> String {
    const QUOTES: &[&str] = &[
        "'",
        "\"",
        " Column values",
        " Expression",
        " scope ",
        " failed at position",
        "SELECT",
        "VALUES",
        "\n",
    ];
    let end = QUOTES.iter().filter_map(|quote| answer.find(quote)).min().unwrap_or(answer.len());
    let mut kept: String = answer[..end].chars().take(MAX_ANSWER_CHARS).collect();
    if kept.len() < answer.len() {
        kept.truncate(kept.trim_end().len());
        kept += " …";
        let is_name = |text: &&str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'))
        };
        let names = answer[end..].rsplit('(').filter_map(|text| text.split_once(')')).map(|(name, _)| name);
        if let Some(name) = names.take(3).find(is_name) {
            kept += &format!(" ({name})");
        }
    }
    kept
}

/// An error and its causes on one line, without the rows and queries that an answer of the store among them quotes. A statement may
/// name a visitor's pseudonym, or the value of a cookie.
pub(crate) fn redacted_chain(error: &dyn error::Error) -> String {
    let chain = error_chain(error);
    match chain.find(ANSWER_START) {
        Some(at) => format!("{}{}", &chain[..at], without_quotes(&chain[at..])),
        None => chain,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn quotations_of_rows_are_removed_from_the_store_s_answers() {
        let answers = [
            "Code: 469. DB::Exception: Constraint `c` for table t is violated at row 1. Expression: (path != '/a'). \
             Column values: path = '/sec (ret)' (VIOLATED_CONSTRAINT)",
            "Code: 27. DB::Exception: Cannot parse input: expected '\\t' before: 'secret\\'s (secret)': (at row 3). (X)",
            "Code: 6. DB::Exception: Row 1: Column 0, name: path, parsed text: \"secret\" ERROR. (Y)",
            "Code: 469. Constraint `c` is violated. Column values: path = secret",
            "Code: 47. DB::Exception: Unknown table expression identifier `events` in scope SELECT 1 WHERE p IN (secret). (Z)",
            "Code: 62. DB::Exception: Syntax error: failed at position 1 (secret) (line 2, col 1): secret. (SYNTAX_ERROR)\nsecret",
        ];
        for answer in answers {
            let kept = without_quotes(answer);
            assert!(!kept.contains("sec") && kept.starts_with("Code: "), "{kept}");
        }
        let kept = without_quotes(answers[0]);
        assert_eq!(
            kept,
            "Code: 469. DB::Exception: Constraint `c` for table t is violated at row 1. … (VIOLATED_CONSTRAINT)"
        );
        assert!(without_quotes(&format!("Code: 1. DB::Exception: {}", "x".repeat(10_000))).len() < 400);
        let short = "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)";
        assert_eq!(without_quotes(short), short);
    }

    #[test]
    fn a_chain_keeps_its_own_words_and_loses_the_values_of_the_statement() {
        let answer = "Code: 47. DB::Exception: Unknown expression identifier `copy_number` in scope SELECT count() FROM events \
                      WHERE cookies['sid'] = 'secret'. (UNKNOWN_IDENTIFIER)";
        let error = io::Error::other(Error::BadResponse(answer.to_owned()));
        let chain = redacted_chain(&error);
        assert!(!chain.contains("secret"), "{chain}");
        assert!(chain.contains("`copy_number` in … (UNKNOWN_IDENTIFIER)"), "{chain}");
        assert_eq!(redacted_chain(&io::Error::other("the file 'a' is missing")), "the file 'a' is missing");
    }
}
