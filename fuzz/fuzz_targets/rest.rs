//! Requests at the doors of the connector `rest`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted_fuzz::rest(data));
