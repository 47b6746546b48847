//! Single requests through the whole collector: what is accepted, refused, recognised and stored of them.

mod addresses;
mod bots;
mod browser;
mod explain;
mod partial;
mod refusals;
