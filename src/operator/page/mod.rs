//! The page of reports.

pub mod charts;
