//! Answers of a Redis server.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted_fuzz::redis(data));
