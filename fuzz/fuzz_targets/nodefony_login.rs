//! An answer to a challenge of nodefony's login.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::nodefony_login(data));
