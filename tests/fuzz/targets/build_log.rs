#![no_main]

use buildbot_nix_core::build::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::log(bytes));
