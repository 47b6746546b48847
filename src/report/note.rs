//! What the reader of an answer must know about it.

use std::fmt;

/// The name of the row that rows of few visitors are folded into.
pub(crate) const OTHER: &str = "(other)";

/// A note of an answer. It is written in English; the page of reports has its Russian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Rows beyond the limit are left out.
    MoreRows {
        limit: u32,
    },
    /// The age of today's figures, in seconds.
    TodayIsOld {
        seconds: u64,
    },
    TodayIsNotComputed,
    /// Filters let so few visitors pass that the answer has no rows.
    FewVisitors {
        k: u32,
    },
    FewVisitorsInRows {
        k: u32,
    },
    FewVisitorsOnDays {
        k: u32,
    },
    /// The figures of the period of comparison are left out.
    FewVisitorsBefore {
        k: u32,
    },
    /// Rows of few visitors are one row.
    Folded {
        k: u32,
    },
    /// How the operator on this machine sees the rows that are folded.
    FoldedUnlessK,
    /// The figures are published ones.
    Published,
    /// Not all days of the period are published under the filter, if there is one.
    PublishedDays {
        published: u64,
        days: i32,
        filter: Option<String>,
    },
    /// How often published totals of today are renewed.
    PublishedToday,
    EmptyStore,
    /// The site has no events; `known` are sites that have.
    UnknownSite {
        site: String,
        known: Vec<String>,
    },
    /// No row has the value of the filter; `meant` is the filter with a value that is like it.
    UnknownValue {
        filter: String,
        meant: String,
    },
    /// The meaning of a report without rows, as the file of the report states it.
    NothingFound(&'static str),
    /// Bots viewed pages and are not counted. Under filters their number is not told.
    BotsLeftOut {
        views: Option<u64>,
    },
    NoGoals,
    NoFunnels,
    /// All replicas of a shard of the cluster lag by more than so many seconds.
    ReplicasLag {
        seconds: &'static str,
    },
}

impl Note {
    /// Whether it says that the site, or the store, has no events at all.
    pub fn is_of_unknown_site(&self) -> bool {
        matches!(self, Self::EmptyStore | Self::UnknownSite { .. })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreRows { limit } => write!(f, "there are more rows than these {limit}"),
            Self::TodayIsOld { seconds } => write!(f, "the figures of today are {seconds} s old"),
            Self::TodayIsNotComputed => f.write_str(
                "today is not computed yet; a running collector computes it when its reports are requested",
            ),
            Self::FewVisitors { k } => {
                write!(f, "fewer than {k} visitors pass these filters: nothing is shown")
            }
            Self::FewVisitorsInRows { k } => {
                write!(f, "rows with fewer than {k} visitors are not shown under filters")
            }
            Self::FewVisitorsOnDays { k } => {
                write!(f, "days with fewer than {k} visitors are left out under filters")
            }
            Self::FewVisitorsBefore { k } => write!(
                f,
                "fewer than {k} visitors pass these filters in the period of comparison: its figures are not shown"
            ),
            Self::Folded { k } => write!(
                f,
                "what had fewer than {k} visitors on each day is folded into {OTHER}, in which one visitor may count several times"
            ),
            Self::FoldedUnlessK => f.write_str("`--k 1` shows every row, to you on this machine"),
            Self::Published => f.write_str(
                "published figures: counts have noise, and few visitors are left out or in (other)",
            ),
            Self::PublishedDays { published, days, filter } => {
                let under = filter.as_ref().map_or(String::new(), |filter| format!(" under {filter}"));
                write!(
                    f,
                    "{published} of {days} days are published{under}: the others had too few visitors, or are not closed yet"
                )
            }
            Self::PublishedToday => f.write_str(
                "today's totals are renewed once an hour at most, and only when enough visitors came or went",
            ),
            Self::EmptyStore => f.write_str("the store holds no events yet"),
            Self::UnknownSite { site, known } => {
                write!(f, "the store holds no events of site {site:?}; it has {}", known.join(", "))
            }
            Self::UnknownValue { filter, meant } => write!(f, "did you mean {meant} instead of {filter}?"),
            Self::NothingFound(meaning) => f.write_str(meaning),
            Self::BotsLeftOut { views: Some(views) } => write!(f, "{views} views of bots are left out"),
            Self::BotsLeftOut { views: None } => f.write_str("views of bots are left out"),
            Self::NoGoals => f.write_str("the site has no goals; write [[site.goal]] into the configuration"),
            Self::NoFunnels => {
                f.write_str("the site has no funnels; write [[site.funnel]] into the configuration")
            }
            Self::ReplicasLag { seconds } => write!(
                f,
                "all replicas of a shard are more than {seconds} s behind: figures may lack what is newest"
            ),
        }
    }
}
