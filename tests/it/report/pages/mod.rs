//! What the reports listener answers: the API and the page.

mod api;
pub mod page;
mod page_views;
