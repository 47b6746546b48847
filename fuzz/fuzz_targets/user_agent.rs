//! Runs `footfall::fuzz::user_agent`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footfall::fuzz::user_agent(data));
