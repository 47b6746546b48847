//! Runs `footfall::fuzz::store_request`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::store_request(data));
