use super::{Log, Request, Stop};
use crate::error::Error;
use crate::machine_line::Outcome;

/// Builds, fetches or finds the outputs of `request.drv_path`, and protects them.
///
/// Everything that can become of a build, a machine that cannot build included, is an
/// [`Outcome`]; an error means that `log` could not be written.
pub fn realise(_request: &Request, _stop: &Stop, _log: &mut dyn Log) -> Result<Outcome, Error> {
    Err(Error::Stopped)
}
