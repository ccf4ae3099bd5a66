#![no_main]

#[path = "../targets/ndjson.rs"]
mod ndjson;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ndjson::target(data));
