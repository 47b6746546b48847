//! What visitors see and ask for, and what is left of them.

mod destruction;
mod memory;
mod refused_statements;
mod subjects;
mod visitor_page;
