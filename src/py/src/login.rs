//! Stage auth: logging in.

use buildbot_nix_core::auth::login::{self, Answer};
use buildbot_nix_core::auth::{Provider, UnknownProvider};
use buildbot_nix_core::error::Error;
use pyo3::prelude::*;

use crate::boundary;

/// The providers of one master.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Logins(pub(crate) login::Logins);

#[pymethods]
impl Logins {
    #[getter]
    fn providers(&self) -> Vec<(&'static str, String)> {
        let providers = self.0.providers().into_iter();
        providers
            .map(|(provider, title)| (provider.as_str(), title))
            .collect()
    }

    fn adopt(&self, before: &Self) {
        self.0.adopt(&before.0);
    }

    fn begin(
        &self,
        python: Python<'_>,
        provider: &str,
        redirect: &str,
    ) -> PyResult<(String, String)> {
        boundary::call(python, || {
            let provider: Provider = provider
                .parse()
                .map_err(|error: UnknownProvider| Error::Config(error.to_string()))?;
            let begun = self.0.begin_blocking(provider, redirect)?;
            Ok::<_, Error>((begun.url, begun.cookie))
        })
    }

    fn finish(
        &self,
        python: Python<'_>,
        cookie: &str,
        state: String,
        code: String,
        error: String,
    ) -> PyResult<LoggedIn> {
        let answer = Answer { state, code, error };
        boundary::call(python, || {
            let logged_in = self.0.finish_blocking(cookie, &answer)?;
            Ok::<_, Error>(LoggedIn(logged_in))
        })
    }
}

/// Somebody came back from a provider, and this is who it is.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct LoggedIn(login::LoggedIn);

#[pymethods]
impl LoggedIn {
    #[getter]
    fn provider(&self) -> &'static str {
        self.0.user.account.provider.as_str()
    }

    #[getter]
    fn login(&self) -> &str {
        &self.0.user.account.login
    }

    #[getter]
    fn id(&self) -> &str {
        &self.0.user.id
    }

    #[getter]
    fn memberships(&self) -> Vec<&str> {
        let memberships = self.0.user.memberships.iter();
        memberships
            .map(|membership| membership.name.as_str())
            .collect()
    }

    #[getter]
    fn full_name(&self) -> &str {
        &self.0.full_name
    }

    #[getter]
    fn email(&self) -> &str {
        &self.0.email
    }

    #[getter]
    fn avatar(&self) -> &str {
        &self.0.avatar
    }

    #[getter]
    fn redirect(&self) -> &str {
        &self.0.redirect
    }
}
