//! A command of the native and the classic dialect.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| turted::fuzzing::command(data));
