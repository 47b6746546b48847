//! What the request says beyond who sent it: the browser, the source of the visit, the group of an error.

mod error_group;

pub use error_group::error_group;
