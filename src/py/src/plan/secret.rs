//! Secrets, on their way to who needs them.

use buildbot_nix_core::auth::Provider;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::{Forge, FullName, Repository};
use pyo3::prelude::*;

use crate::boundary;
use crate::forge::Forges;

use super::Plan;

#[pymethods]
impl Plan {
    fn db_url(&self, python: Python<'_>) -> PyResult<String> {
        boundary::call(python, || {
            let url = self.loaded.database_url()?;
            Ok::<_, Error>(url.expose().clone())
        })
    }

    fn worker_password(&self, python: Python<'_>, worker: &str) -> PyResult<String> {
        boundary::call(python, || {
            let mut workers = self.plan().workers.iter();
            let password = workers
                .find(|row| row.name == worker)
                .and_then(|row| self.loaded.worker_password(&row.machine));
            password
                .map(|password| password.expose().clone())
                .ok_or_else(|| Error::Config(format!("there is no worker `{worker}`")))
        })
    }

    fn proxy_password(&self, python: Python<'_>) -> PyResult<Option<String>> {
        boundary::call(python, || {
            let access = &self.loaded.settings().access;
            let file = access.proxy_password.as_ref();
            let file = file.filter(|_| access.providers.contains(&Provider::Proxy));
            let password = file
                .map(|file| file.read(self.loaded.places()))
                .transpose()?;
            Ok::<_, Error>(password.map(|password| password.expose().clone()))
        })
    }

    fn hides_secret(&self, secret: &str) -> bool {
        self.plan().hides_secret(secret)
    }

    fn read_secret(
        &self,
        python: Python<'_>,
        name: &str,
        forges: &Forges,
    ) -> PyResult<Option<String>> {
        boundary::call(python, || {
            let mint = |repository: &Repository, submodule: Option<&FullName>| {
                let ask = async |forge: &dyn Forge| match submodule {
                    None => forge.git_credentials(repository).await,
                    Some(name) => forge.submodule_credentials(repository, name).await,
                };
                forges.0.ask(repository.forge, ask)
            };
            let secret = self.loaded.read_secret(name, mint)?;
            Ok::<_, Error>(secret.map(|secret| secret.expose().clone()))
        })
    }
}
