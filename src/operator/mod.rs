//! The operator's side: listeners for administration and reports behind authentication, metrics, readiness, the API of reports
//! and their page.
//!
//! It refuses requests that pages of other sites cause, and requests without a token where one is needed.

mod admin;
mod api;
mod auth;
mod entry;
mod listener;
pub mod page;
mod reading;
mod subjects;

pub use admin::{Admin, CheckResult, LivenessCheck, ReadinessCheck, SampleWriter};
pub use api::respond as respond_with_reports;
pub use auth::{Auth, AuthPolicy};
pub use entry::{PageBase, ReportsEntry};
pub use listener::OperatorListener;
pub use page::CollectorState;
pub use page::charts::WorldMap;
pub use subjects::LOCAL_SECRET;
