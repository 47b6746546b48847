//! The chain of audit rows: each names the digest of the row before it, so a row that is altered, removed or added later is found.
//!
//! Rows are numbered within a run of a collector, from 0. They are appended in this order, and a crash loses rows from the end of a run
//! alone. The first row of a run names the digest of a row of the run before: of the last one that was known to be durable. Rows that were
//! appended twice have the same number and the same content.

use sha2::{Digest, Sha256};

use crate::event::row_binary::put_text;

/// The digest before the first row of a collector.
pub(crate) const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One row with its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainedRow<'a> {
    pub(crate) collector: u64,
    /// Random, for each run of a collector.
    pub(crate) run: u64,
    pub(crate) number: u64,
    /// Digest of the row before it, in hexadecimal digits.
    pub(crate) previous: &'a str,
    /// Unix ms.
    pub(crate) time: i64,
    pub(crate) action: &'a str,
    /// A JSON object.
    pub(crate) detail: &'a str,
}

impl ChainedRow<'_> {
    /// SHA-256 in hexadecimal digits over the row in RowBinary, as [`Self::encode`] writes it.
    pub(crate) fn digest(&self) -> String {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The columns in the order of [`AUDIT_COLUMNS`](super::record::AUDIT_COLUMNS).
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.to_le_bytes());
        put_text(self.action, out);
        put_text(self.detail, out);
        for number in [self.collector, self.run, self.number] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_text(self.previous, out);
    }
}

/// The last row of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditHead {
    #[serde(with = "decimal")]
    pub run: u64,
    pub number: u64,
    pub digest: String,
}

/// A number of 64 bits as a text, because readers of JSON may round it.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The end of the chain of a running collector.
#[derive(Debug)]
pub(crate) struct AuditChain {
    collector: u64,
    run: u64,
    next: u64,
    previous: String,
}

impl AuditChain {
    /// `last` is the last row of an earlier run that is known to be durable.
    pub(crate) fn new(collector: u64, run: u64, last: Option<AuditHead>) -> Self {
        Self { collector, run, next: 0, previous: last.map_or(NO_DIGEST.to_owned(), |last| last.digest) }
    }

    /// Encodes the next row. Call [`Self::advance`] once it is appended.
    pub(crate) fn encode(&self, time: i64, action: &str, detail: &str) -> (Vec<u8>, String) {
        let Self { collector, run, next, previous } = self;
        let row =
            ChainedRow { collector: *collector, run: *run, number: *next, previous, time, action, detail };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        (bytes, row.digest())
    }

    pub(crate) fn advance(&mut self, digest: String) {
        self.next += 1;
        self.previous = digest;
    }

    /// The last row of this run; `None` before the first.
    pub(crate) fn head(&self) -> Option<AuditHead> {
        let number = self.next.checked_sub(1)?;
        Some(AuditHead { run: self.run, number, digest: self.previous.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_linked_over_runs_and_every_part_of_a_row_changes_its_digest() {
        let mut chain = AuditChain::new(7, 1, None);
        assert_eq!(chain.head(), None);
        let (_, first) = chain.encode(5, "a", "{}");
        chain.advance(first.clone());
        let (_, second) = chain.encode(5, "a", "{}");
        assert_ne!(first, second, "another place in the chain");
        let head = chain.head().unwrap();
        assert_eq!((head.number, &head.digest), (0, &first));
        let text = serde_json::to_string(&head).unwrap();
        assert_eq!(serde_json::from_str::<AuditHead>(&text).unwrap(), head);
        let row = |time, action, detail, previous| {
            ChainedRow { collector: 7, run: 2, number: 0, previous, time, action, detail }.digest()
        };
        let digests = [
            row(5, "a", "{}", &first),
            row(6, "a", "{}", &first),
            row(5, "b", "{}", &first),
            row(5, "a", "{ }", &first),
            row(5, "a", "{}", ""),
        ];
        assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
        assert_eq!(AuditChain::new(7, 2, Some(head)).encode(5, "a", "{}").1, digests[0]);
    }
}
