//! What the store refuses for what is in it: tried again, split, and at last quarantined; and what is kept of the store's words.

use clickhouse::error::Error;

use super::table::token;
use super::{FIRST_PAUSE, ShipError, Shipper, blocking};
use crate::error_chain::error_chain;
use crate::spool::{BatchRows, SealedSegment, SegmentId, SpoolError};

/// A segment is quarantined when the store has refused its content, or it could not be read, this many times.
const TRIES: u32 = 4;
/// Rows of a segment that are quarantined each alone; where there are more, what is left of the segment is quarantined as it is. Finding
/// each takes two inserts for each halving, some thirty in a full segment.
const MOST_ALONE: u32 = 32;
/// Characters of the store's words that are kept.
const MOST_KEPT: usize = 300;
/// Codes of ClickHouse's errors that blame the rows, and will again: cannot parse, cannot read, out of bounds, violates
/// a constraint, NULL where none may be, unknown element of an enum. A missing table or column is not among them: the
/// operator can mend that.
const CONTENT_CODES: &[u32] = &[6, 26, 27, 32, 33, 38, 41, 69, 72, 117, 128, 131, 349, 469, 691];

/// What came of the attempt to split a segment.
enum Split {
    /// Its halves wait in its place.
    Done,
    /// It is quarantined as it is.
    Impossible,
    /// To be tried again.
    Undecided,
}

impl Shipper {
    /// Decides about a segment that was not shipped, and waits if it is to be tried again.
    pub(super) async fn failed(&mut self, sealed: SealedSegment, error: ShipError) {
        metrics::counter!("footfall_ship_failures_total").increment(1);
        let given_up = match &error {
            ShipError::Damaged(_) => true,
            ShipError::Unreadable(error) if error.is_missing() => return self.forget(sealed, error),
            ShipError::Content { .. } | ShipError::Unreadable(_) => self.refused_again(sealed),
            ShipError::Store { .. } | ShipError::Spool(_) => false,
        };
        if !given_up {
            tracing::warn!(segment = %sealed.id, pause = ?self.pause, error = error_chain(&error), "not shipped");
            return self.rest().await;
        }
        let done = match self.split(sealed, &error).await {
            Split::Done => true,
            Split::Impossible => self.quarantine(sealed, &error).await,
            Split::Undecided => false,
        };
        if done {
            (self.pause, self.refusals) = (FIRST_PAUSE, None);
        } else {
            self.rest().await;
        }
    }

    /// Lets go of a segment whose file somebody has taken: `verify` knows its number.
    fn forget(&mut self, sealed: SealedSegment, error: &SpoolError) {
        tracing::error!(segment = %sealed.id, rows = sealed.events(), error = error_chain(error), "lost: its file is gone");
        self.spool.forget(&sealed);
        (self.pause, self.refusals) = (FIRST_PAUSE, None);
    }

    /// Counts a refusal; whether there have been enough of this segment.
    fn refused_again(&mut self, sealed: SealedSegment) -> bool {
        let before = self.refusals.map_or(0, |(name, refusals)| if name == sealed.id { refusals } else { 0 });
        self.refusals = Some((sealed.id, before + 1));
        // A half of what was refused is refused for the same reason: there is nothing to wait for.
        before + 1 >= if self.spool.is_original(sealed.id) { TRIES } else { 1 }
    }

    async fn quarantine(&mut self, sealed: SealedSegment, error: &ShipError) -> bool {
        let reason = error.to_string();
        let spool = self.spool.clone();
        match blocking(move || spool.quarantine(&sealed, &reason)).await {
            Ok(()) => {
                tracing::error!(segment = %sealed.id, rows = sealed.events(), error = error_chain(error), "segment quarantined");
                metrics::counter!("footfall_segments_quarantined_total").increment(1);
                self.alone += 1;
                true
            }
            Err(error) => {
                tracing::error!(segment = %sealed.id, %error, "segment cannot be quarantined, trying again");
                false
            }
        }
    }

