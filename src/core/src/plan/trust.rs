use std::collections::BTreeMap;

use super::{MasterPlan, PrivateSubmodule, ProjectPlan};
use crate::eval::{ACCESS_TOKENS, NETRC};

/// The property that says whether a pull request is from a fork.
pub(crate) const FROM_FORK: &str = "pull_request_from_fork";
/// The property that says whether a checkout is of a commit that its branch has.
pub(crate) const ON_BRANCH: &str = "tested_on_branch";
/// The value of both if so.
pub(crate) const YES: &str = "yes";
/// And if not.
pub(crate) const NO: &str = "no";

/// What the properties of a build say of its pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullRequest<'p> {
    /// The commit.
    pub head: &'p str,
    /// The branch into which it is to be merged, if that is said.
    pub base: Option<&'p str>,
}

impl<'p> PullRequest<'p> {
    /// A pull request has both hashes, as GitHub's hook gives them or as Gitea's does.
    pub fn of(properties: &'p BTreeMap<String, String>) -> Option<Self> {
        let given = |name| given(properties, name);
        let hashes = |head, base| given(base).and(given(head));
        let github = hashes("github.head.sha", "github.base.sha").map(|head| Self {
            head,
            base: given("github.base.ref").or(given("basename")),
        });
        github.or_else(|| {
            Some(Self {
                head: hashes("head_sha", "base_sha")?,
                base: given("base_branch"),
            })
        })
    }
}

/// The property `name`, unless it is empty.
pub(crate) fn given<'p>(properties: &'p BTreeMap<String, String>, name: &str) -> Option<&'p str> {
    let value = properties.get(name).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

impl ProjectPlan {
    /// The submodules that the checkout of a build with `properties` may fetch with credentials:
    /// none if what is checked out was not pushed to the repository itself.
    ///
    /// A branch says nothing of the commit. The checkout has to find that it is there before it
    /// uses them.
    pub fn private_submodules(&self, properties: &BTreeMap<String, String>) -> &[PrivateSubmodule] {
        let is_own = match PullRequest::of(properties) {
            Some(_) => given(properties, FROM_FORK) == Some(NO),
            None => !has_to_do_with_a_pull_request(properties),
        };
        if is_own {
            &self.private_submodules
        } else {
            &[]
        }
    }
}

impl MasterPlan {
    /// Whether what a build with `properties` has checked out was written by who may push to a
    /// branch that is trusted: the default branch, or one of a rule that says so.
    ///
    /// The branch alone does not tell. Who may start builds can name any commit, and a forge hands
    /// out those of pull requests as well; so the checkout has to have found it on the branch.
    pub fn trusts(&self, project: &ProjectPlan, properties: &BTreeMap<String, String>) -> bool {
        let branch = given(properties, "branch").unwrap_or(&project.default_branch);
        is_of_its_branch(properties) && self.branch_policy(project).decide(branch).eval_credentials
    }

    /// The branch whose kept results are those of a build with `properties`, if it is one whose
    /// results are kept. What others propose for a branch takes the place of nothing.
    pub fn kept_branch<'p>(
        &self,
        project: &'p ProjectPlan,
        properties: &'p BTreeMap<String, String>,
    ) -> Option<&'p str> {
        let branch = given(properties, "branch").unwrap_or(&project.default_branch);
        let is_kept = self.branch_policy(project).decide(branch).register_gc_roots;
        (is_of_its_branch(properties) && is_kept).then_some(branch)
    }

    /// Names of the secrets that an evaluation may use for private inputs, by the file that the
    /// agent expects. None for what is not trusted.
    pub fn trusted_secrets<'plan>(
        &self,
        project: &'plan ProjectPlan,
        properties: &BTreeMap<String, String>,
    ) -> BTreeMap<&'static str, &'plan str> {
        if !self.trusts(project, properties) {
            return BTreeMap::new();
        }
        let secrets = &project.eval_secrets;
        let files = [
            (NETRC, &secrets.netrc),
            (ACCESS_TOKENS, &secrets.access_tokens),
        ];
        let named = files.into_iter();
        named
            .filter_map(|(file, name)| Some((file, name.as_deref()?)))
            .collect()
    }
}

/// Whether the checkout has found what it is about on the branch, and no pull request is involved.
pub(super) fn is_of_its_branch(properties: &BTreeMap<String, String>) -> bool {
    !has_to_do_with_a_pull_request(properties) && given(properties, ON_BRANCH) == Some(YES)
}

fn has_to_do_with_a_pull_request(properties: &BTreeMap<String, String>) -> bool {
    // More than a pull request needs: half of one is none that anybody reviewed either.
    [
        "github.head.sha",
        "github.base.sha",
        "head_sha",
        "base_sha",
        "merged_base",
    ]
    .iter()
    .any(|name| given(properties, name).is_some())
}

#[cfg(test)]
mod tests {
    use crate::config::parse_settings;
    use crate::plan::{master_plan, polled_projects};

    #[rstest::rstest]
    #[case("tested_on_branch=yes", true)]
    #[case("branch=main tested_on_branch=yes", true)]
    #[case("branch=refs/heads/main tested_on_branch=yes", true)]
    #[case("branch=release-1 tested_on_branch=yes", true)]
    // A commit that somebody named, and an agent that does not say.
    #[case("branch=main tested_on_branch=no", false)]
    #[case("branch=main tested_on_branch=", false)]
    #[case("branch=main", false)]
    // Branches that are built, but not listed.
    #[case("branch=topic tested_on_branch=yes", false)]
    #[case("branch=gh-readonly-queue/main/pr-1-abc tested_on_branch=yes", false)]
    #[case("branch=refs/pull/1/head tested_on_branch=yes", false)]
    // Pull requests, also one from a branch of the same name.
    #[case("branch=main tested_on_branch=yes head_sha=a base_sha=b", false)]
    #[case(
        "branch=main tested_on_branch=yes github.head.sha=a github.base.sha=b",
        false
    )]
    #[case("branch=main tested_on_branch=yes head_sha=a", false)]
    #[case("branch=main tested_on_branch=yes merged_base=a", false)]
    fn only_listed_branches_are_trusted(#[case] properties: &str, #[case] trusted: bool) {
        let text = "
url: http://ci/
build_systems: [x86_64-linux]
local_workers: 1
branches:
  all: {matchGlob: '*'}
  releases: {matchGlob: 'release-*', evalCredentials: true}
pull_based: {repositories: {o/r: {url: 'https://git/o/r', default_branch: main}}}
";
        let settings = parse_settings("settings.yaml", text).unwrap();
        let plan = master_plan(&settings, &polled_projects(&settings), &[]);
        let pairs = properties.split(' ').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        assert_eq!(plan.trusts(&plan.projects[0], &pairs.collect()), trusted);
    }
}
