//! Settings that Python hands to Buildbot or keeps to.

use std::collections::BTreeMap;

use buildbot_nix_core::agent;
use pyo3::prelude::*;

use crate::forge_rows::ForgeKind;

use super::Plan;

#[pymethods]
impl Plan {
    #[getter]
    fn title(&self) -> &str {
        &self.plan().title
    }

    #[getter]
    fn url(&self) -> &str {
        &self.plan().url
    }

    #[getter]
    fn port(&self) -> &str {
        &self.plan().port
    }

    #[getter]
    fn worker_port(&self) -> &str {
        &self.plan().worker_port
    }

    #[getter]
    fn concurrent_evaluations(&self) -> u32 {
        self.plan().evaluation.concurrent
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "the same for every plan so far")]
    fn checkout_timeout(&self) -> u64 {
        agent::CHECKOUT_TIMEOUT
    }

    #[getter]
    fn build_timeout(&self) -> u64 {
        self.plan().building.timeout
    }

    #[getter]
    fn build_max_silent_time(&self) -> u64 {
        self.plan().building.max_silent_time
    }

    fn retry_pause(&self, attempts: u32) -> Option<u64> {
        self.plan().building.retries.pause(attempts)
    }

    #[getter]
    fn cache_failed_builds(&self) -> bool {
        self.plan().building.remember_failures
    }

    #[getter]
    fn has_outputs(&self) -> bool {
        self.plan().outputs_path.is_some()
    }

    #[getter]
    fn retention(&self) -> BTreeMap<&'static str, u64> {
        self.plan().retention.seconds()
    }

    #[getter]
    fn forges(&self) -> Vec<ForgeKind> {
        let settings = self.loaded.settings();
        let github = settings.github.as_ref().map(|_| ForgeKind::Github);
        let gitea = settings.gitea.as_ref().map(|_| ForgeKind::Gitea);
        github.into_iter().chain(gitea).collect()
    }

    #[getter]
    fn notices(&self) -> Vec<String> {
        let notices = self.plan().notices.iter();
        notices
            .map(|notice| format!("{}: {}", notice.about, notice.text))
            .collect()
    }
}
