//! Why a segment was not shipped.

use clickhouse::error::Error;

use super::table::{table, token};
use crate::spool::{BatchRows, SegmentId, ShipmentError, SpoolError};
use crate::store::cluster::TopologyError;
use crate::store::{error_code, redact, without_quotes};

/// Codes of ClickHouse's errors that blame the rows and would recur: cannot parse, cannot read, out of bounds, violated
/// constraint, unexpected NULL, unknown element of an enum. A missing table or column is not among them, because the operator
/// can repair it.
const CONTENT_CODES: &[u32] = &[6, 26, 27, 32, 33, 38, 41, 69, 72, 117, 128, 131, 349, 469, 691];

/// A node of a cluster says so when it lost the connection to another one, with the codes of rows that end too soon (32, 33). The rows are not to blame.
const LOST_CONNECTION: &str = "while receiving packet from";

#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    /// The store failed, or could not be reached.
    #[error("the store did not take segment {name}")]
    Store { name: String, source: Error },
    #[error("cannot tell whether the store has events of segment {name}")]
    Topology { name: String, source: TopologyError },
    #[error(
        "cannot tell whether the store has events of segment {name}: no replica of shard {shard} answers"
    )]
    Shard { name: String, shard: u32 },
    /// A replica that answers may lack rows that only a dead one has.
    #[error(
        "cannot tell whether the store has events of segment {name}: too few replicas of a shard have all of its rows"
    )]
    Lag { name: String },
    /// Sending the rows again cannot help.
    #[error("the store rejects rows of the segment: table {}: {answer}", table(*rows))]
    Rejected { rows: BatchRows, answer: String },
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Unreadable(SpoolError),
    /// The spool could not change its files.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl From<ShipmentError> for ShipError {
    fn from(error: ShipmentError) -> Self {
        match error {
            ShipmentError::Damaged(reason) => Self::Damaged(reason),
            ShipmentError::Spool(error) => Self::Unreadable(error),
        }
    }
}

impl ShipError {
    /// The error of a failed insert: [`ShipError::Rejected`] if the store blames the rows.
    pub(super) fn from_insert(segment: SegmentId, rows: BatchRows, error: Error) -> Self {
        let blames_rows = error_code(&error).is_some_and(|code| CONTENT_CODES.contains(&code));
        match &error {
            // Only what stands before quotations: visitors do not write that.
            Error::BadResponse(answer)
                if blames_rows && !without_quotes(answer).contains(LOST_CONNECTION) =>
            {
                Self::Rejected { rows, answer: without_quotes(answer) }
            }
            _ => Self::Store { name: token(segment, rows), source: redact(error) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_blame_the_rows_are_told_apart_from_transient_ones() {
        let segment = SegmentId { collector: 1, number: 1 };
        for (answer, content) in [
            ("Code: 117. DB::Exception: Unexpected data. (INCORRECT_DATA)", true),
            ("Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)", true),
            ("Code: 60. DB::Exception: Table footfall.events does not exist. (UNKNOWN_TABLE)", false),
            ("Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)", false),
            ("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", false),
            // The quorum of replicas was not reached: 285, 286 and 319.
            (
                "Code: 285. DB::Exception: Number of alive replicas (1) is less than requested quorum. (TOO_FEW_LIVE_REPLICAS)",
                false,
            ),
            (
                "Code: 286. DB::Exception: Quorum for previous write has not been satisfied yet. (UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE)",
                false,
            ),
            ("Code: 319. DB::Exception: Unknown quorum status. (UNKNOWN_STATUS_OF_INSERT)", false),
            (
                "Code: 32. DB::Exception: Attempt to read after eof: while receiving packet from ch-2:9000, local address: ch-1:51116: \
                 Insertion status:\nWrote 1 blocks (ATTEMPT_TO_READ_AFTER_EOF)",
                false,
            ),
            (
                "Code: 33. DB::Exception: Cannot read all data in '/while receiving packet from'. (CANNOT_READ_ALL_DATA)",
                true,
            ),
            ("502 Bad Gateway", false),
        ] {
            let error = ShipError::from_insert(segment, BatchRows::Events, Error::BadResponse(answer.into()));
            assert_eq!(matches!(error, ShipError::Rejected { .. }), content, "{answer}");
        }
        let error =
            ShipError::from_insert(segment, BatchRows::Events, Error::Network("connection refused".into()));
        assert!(matches!(error, ShipError::Store { .. }));
    }
}
