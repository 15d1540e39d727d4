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

#[cfg(test)]
mod tests {
    use super::FailureMemory::{self, Heed, Off, Renew};
    use crate::config::parse_settings;
    use crate::plan::{master_plan, polled_projects};

    #[rstest::rstest]
    #[case("branch=main scheduler=o-r-primary", "", Heed)]
    #[case("branch=release-1 scheduler=o-r-primary", "", Heed)]
    #[case("branch=refs/pull/1/head scheduler=o-r-prs", "", Heed)]
    // By hand: the buttons Build and Rebuild.
    #[case("branch=main scheduler=o-r-force", "by hand", Renew)]
    #[case("branch=main scheduler=o-r-primary", "rebuild", Renew)]
    // One of a merge queue, unless a rule says that the branch is an ordinary one.
    #[case("branch=gh-readonly-queue/main/pr-1-abc", "", Renew)]
    #[case("branch=staging", "", Heed)]
    // What somebody calls a branch of a pull request is not its branch.
    #[case("branch=refs/pull/1/head head_branch=gitea-mq/1", "", Heed)]
    fn who_asks_by_hand_has_it_tried(
        #[case] properties: &str,
        #[case] reason: &str,
        #[case] expected: FailureMemory,
    ) {
        for (remembers, expected) in [(true, expected), (false, Off)] {
            let text = format!(
                "
url: http://ci/
build_systems: [x86_64-linux]
local_workers: 1
cache_failed_builds: {remembers}
branches: {{releases: {{matchGlob: 'release-*'}}, staging: {{matchGlob: staging}}}}
pull_based: {{repositories: {{o/r: {{url: 'https://git/o/r', default_branch: main}}}}}}
"
            );
            let settings = parse_settings("settings.yaml", &text).unwrap();
            let plan = master_plan(&settings, &polled_projects(&settings), &[]);
            let pairs = properties.split(' ').map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            });
            let found = plan.failure_memory(&plan.projects[0], &pairs.collect(), reason);
            assert_eq!(found, expected);
        }
    }
}
