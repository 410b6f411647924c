//! A conversation over Socket.IO 4, attachments included.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::socketio4(data));
