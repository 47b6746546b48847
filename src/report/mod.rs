//! Reports: the queries of `sql/report/`, run for a site and a period, shown as a table, JSON or CSV.
//!
//! The command line, the HTTP API and an analyst's own client all run the same files. Three promises hold for each report:
//! it names its purpose (clause 4 of the policy), an audience report folds rows of few visitors into `(other)` (clause
//! 6.2.2: a row stands for itself when at least [`K`] different visitors were counted in it on one day, because over several
//! days nobody can tell visitors apart), and one that shows places credits their source.

pub(crate) mod audit;
pub mod catalogue;
mod filter;
mod period;
mod run;
mod source;
pub mod table;

pub use filter::{Filter, FilterError};
pub use period::{Period, PeriodError};
pub use run::{Answer, Ask, Cost, RawAsk, ReportError, Reports};

/// The fewest visitors of a day that a row of an audience report stands for.
pub const K: u32 = 5;
