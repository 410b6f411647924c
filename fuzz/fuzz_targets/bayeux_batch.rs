//! A batch of Bayeux, and the script that answers it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::bayeux_batch(data));
