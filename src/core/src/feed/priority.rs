use std::collections::BTreeMap;

use crate::plan::{MasterPlan, ProjectPlan, PullRequest, given};

/// How urgent builds are, the least urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What was pushed to a branch: nobody waits for it, and it may rebuild the world.
    Branch,
    /// Somebody wants to see whether it is fine.
    PullRequest,
    /// Everybody's merges wait for it.
    MergeQueue,
    /// Somebody asked for this very build.
    ByHand,
}

impl Priority {
    /// That of the run of a build with `properties`.
    pub fn of_run(
        plan: &MasterPlan,
        project: &ProjectPlan,
        properties: &BTreeMap<String, String>,
    ) -> Self {
        let branch = given(properties, "branch").unwrap_or_default();
        if plan.branch_policy(project).is_merge_queue(branch) {
            Self::MergeQueue
        } else if PullRequest::of(properties).is_some() {
            Self::PullRequest
        } else {
            Self::Branch
        }
    }
}
