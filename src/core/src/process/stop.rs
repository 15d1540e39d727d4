use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGTERM, SIGINT and SIGHUP do not end this process but make [`stop_requested`]
/// true. Whoever calls this has to look at it: only then can children be ended first.
pub fn watch_stop_signals() -> Result<(), Error> {
    let flag = STOP.get_or_init(Arc::default);
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|error| Error::io("watch the signals of", "this process", error))?;
    }
    Ok(())
}

/// Whether a signal has asked this process to stop.
pub fn stop_requested() -> bool {
    STOP.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