    /// Splits a segment whose events the store refuses, so that in the end the refused rows alone are quarantined. Not one of which
    /// the store holds some events all the same, nor one with yet more refused rows than were quarantined already.
    async fn split(&mut self, sealed: SealedSegment, error: &ShipError) -> Split {
        let is_events = matches!(error, ShipError::Content { rows: BatchRows::Events, .. });
        if !is_events || self.alone >= MOST_ALONE {
            return Split::Impossible;
        }
        match self.is_absent(sealed).await {
            Ok(true) => {}
            Ok(false) => return Split::Impossible,
            Err(error) => {
                tracing::warn!(segment = %sealed.id, error = error_chain(&error), "it is not known what the store has of it");
                return Split::Undecided;
            }
        }
        let spool = self.spool.clone();
        match blocking(move || spool.split(&sealed)).await {
            Ok(true) => {
                tracing::warn!(segment = %sealed.id, rows = sealed.events(), error = error_chain(error), "split in two");
                metrics::counter!("footfall_segments_split_total").increment(1);
                Split::Done
            }
            Ok(false) => Split::Impossible,
            Err(error) => {
                tracing::error!(segment = %sealed.id, %error, "cannot be split");
                // Moving it to quarantine needs no space.
                if error.is_no_space() && self.spool.is_waiting(sealed.id) {
                    Split::Impossible
                } else {
                    Split::Undecided
                }
            }
        }
    }
}

/// What the store's error means for rows of a segment: whether it refuses their content.
pub(super) fn of(segment: SegmentId, rows: BatchRows, error: Error) -> ShipError {
    match &error {
        Error::BadResponse(answer) if code(answer).is_some_and(|code| CONTENT_CODES.contains(&code)) => {
            ShipError::Content { rows, answer: essence(answer) }
        }
        _ => ShipError::Store { name: token(segment, rows), source: without_values(error) },
    }
}

/// An error of the store without what it quotes.
pub(super) fn without_values(error: Error) -> Error {
    match error {
        Error::BadResponse(answer) => Error::BadResponse(essence(&answer)),
        error => error,
    }
}

/// What is kept and logged of the store's words: as far as it quotes neither rows nor a query, which are visitors' data, and the name
/// of the error at their end.
fn essence(answer: &str) -> String {
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
    let mut kept: String = answer[..end].chars().take(MOST_KEPT).collect();
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

/// The number in `Code: 117. DB::Exception: …`.
fn code(answer: &str) -> Option<u32> {
    let (_, rest) = answer.split_once("Code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_blame_the_rows_are_told_from_those_that_pass() {
        let segment = SegmentId { collector: 1, number: 1 };
        for (answer, content) in [
            ("Code: 117. DB::Exception: Unexpected data. (INCORRECT_DATA)", true),
            ("Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)", true),
            ("Code: 60. DB::Exception: Table footfall.events does not exist. (UNKNOWN_TABLE)", false),
            ("Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)", false),
            ("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", false),
            ("502 Bad Gateway", false),
        ] {
            let error = of(segment, BatchRows::Events, Error::BadResponse(answer.into()));
            assert_eq!(matches!(error, ShipError::Content { .. }), content, "{answer}");
        }
        let error = of(segment, BatchRows::Events, Error::Network("connection refused".into()));
        assert!(matches!(error, ShipError::Store { .. }));
    }

    #[test]
    fn what_the_store_quotes_of_a_row_is_not_kept() {
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
            let kept = essence(answer);
            assert!(!kept.contains("sec") && kept.starts_with("Code: "), "{kept}");
        }
        let kept = essence(answers[0]);
        assert_eq!(
            kept,
            "Code: 469. DB::Exception: Constraint `c` for table t is violated at row 1. … (VIOLATED_CONSTRAINT)"
        );
        assert!(essence(&format!("Code: 1. DB::Exception: {}", "x".repeat(10_000))).len() < 400);
        let short = "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)";
        assert_eq!(essence(short), short);
    }
}
