//! Days: computes their visits, daily figures and published figures in ClickHouse and puts these where reports read them. A day that is over is
//! closed once; an open day is computed again while reports are requested.
//!
//! It computes nothing itself: the SQL is in `sql/schema/0005_visits.sql`, `sql/daily.sql` and `sql/published.sql`.

mod again;
mod calendar;
mod closing;
mod computation;
mod compute;
mod counts;
mod duplicates;
mod lease;
mod open_days;
mod publish;
mod shards;
mod tables;

pub use again::make_due;
pub use closing::{Closed, DayCloser};
pub use lease::while_no_day_is_closed;
pub use open_days::OpenDays;
pub use publish::{NoiseKey, NoiseKeyError, Publisher};
pub(in crate::store) use shards::{PinnedShard, PinnedShards};
pub use tables::CloseDayError;
pub(in crate::store) use tables::Tables;
