//! The demonstration: the site of an invented clinic, and invented traffic of its visitors.
//!
//! It does not start a collector; the command does.

mod clinic;
mod clinic_site;
mod days;
mod draw;
mod error;
mod fill;
mod own;
mod page_view;
mod pages;
mod traffic;
mod visitor;

pub(crate) use clinic_site::ClinicSite;
pub use error::DemoError;
pub(crate) use fill::{DemoVisitors, Filled, fill_starting_store, fill_store};
pub(crate) use own::OwnDemo;
