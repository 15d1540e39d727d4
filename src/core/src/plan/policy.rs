use crate::config::BranchRule;

/// What happens with the branches of one project: the one place that pollers, schedulers and gc
/// roots ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchPolicy<'plan> {
    default_branch: &'plan str,
    rules: &'plan [BranchRule],
    gc_roots: bool,
}

/// What happens with one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers to questions of different askers"
)]
pub struct BranchDecision {
    /// Whether its changes are built for its own sake.
    pub build: bool,
    /// Whether its results are kept from the garbage collector.
    pub register_gc_roots: bool,
    /// Whether its results have files below `outputs_path`.
    pub update_outputs: bool,
    /// Whether its evaluations get the credentials for private inputs.
    pub eval_credentials: bool,
    /// Whether its changes are built only because a merge queue made it. Never with `build`: the
    /// two have a scheduler each, and one change must not be built twice.
    pub merge_queue: bool,
}

/// How the branches of merge queues start: those of GitHub, of gitea-mq, and of bors.
const MERGE_QUEUE_PREFIXES: [&str; 4] = ["gh-readonly-queue/", "gitea-mq/", "staging", "trying"];

impl<'plan> BranchPolicy<'plan> {
    /// The policy of a project with `default_branch`; without `gc_roots`, nothing is ever kept.
    pub fn new(default_branch: &'plan str, rules: &'plan [BranchRule], gc_roots: bool) -> Self {
        Self {
            default_branch,
            rules,
            gc_roots,
        }
    }

    /// Whether merges wait for what becomes of `branch`. One that a rule lists is only if nobody
    /// but a merge queue would call it so: `staging` may as well be where people push.
    pub fn is_merge_queue(&self, branch: &str) -> bool {
        let decision = self.decide(branch);
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        let mut folders = MERGE_QUEUE_PREFIXES
            .iter()
            .filter(|prefix| prefix.ends_with('/'));
        decision.merge_queue || folders.any(|prefix| branch.starts_with(prefix))
    }

    /// Decides about `branch`, given as `main` or `refs/heads/main`.
    ///
    /// All rules that match count together, and the default branch counts as if every rule did.
    /// Other refs than branches, such as `refs/pull/1/merge`, match nothing: `*` would build
    /// every pull request a second time.
    pub fn decide(&self, branch: &str) -> BranchDecision {
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        if branch.is_empty() || branch.starts_with("refs/") {
            return BranchDecision::default();
        }
        let is_default = branch == self.default_branch;
        let mut build = is_default;
        let mut keep = is_default;
        let mut eval_credentials = is_default;
        let mut update_outputs = is_default;
        for rule in self.rules {
            if rule.glob.matches(branch) {
                build = true;
                keep |= rule.register_gc_roots;
                eval_credentials |= rule.eval_credentials;
                update_outputs |= rule.update_outputs;
            }
        }
        let queued = MERGE_QUEUE_PREFIXES
            .iter()
            .any(|prefix| branch.starts_with(prefix));
        BranchDecision {
            build,
            register_gc_roots: keep && self.gc_roots,
            update_outputs,
            eval_credentials,
            merge_queue: queued && !build,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BranchGlob;

    /// A rule that trusts nobody but long-term branches.
    fn rule(glob: &str, register_gc_roots: bool) -> BranchRule {
        BranchRule {
            name: glob.to_owned(),
            glob: BranchGlob::new(glob).unwrap(),
            register_gc_roots,
            update_outputs: false,
            eval_credentials: glob.ends_with("-lts"),
        }
    }

    /// `b`uild, `g`c roots, `c`redentials, merge `q`ueue.
    fn letters(decision: BranchDecision) -> String {
        [
            (decision.build, 'b'),
            (decision.register_gc_roots, 'g'),
            (decision.eval_credentials, 'c'),
            (decision.merge_queue, 'q'),
        ]
        .into_iter()
        .filter_map(|(on, letter)| on.then_some(letter))
        .collect()
    }

    #[rstest::rstest]
    #[case("main", "bgc")]
    #[case("refs/heads/main", "bgc")]
    #[case("mainly", "")]
    #[case("release-1", "b")]
    #[case("release-1-lts", "bgc")]
    #[case("feature", "")]
    #[case("staging", "q")]
    #[case("staging-next", "q")]
    #[case("trying", "q")]
    #[case("gh-readonly-queue/main/pr-1-abc", "q")]
    #[case("gitea-mq/1", "q")]
    #[case("refs/pull/1/merge", "")]
    #[case("refs/tags/release-1", "")]
    #[case("", "")]
    fn rules_add_up(#[case] branch: &str, #[case] decided: &str) {
        let rules = [rule("release-*", false), rule("*-lts", true)];
        let policy = BranchPolicy::new("main", &rules, true);
        assert_eq!(letters(policy.decide(branch)), decided);
    }

    #[rstest::rstest]
    #[case("staging", "bg")]
    #[case("refs/pull/1/merge", "")]
    fn a_rule_for_everything_takes_merge_queues_but_no_pull_requests(
        #[case] branch: &str,
        #[case] decided: &str,
    ) {
        let rules = [rule("*", true)];
        let policy = BranchPolicy::new("main", &rules, true);
        assert_eq!(letters(policy.decide(branch)), decided);
    }

    #[test]
    fn gc_roots_can_be_off_altogether() {
        let rules = [rule("*", true)];
        let policy = BranchPolicy::new("main", &rules, false);
        assert_eq!(letters(policy.decide("main")), "bc");
    }
}
