//! Stage checkout: what the agent says of one checkout.

use std::collections::BTreeMap;

use buildbot_nix_core::agent;
use buildbot_nix_core::machine_line::{Checkout, Line};
use pyo3::prelude::*;

use crate::reader::Reader;

/// Reads the stdout of `buildbot-nix checkout`.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct CheckoutReader(Reader<Checkout>);

#[pymethods]
impl CheckoutReader {
    #[new]
    fn new() -> Self {
        Self(Reader::new())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.0.feed(python, data, |line| match line {
            Line::Checkout(checkout) => Some(checkout),
            _ => None,
        })
    }

    #[getter]
    fn properties(&self) -> BTreeMap<&'static str, String> {
        self.0.with(|reader| {
            let checkout = reader.found.as_ref();
            checkout.map(agent::checkout_properties).unwrap_or_default()
        })
    }

    #[getter]
    fn summary(&self) -> Option<String> {
        self.0.with(|reader| {
            let done = reader.found.as_ref().map(agent::checkout_summary);
            reader.fatal.clone().or(done)
        })
    }
}
