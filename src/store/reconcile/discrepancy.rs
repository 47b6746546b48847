//! What reconciliation found to differ, and how it is told to the operator.

use super::queries::DaySite;
use crate::store::dates::day_date;

/// A difference between what was shipped and what is stored, or a loss on the disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Discrepancy {
    /// The store has none of a segment's events of a day and site.
    Missing {
        segment: String,
        events: u64,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// The store has a segment's events of a day and site more than once.
    Doubled {
        segment: String,
        events: u64,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// Events are missing or surplus, but not whole segments.
    Events {
        /// The surplus; negative when events are missing. 0: the number is right, but other events are stored.
        events: i64,
        /// The first segment of the affected time.
        from: String,
        /// The last segment of the affected time.
        to: String,
        #[serde(serialize_with = "serialize_day")]
        day: u16,
        site: String,
    },
    /// Events are missing or surplus by `event_counts`, and `segments` does not cover the day.
    Counted {
        /// The surplus; negative when events are missing.
        events: i64,
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
            Self::Missing { segment, events, day, site } => {
                let day = day_date(*day);
                write!(f, "segment {segment} is missing: {events} events of {site} on {day}")
            }
            Self::Doubled { segment, events, day, site } => {
                let day = day_date(*day);
                write!(f, "segment {segment} is doubled: {events} events of {site} on {day} are too many")
            }
            Self::Events { events, from, to, day, site } => {
                let day = day_date(*day);
                let what = match events {
                    0 => "other events than were shipped, but the same number,".to_owned(),
                    1.. => format!("{events} events too many"),
                    _ => format!("{} events missing", events.unsigned_abs()),
                };
                write!(f, "{what} of {site} on {day}, of segments {from} to {to}")
            }
            Self::Counted { events, day, site } => {
                let what = if *events < 0 { "missing" } else { "too many" };
                let day = day_date(*day);
                write!(
                    f,
                    "{} events of {site} on {day} are {what}, by table event_counts",
                    events.unsigned_abs()
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

impl Discrepancy {
    pub(super) fn is_of(&self, day_site: &DaySite) -> bool {
        match self {
            Self::Missing { day, site, .. }
            | Self::Doubled { day, site, .. }
            | Self::Events { day, site, .. }
            | Self::Counted { day, site, .. } => (*day, site) == (day_site.0, &day_site.1),
            Self::Lost { .. } | Self::Damaged { .. } => false,
        }
    }
}

fn serialize_day<S: serde::Serializer>(day: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&day_date(*day))
}
