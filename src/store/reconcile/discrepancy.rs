//! What reconciliation found to differ, and how it is told to the operator.

use crate::store::dates::day_date;

/// A difference between what was shipped and what is stored, or a loss on the disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Discrepancy {
    /// The store has fewer events of a segment, day and site than were shipped.
    Missing {
        segment: String,
        events: u64,
        /// How many the segment has.
        shipped: u64,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// The store has events of a segment, day and site more than once.
    Doubled {
        segment: String,
        /// How many are too many.
        events: u64,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// The store has events of a segment, day and site without an account in `segments`.
    Unknown {
        segment: String,
        events: u64,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// A segment of this machine's collector is not in its spool and was never shipped.
    Lost { segment: String },
    /// A segment was damaged on the disk, and the operator has not acknowledged the loss by discarding it.
    Damaged {
        segment: String,
        /// How many events were lost, if the segment's counts are readable.
        events: Option<u64>,
        /// How many audit rows were lost, if the segment's seal is readable.
        audit: Option<u64>,
    },
}

impl std::fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { segment, events, shipped, day, site } => {
                let day = day_date(*day);
                if events == shipped {
                    write!(f, "segment {segment} is missing: {events} events of {site} on {day}")
                } else {
                    write!(
                        f,
                        "segment {segment} is incomplete: {events} of its {shipped} events of {site} on {day} are missing"
                    )
                }
            }
            Self::Doubled { segment, events, day, site } => {
                let day = day_date(*day);
                write!(f, "segment {segment} is doubled: {events} events of {site} on {day} are too many")
            }
            Self::Unknown { segment, events, day, site } => {
                let day = day_date(*day);
                write!(
                    f,
                    "segment {segment} is unknown: {events} events of {site} on {day} are stored, and table segments has no count of them"
                )
            }
            Self::Lost { segment } => write!(
                f,
                "segment {segment} is lost: it is not in the spool and was never shipped, and its content is unknown"
            ),
            Self::Damaged { segment, events, audit } => {
                let what = match (events, audit) {
                    (Some(events), None | Some(0)) => format!("{events} events"),
                    (Some(events), Some(rows)) => format!("{events} events and {rows} audit rows"),
                    (None, _) => "an unknown number of events".to_owned(),
                };
                write!(
                    f,
                    "segment {segment} was damaged on the disk: {what} are lost; run `footfall spool discard {segment}` to acknowledge the loss"
                )
            }
        }
    }
}

fn serialize_day<S: serde::Serializer>(day: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&day_date(*day))
}
