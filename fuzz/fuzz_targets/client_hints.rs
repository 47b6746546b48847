//! Runs `footfall::fuzz::client_hints`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::client_hints(data));
