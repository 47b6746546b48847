//! The files of `deploy/` that run beside a collector.

mod dashboards;
mod rules;
pub mod unit_file;
