//! Bounds of the wire format.

/// Declares the bounds and the table of `docs/wire.md`.
macro_rules! limits {
    ($(
        #[doc = $meaning:literal]
        $(#[doc = $more:literal])*
        pub const $name:ident: $type:ty = $value:expr;
    )*) => {
        $(#[doc = $meaning] $(#[doc = $more])* pub const $name: $type = $value;)*

        /// Meaning and value of each bound.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, u64)] = &[$(($meaning, $name as u64)),*];
    };
}

limits! {
    /// Bytes of a body.
    ///
    /// Browsers let `sendBeacon` and `fetch` with `keepalive` send this much at once.
    pub const MAX_BODY: usize = 64 << 10;
    /// Events in one beacon.
    pub const MAX_EVENTS: usize = 100;
    /// Properties of one event.
    pub const MAX_PROPS: usize = 30;
    /// Cookies in one beacon.
    pub const MAX_COOKIES: usize = 30;
    /// Age of an event in ms. An older event counts as this old.
    pub const MAX_AGE_MS: u32 = 24 * 60 * 60 * 1_000;
    /// Letters of a page-load id: 64 bits in base 36.
    pub const MAX_PAGE_LOAD: usize = 13;
    /// Bytes of a language tag or time zone. A longer one is dropped.
    pub const MAX_TAG: usize = 64;
    /// Bytes of the name of a release. A longer one is dropped.
    pub const MAX_RELEASE: usize = 64;
    /// Bytes of the name of an HTML element. A longer one is dropped.
    pub const MAX_ELEMENT: usize = 16;
    /// Bytes of the name of an event, campaign or slot.
    pub const MAX_NAME: usize = 128;
    /// Bytes of the name of a property.
    pub const MAX_PROP_NAME: usize = 64;
    /// Bytes of the value of a property.
    pub const MAX_PROP_VALUE: usize = 512;
    /// Bytes of an error's message.
    pub const MAX_MESSAGE: usize = 512;
    /// Bytes of an error's stack.
    pub const MAX_STACK: usize = 2_048;
}
