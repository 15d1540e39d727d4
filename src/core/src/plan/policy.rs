use crate::config::BranchRule;

/// What happens with the branches of one project: the one place that pollers, schedulers and gc
/// roots ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchPolicy {
    default_branch: String,
    rules: Vec<BranchRule>,
    gc_roots: bool,
}

/// What happens with one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BranchDecision {
    /// Whether changes on it are evaluated at all.
    pub build: bool,
    /// Whether its results are kept from the garbage collector.
    pub register_gc_roots: bool,
    /// Whether it is built only because a merge queue made it.
    pub merge_queue: bool,
}

/// How the branches of merge queues start: those of GitHub, of gitea-mq, and of bors.
const MERGE_QUEUE_PREFIXES: [&str; 4] = ["gh-readonly-queue/", "gitea-mq/", "staging", "trying"];

impl BranchPolicy {
    /// The policy of a project with `default_branch`; without `gc_roots`, nothing is ever kept.
    pub fn new(default_branch: impl Into<String>, rules: Vec<BranchRule>, gc_roots: bool) -> Self {
        Self {
            default_branch: default_branch.into(),
            rules,
            gc_roots,
        }
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
        let matching: Vec<&BranchRule> = self
            .rules
            .iter()
            .filter(|rule| rule.glob.matches(branch))
            .collect();
        let wanted = is_default || !matching.is_empty();
        let kept = is_default || matching.iter().any(|rule| rule.register_gc_roots);
        let queued = MERGE_QUEUE_PREFIXES
            .iter()
            .any(|prefix| branch.starts_with(prefix));
        BranchDecision {
            build: wanted || queued,
            register_gc_roots: kept && self.gc_roots,
            // A branch that is wanted anyway must not be built twice.
            merge_queue: queued && !wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BranchGlob;

    fn rule(glob: &str, register_gc_roots: bool) -> BranchRule {
        BranchRule {
            name: glob.to_owned(),
            glob: BranchGlob::new(glob).unwrap(),
            register_gc_roots,
        }
    }

    /// `b`uild, `g`c roots, merge `q`ueue.
    fn letters(decision: BranchDecision) -> String {
        [
            (decision.build, 'b'),
            (decision.register_gc_roots, 'g'),
            (decision.merge_queue, 'q'),
        ]
        .into_iter()
        .filter_map(|(on, letter)| on.then_some(letter))
        .collect()
    }

    #[rstest::rstest]
    #[case("main", "bg")]
    #[case("refs/heads/main", "bg")]
    #[case("mainly", "")]
    #[case("release-1", "b")]
    #[case("release-1-lts", "bg")]
    #[case("feature", "")]
    #[case("staging", "bq")]
    #[case("staging-next", "bq")]
    #[case("trying", "bq")]
    #[case("gh-readonly-queue/main/pr-1-abc", "bq")]
    #[case("gitea-mq/1", "bq")]
    #[case("refs/pull/1/merge", "")]
    #[case("refs/tags/release-1", "")]
    #[case("", "")]
    fn rules_add_up(#[case] branch: &str, #[case] decided: &str) {
        let rules = vec![rule("release-*", false), rule("*-lts", true)];
        let policy = BranchPolicy::new("main", rules, true);
        assert_eq!(letters(policy.decide(branch)), decided);
    }

    #[rstest::rstest]
    #[case("staging", "bg")]
    #[case("refs/pull/1/merge", "")]
    fn a_rule_for_everything_takes_merge_queues_but_no_pull_requests(
        #[case] branch: &str,
        #[case] decided: &str,
    ) {
        let policy = BranchPolicy::new("main", vec![rule("*", true)], true);
        assert_eq!(letters(policy.decide(branch)), decided);
    }

    #[test]
    fn gc_roots_can_be_off_altogether() {
        let policy = BranchPolicy::new("main", vec![rule("*", true)], false);
        assert_eq!(letters(policy.decide("main")), "b");
    }
}
