//! Runs `footfall::fuzz::beacon`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::beacon(data));
