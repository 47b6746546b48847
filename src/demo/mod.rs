//! The demonstration: the site of an invented clinic, and invented traffic of its visitors.
//!
//! It does not start a collector; the command does.

mod clinic;
mod clinic_site;
mod draw;
mod error;
mod fill;
mod page_view;
mod pages;
mod traffic;
mod visitor;

pub(crate) use clinic_site::{ClinicSite, announce, check_store_addresses, with_clinic};
pub use error::DemoError;
pub(crate) use fill::{DemoVisitors, fill_store};
