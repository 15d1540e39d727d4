//! The one wrapper around calls into the core.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::errors::{CoreError, internal};

/// Runs `work` without the interpreter lock and turns its error, or its panic, into a Python
/// exception. The `PanicException` of `PyO3` is no `Exception`, so a step would not catch it.
pub(crate) fn call<Output, Failure>(
    python: Python<'_>,
    work: impl FnOnce() -> Result<Output, Failure> + Send,
) -> PyResult<Output>
where
    Output: Send,
    Failure: Into<CoreError> + Send,
{
    // Nothing that `work` borrows is used again after a panic: the exception ends its run.
    match python.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(failure)) => Err(failure.into().into()),
        Err(panic) => Err(internal(panic.as_ref())),
    }
}
