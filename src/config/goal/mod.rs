//! Goals and funnels of a site: what its owner hopes that visitors do. They are settings of reports alone: a change applies to the past, too.

mod check;
mod model;

pub(super) use check::{funnels, goals};
pub use model::{Funnel, Goal, GoalCondition, PagePattern};
