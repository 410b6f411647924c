//! Frames and bodies of SockJS clients.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::sockjs_incoming(data));
