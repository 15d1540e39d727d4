//! The command line, for the wheel's console script.

use std::ffi::OsString;

use buildbot_nix_core::error::Error;
use pyo3::prelude::*;

use crate::boundary;

#[pyfunction]
pub(crate) fn run_command_line(python: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    boundary::call(python, || {
        Ok::<_, Error>(buildbot_nix_cli::run(arguments).code())
    })
}
