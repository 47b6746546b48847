//! placeholder

pub mod collect;
mod recent;
