use std::collections::BTreeMap;

use super::{MasterPlan, ProjectPlan, given};

/// What Buildbot calls the reason of a build that is done again.
const REBUILD: &str = "rebuild";

/// What a run does about builds that failed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureMemory {
    /// Nothing is remembered.
    Off,
    /// They are tried again, and what comes of that is remembered.
    Renew,
    /// They are not tried again.
    Heed,
}

impl MasterPlan {
    /// That of the run of a build with `properties`, which began for `reason`. Who asks by hand
    /// wants it tried; and a merge queue must not refuse what was only unlucky.
    pub fn failure_memory(
        &self,
        project: &ProjectPlan,
        properties: &BTreeMap<String, String>,
        reason: &str,
    ) -> FailureMemory {
        if !self.building.remember_failures {
            return FailureMemory::Off;
        }
        let branch = given(properties, "branch").unwrap_or_default();
        let is_forced = given(properties, "scheduler") == Some(&project.force_scheduler());
        if reason == REBUILD || is_forced || self.branch_policy(project).is_merge_queue(branch) {
            FailureMemory::Renew
        } else {
            FailureMemory::Heed
        }
    }
}
