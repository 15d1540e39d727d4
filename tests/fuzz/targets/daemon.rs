#![no_main]

use buildbot_nix_core::daemon::fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::conversation(bytes));
