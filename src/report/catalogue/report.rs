//! One report, as its file describes it.

use std::borrow::Cow;

use crate::store::schema::Dimension;

/// Words in a query that `report::goals` replaces: the visit's value in the dimension of the parameter `by`, and the names of goals or of the
/// steps of a funnel.
pub(in crate::report) const BY_DIMENSION: &str = "{value}";
pub(in crate::report) const GOALS: &str = "{goal_names}";
pub(in crate::report) const STEPS: &str = "{step_names}";
/// The word in whose place a query has that of the events that meet goals.
pub(super) const GOAL_EVENTS: &str = "{goal_events}";
pub(super) const GOAL_EVENTS_QUERY: &str = include_str!("../../../sql/goal_events.sql");

/// The query of reports whose file has none.
pub(super) const BREAKDOWN: &str = include_str!("../../../sql/breakdown.sql");

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name on the command line and in URLs: the file's name.
    pub name: &'static str,
    pub title: &'static str,
    /// Its place in the list of reports.
    pub order: u32,
    pub purpose: Purpose,
    /// What it shows, and what one must know to read it.
    pub about: String,
    /// Arguments of `footfall report NAME` for the example in the documents.
    pub example: Option<&'static str>,
    /// What it means that it has no rows, if it means something.
    pub empty: Option<&'static str>,
    /// Whether it shows places or networks, whose source must be credited.
    pub places: bool,
    /// Whether its rows are totals of all visitors, which are not folded.
    pub is_totals: bool,
    /// Whether it shows all rows when no limit is given.
    pub is_unlimited: bool,
    /// The dimensions of `daily` that it reads; empty if it does not read `daily`.
    pub(crate) dimensions: Vec<Dimension>,
    /// The values of the parameter `by`, the default first; empty if it has no such parameter.
    pub by: Vec<&'static str>,
    pub columns: Vec<ReportColumn>,
    /// In the order of their first use.
    pub parameters: Vec<ReportParameter>,
    /// Whether it is `sql/breakdown.sql` for its dimension.
    pub is_breakdown: bool,
    /// The whole file with what it includes, or `sql/breakdown.sql`.
    pub sql: Cow<'static, str>,
}

/// What a report may be used for (clause 4 of the policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To know how the site is used. Rows of few visitors are folded.
    Audience,
    /// To find and solve technical problems.
    Diagnostics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportColumn {
    /// Its name in the answer of the query.
    pub name: &'static str,
    /// `text`, `id`, `time`, `%`, `s`, `ms`, `ratio`, `unit` if column `unit` has that of each row, or what it counts.
    pub unit: &'static str,
    pub about: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportParameter {
    pub name: String,
    /// Its ClickHouse type.
    pub kind: String,
}

/// The credit that the licence of DB-IP's data (CC BY 4.0) requires wherever the data is shown.
pub const CREDIT: &str = "Places by DB-IP (https://db-ip.com), CC BY 4.0";

/// The dimensions that come from DB-IP's data.
const PLACES: [&str; 4] = ["country", "region", "city", "network"];

impl Purpose {
    pub const ALL: [Self; 2] = [Self::Audience, Self::Diagnostics];

    /// Its name in headers and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Diagnostics => "diagnostics",
        }
    }
}

impl ReportColumn {
    /// Whether the column holds words or times, not quantities.
    pub fn is_text(&self) -> bool {
        matches!(self.unit, "text" | "time" | "id")
    }

    /// Whether the column holds times or days.
    pub(in crate::report) fn is_time(&self) -> bool {
        self.unit == "time"
    }
}

impl Report {
    /// Whether it reads visits or daily figures, and so shows open days as they were when they were last computed.
    pub fn reads_days(&self) -> bool {
        !self.dimensions.is_empty() || self.sql.contains("FROM visits")
    }

    /// The column of `sql/breakdown.sql` that one of its columns shows: the first text is the value, the second the detail.
    pub(in crate::report) fn breakdown_column(&self, column: &ReportColumn) -> &'static str {
        let mut texts = self.columns.iter().filter(|column| column.unit == "text");
        match texts.position(|text| text == column) {
            Some(0) => "value",
            Some(_) => "detail",
            None => column.name,
        }
    }

    /// Whether a request for it may have a parameter.
    pub fn takes(&self, parameter: &str) -> bool {
        let parameter = match parameter {
            "compare" => "before_to",
            // What these stand for is put in place of a word in braces (`report::goals`).
            "by" if self.sql.contains(BY_DIMENSION) => return true,
            "goal" => return self.sql.contains(GOALS),
            "funnel" => return self.sql.contains(STEPS),
            other => other,
        };
        self.parameters.iter().any(|known| known.name == parameter)
    }

    /// What must be shown beside its answers, if they are broken down as `by` says.
    pub fn credit(&self, by: Option<&str>) -> Option<&'static str> {
        let is_place = by.is_none_or(|by| PLACES.contains(&by));
        (self.places && is_place).then_some(CREDIT)
    }
}
