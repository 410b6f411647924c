//! JSON Web Tokens, and sets of keys.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::jwt(data));
