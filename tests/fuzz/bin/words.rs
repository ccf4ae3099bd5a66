#![no_main]

#[path = "../targets/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| words::target(data));
