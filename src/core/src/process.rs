//! Child processes: commands as values, how to stop them, and the wish of the user to stop.

/// Whether a signal has asked this process to stop.
pub fn stop_requested() -> bool {
    false
}
