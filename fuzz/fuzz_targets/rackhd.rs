//! A conversation of RackHD.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::rackhd(data));
