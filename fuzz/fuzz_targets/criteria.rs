//! Criteria of clients for a database.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted_fuzz::criteria(data));
