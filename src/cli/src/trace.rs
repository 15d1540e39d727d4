//! What is asked of forges, line by line on stderr, for those who look for a fault.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Shows every request to a forge from now on: method, URL, answer and time, never a token.
///
/// Only the first call in a process does something.
pub fn show_requests() {
    // Libraries have more to say, which is about connections.
    let ours = Targets::new().with_target("buildbot_nix_core", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_filter(ours);
    // It fails if there is one already.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
