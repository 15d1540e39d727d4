//! Rust errors to Python exceptions, one `match` without a catch-all.

use std::any::Any;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::ProtocolError as CoreProtocolError;
use pyo3::prelude::*;

mod python {
    use pyo3::import_exception;

    import_exception!(buildbot_nix.errors, ConfigError);
    import_exception!(buildbot_nix.errors, EvalError);
    import_exception!(buildbot_nix.errors, InternalError);
    import_exception!(buildbot_nix.errors, MachineError);
    import_exception!(buildbot_nix.errors, ProtocolError);
    import_exception!(buildbot_nix.errors, StoppedError);
}

/// Any error of the core on its way to Python.
#[derive(Debug)]
pub(crate) struct CoreError(Error);

impl<Failure: Into<Error>> From<Failure> for CoreError {
    fn from(failure: Failure) -> Self {
        Self(failure.into())
    }
}

impl From<CoreError> for PyErr {
    fn from(error: CoreError) -> Self {
        let text = error.0.to_string();
        let hint = error.0.hint().map(str::to_owned);
        match error.0 {
            Error::Config(problems) => python::ConfigError::new_err((problems,)),
            Error::Eval { message, .. } => python::EvalError::new_err((message, hint)),
            Error::Nix { message, .. } => python::MachineError::new_err((message, hint)),
            Error::Io { .. } | Error::Secret(_) => python::MachineError::new_err((text, hint)),
            Error::Protocol(CoreProtocolError {
                line_number,
                excerpt,
                ..
            }) => python::ProtocolError::new_err((text, line_number, excerpt)),
            Error::Stopped => python::StoppedError::new_err((text,)),
        }
    }
}

/// The exception for a panic in the core: a defect of ours, with what the panic said.
pub(crate) fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    python::InternalError::new_err((format!(
        "a defect in buildbot-nix, please report it: {text}"
    ),))
}
