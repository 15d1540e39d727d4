#![no_main]

use buildbot_nix_core::eval::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::lines(bytes));
