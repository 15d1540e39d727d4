//! What to do about what forges tell, and about what they are found to be at.

use std::collections::BTreeMap;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::event::Found;
use pyo3::prelude::*;

use crate::boundary;
use crate::event::{Decision, Delivery};
use crate::forge_rows::{ForgeKind, PullRequest};
use crate::rows::BranchDecision;

use super::Plan;

#[pymethods]
impl Plan {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn receive(
        &self,
        python: Python<'_>,
        forge: ForgeKind,
        headers: BTreeMap<String, String>,
        body: &[u8],
    ) -> PyResult<Delivery> {
        boundary::call(python, || {
            let delivery = self.loaded.receive(forge.into(), &headers, body);
            delivery.map(Delivery)
        })
    }

    fn decide(&self, python: Python<'_>, delivery: &Delivery) -> PyResult<Decision> {
        boundary::call(python, || {
            let decision = self.plan().decide(delivery.0.forge, &delivery.0.event);
            Ok::<_, Error>(decision.into())
        })
    }

    fn decide_found(
        &self,
        python: Python<'_>,
        project: &str,
        pull_request: &PullRequest,
    ) -> PyResult<Decision> {
        self.try_about(python, project, |plan, project| {
            let pull_request = pull_request.clone().described()?;
            Ok(plan.decide_pull_request(project, &pull_request).into())
        })
    }

    fn pull_request_branch(
        &self,
        python: Python<'_>,
        project: &str,
        number: u64,
    ) -> PyResult<Option<String>> {
        self.about(python, project, |_, project| {
            project.pull_request_branch(number)
        })
    }

    fn compare(
        &self,
        python: Python<'_>,
        project: &str,
        branches: BTreeMap<String, String>,
        pull_requests: Vec<PullRequest>,
        known: BTreeMap<String, String>,
    ) -> PyResult<Vec<Decision>> {
        self.try_about(python, project, |plan, project| {
            let pull_requests = pull_requests.into_iter().map(PullRequest::described);
            let found = Found {
                branches,
                pull_requests: pull_requests.collect::<Result<_, _>>()?,
            };
            // One that cannot be read is found anew.
            let known = known
                .into_iter()
                .filter_map(|(branch, head)| Some((branch, serde_json::from_str(&head).ok()?)));
            let actions = plan.compare(project, &found, &known.collect());
            Ok(actions.into_iter().map(Decision::from).collect())
        })
    }

    fn branch_decision(
        &self,
        python: Python<'_>,
        project: &str,
        branch: &str,
    ) -> PyResult<BranchDecision> {
        self.about(python, project, |plan, project| {
            plan.branch_policy(project).decide(branch).into()
        })
    }
}
