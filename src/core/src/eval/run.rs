use std::ops::ControlFlow;

use super::{Event, Request, Summary};
use crate::error::Error;

/// Evaluates what `request` asks for. Every event goes to `sink`; [`ControlFlow::Break`] stops the
/// evaluation with [`Error::Stopped`], as does a signal ([`crate::process::stop_requested`]).
///
/// An error means that the evaluation as a whole did not work ([`Error::Eval`]: by fault of the
/// flake, [`Error::Nix`]: of this machine); an attribute that fails is an event.
pub fn run(
    _request: &Request,
    _sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Summary, Error> {
    Err(Error::Nix {
        message: "cannot evaluate anything yet".to_owned(),
        hint: None,
    })
}
