//! Stage checkout: what the agent says of one checkout.

use std::collections::BTreeMap;
use std::sync::Mutex;

use buildbot_nix_core::agent;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::{Checkout, Decoder, Line};
use pyo3::prelude::*;

use crate::boundary;

/// Reads the stdout of `buildbot-nix checkout`.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct CheckoutReader(Mutex<Reader>);

#[derive(Default)]
struct Reader {
    decoder: Decoder,
    checkout: Option<Checkout>,
    fatal: Option<String>,
}

impl CheckoutReader {
    fn with<Output>(&self, read: impl FnOnce(&mut Reader) -> Output) -> Output {
        read(
            &mut self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

#[pymethods]
impl CheckoutReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        boundary::call(python, || {
            self.with(|reader| {
                for line in reader.decoder.feed(data)? {
                    match line {
                        Line::Checkout(checkout) => reader.checkout = Some(checkout),
                        Line::Fatal { message, .. } => reader.fatal = Some(message),
                        _ => {}
                    }
                }
                Ok::<_, Error>(())
            })
        })
    }

    #[getter]
    fn properties(&self) -> BTreeMap<&'static str, String> {
        self.with(|reader| {
            let checkout = reader.checkout.as_ref();
            checkout.map(agent::checkout_properties).unwrap_or_default()
        })
    }

    #[getter]
    fn summary(&self) -> Option<String> {
        self.with(|reader| {
            let done = reader.checkout.as_ref().map(agent::checkout_summary);
            reader.fatal.clone().or(done)
        })
    }
}
