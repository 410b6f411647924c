//! A conversation in the dialect of TURTED 1 and 2.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::classic(data));
