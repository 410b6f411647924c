//! A conversation of nodefony.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::nodefony(data));
