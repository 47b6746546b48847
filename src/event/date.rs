//! Points in time as the row's columns hold them.

/// Unix time in whole seconds, UTC; `DateTime('UTC')` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixSeconds(pub u32);

/// Days since 1970-01-01; `Date` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixDay(pub u16);

impl UnixSeconds {
    /// The second in which a time lies. A time that ClickHouse's `DateTime` cannot hold becomes its first or last.
    pub fn from_millis(millis: i64) -> Self {
        Self(u32::try_from(millis.div_euclid(1_000).max(0)).unwrap_or(u32::MAX))
    }

    /// The day in UTC.
    pub fn day(self) -> UnixDay {
        UnixDay(u16::try_from(self.0 / (24 * 60 * 60)).expect("2^32 seconds are fewer days than 2^16"))
    }
}
