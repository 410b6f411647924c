//! What a peer of the connector `tcp` sends.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted_fuzz::tcp(data));
