//! Points in time as the row's columns hold them.

/// Unix time in ms, UTC; `DateTime64(3, 'UTC')` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

/// Days since 1970-01-01; `Date` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixDay(pub u16);
