#![no_main]

use buildbot_nix_core::machine_line::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::lines(bytes));
