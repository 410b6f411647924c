//! A recipe and a message.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted_fuzz::mapping(data));
