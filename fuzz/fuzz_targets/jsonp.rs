//! Forms from script-tag clients, and scripts for them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::jsonp(data));
