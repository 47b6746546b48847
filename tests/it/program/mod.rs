//! The program as its operator starts and sets it.

mod configuration;
mod demo;
mod metrics;
mod public_url;
mod serve;
