//! Commands with which an operator answers visitors and authorities: requests of visitors, the audit, acts of destruction, incidents.

mod act;
mod admin_client;
pub(super) mod audit;
pub(super) mod incident;
pub(super) mod retention;
pub(super) mod subject;
