//! What one call of the agent says for the master: its result, or why there is none.

use std::sync::{Mutex, PoisonError};

use buildbot_nix_core::machine_line::{Decoder, Line};
use pyo3::prelude::*;

use crate::boundary;

/// Reads the agent's stdout. `Found` is what the agent was called for.
pub(crate) struct Reader<Found>(Mutex<State<Found>>);

/// What was read so far.
pub(crate) struct State<Found> {
    decoder: Decoder,
    pub(crate) found: Option<Found>,
    /// Why nothing can be found.
    pub(crate) fatal: Option<String>,
}

impl<Found: Send> Reader<Found> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            decoder: Decoder::default(),
            found: None,
            fatal: None,
        }))
    }

    /// Looks at what was read so far.
    pub(crate) fn with<Output>(&self, look: impl FnOnce(&mut State<Found>) -> Output) -> Output {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the next bytes; `pick` knows the line that is wanted.
    pub(crate) fn feed(
        &self,
        python: Python<'_>,
        data: &[u8],
        pick: fn(Line) -> Option<Found>,
    ) -> PyResult<()> {
        boundary::call(python, || {
            self.with(|state| {
                for line in state.decoder.feed(data)? {
                    if let Line::Fatal { message, .. } = line {
                        state.fatal = Some(message);
                    } else if let Some(found) = pick(line) {
                        state.found = Some(found);
                    }
                }
                Ok::<_, buildbot_nix_core::error::Error>(())
            })
        })
    }
}
