//! Closes days: computes the visits and daily figures of a finished day in ClickHouse, once, and puts them where reports read them.
//!
//! It computes nothing itself: the SQL is in `sql/schema`.

mod calendar;
mod closing;
mod duplicates;
mod tables;

pub use closing::{Closed, DayCloser};
pub use tables::CloseDayError;
