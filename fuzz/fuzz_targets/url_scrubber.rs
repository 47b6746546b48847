//! Runs `footfall::fuzz::url_scrubber`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::url_scrubber(data));
