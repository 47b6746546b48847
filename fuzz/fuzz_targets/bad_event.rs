//! Runs `footfall::fuzz::bad_event`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::bad_event(data));
