//! Answers for people: tables that fit the terminal, with bars, sparklines and readable numbers.

mod cell;
mod chart;
mod grid;
mod layout;
mod render;
mod text;

pub use render::{catalogue, render, width};
