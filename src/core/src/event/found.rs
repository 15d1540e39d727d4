//! What a look at a forge finds, as if it had told.

use std::collections::{BTreeMap, BTreeSet};

use super::arrival::Head;
use super::change;
use super::decide::Action;
use super::model::{
    Author, Commit, Event, PullRequest, PullRequestAction, PullRequestEvent, Push, RepositoryRef,
    Side,
};
use crate::forge::{self, FullName, Repository};
use crate::plan::{MasterPlan, ProjectPlan};

/// What a repository is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Heads of branches, by name.
    pub branches: BTreeMap<String, String>,
    /// Pull requests that can be merged yet.
    pub pull_requests: Vec<forge::PullRequest>,
}

impl MasterPlan {
    /// What to do about what was found of `project`, when its branches were at `known`, by the
    /// name that changes call them.
    ///
    /// Nothing is known at the first look: then the default branch is built, so that there is
    /// something to see, and nothing else, or hundreds of old pull requests would be.
    pub fn compare(
        &self,
        project: &ProjectPlan,
        found: &Found,
        known: &BTreeMap<String, Head>,
    ) -> Vec<Action> {
        let Some(repository) = &project.forge else {
            return Vec::new();
        };
        let policy = self.branch_policy(project);
        let branches = found.branches.iter().filter(|(branch, _)| {
            let decision = policy.decide(branch);
            decision.build || decision.merge_queue
        });
        let mut there: BTreeSet<String> = BTreeSet::new();
        let mut actions = Vec::new();
        for (branch, sha) in branches {
            there.insert(branch.clone());
            if known.get(branch).is_none_or(|head| head.revision != *sha) {
                let is_first = known.is_empty() && *branch != project.default_branch;
                let action = self.decide(repository.forge, &pushed(repository, branch, sha));
                actions.push(at_first(action.action, is_first));
            }
        }
        for pull_request in &found.pull_requests {
            let branch = change::reference(repository.forge, pull_request.number);
            let is_known = known.get(&branch).is_some_and(|head| {
                head.revision == pull_request.head_sha
                    && head.base.as_ref() == Some(&pull_request.base_branch)
            });
            if !is_known {
                let action = self.decide_pull_request(project, pull_request);
                actions.push(at_first(action, known.is_empty()));
            }
            there.insert(branch);
        }
        let gone = known.keys().filter(|branch| !there.contains(*branch));
        actions.extend(gone.map(|branch| Action::Cancel {
            project: project.name.to_string(),
            branch: branch.clone(),
            reason: format!("{branch} of {} is not there any more", project.name),
        }));
        actions
    }

    /// What to do about a pull request of `project` as its forge describes it now.
    pub fn decide_pull_request(
        &self,
        project: &ProjectPlan,
        pull_request: &forge::PullRequest,
    ) -> Action {
        let Some(repository) = &project.forge else {
            let reason = format!("{} has no forge", project.name);
            return Action::Ignore { reason };
        };
        let event = Event::PullRequest(Box::new(opened(repository, pull_request)));
        self.decide(repository.forge, &event).action
    }
}

impl ProjectPlan {
    /// What changes call the branch of pull request `number`; none if there are no pull requests.
    pub fn pull_request_branch(&self, number: u64) -> Option<String> {
        let repository = self.forge.as_ref()?;
        Some(change::reference(repository.forge, number))
    }
}

/// `action`, or its remembering alone.
fn at_first(action: Action, is_first: bool) -> Action {
    match action {
        Action::Build(build) | Action::Hold(build) if is_first => Action::Pass {
            build,
            reason: "it was there before the project was".to_owned(),
        },
        Action::Ask { then, .. } if is_first => at_first(*then, true),
        other => other,
    }
}

fn pushed(repository: &Repository, branch: &str, sha: &str) -> Event {
    let forge = repository.forge.title();
    Event::Push(Box::new(Push {
        repository: RepositoryRef::from(repository),
        branch: branch.to_owned(),
        before: None,
        after: sha.to_owned(),
        commit: Commit {
            author: forge.to_owned(),
            message: format!("Found on {forge}, which has not told of it"),
            url: String::new(),
            ..Commit::default()
        },
    }))
}

fn opened(repository: &Repository, pull_request: &forge::PullRequest) -> PullRequestEvent {
    let base = RepositoryRef::from(repository);
    let head = pull_request.head_repository.as_ref();
    PullRequestEvent {
        action: PullRequestAction::Opened,
        sender: pull_request.author.clone(),
        before: None,
        pull_request: PullRequest {
            number: pull_request.number,
            id: 0,
            title: pull_request.title.clone(),
            body: String::new(),
            url: pull_request.html_url.clone(),
            draft: pull_request.is_draft,
            author: Author {
                login: pull_request.author.clone(),
                is_bot: pull_request.author_is_bot,
                association: None,
            },
            head: Side {
                branch: pull_request.head_branch.clone(),
                sha: pull_request.head_sha.clone(),
                repository: head.map(|name| beside(repository, name)),
            },
            base: Side {
                branch: pull_request.base_branch.clone(),
                sha: pull_request.base_sha.clone(),
                repository: Some(base.clone()),
            },
            commits: None,
            seconds: None,
        },
        repository: base,
    }
}

/// Repository `name` on the forge of `repository`, of which no more is known.
fn beside(repository: &Repository, name: &FullName) -> RepositoryRef {
    let of = |url: &str| url.replace(repository.full_name.as_str(), name.as_str());
    RepositoryRef {
        id: 0,
        name: name.name().to_owned(),
        full_name: name.to_string(),
        owner: name.owner().to_owned(),
        html_url: of(&repository.html_url),
        ssh_url: of(&repository.ssh_url),
        default_branch: None,
    }
}

impl From<&Repository> for RepositoryRef {
    fn from(repository: &Repository) -> Self {
        Self {
            id: repository.id,
            name: repository.full_name.name().to_owned(),
            full_name: repository.full_name.to_string(),
            owner: repository.full_name.owner().to_owned(),
            html_url: repository.html_url.clone(),
            ssh_url: repository.ssh_url.clone(),
            default_branch: Some(repository.default_branch.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_settings;
    use crate::plan::{forge_projects, master_plan};

    const REPOSITORY: &str = r#"{
        "forge": "github", "id": 17, "full_name": "team/site", "owner_kind": "organization",
        "html_url": "https://github.com/team/site", "clone_url": "https://github.com/team/site.git",
        "ssh_url": "git@github.com:team/site.git", "default_branch": "main", "topics": [],
        "private": false, "installation": null
    }"#;
    const SETTINGS: &str = "
url: http://ci/
build_systems: [x86_64-linux]
local_workers: 1
branches: {releases: {matchGlob: 'release-*'}}
";

    /// `main=a release-1=b topic=c #7=d>main` …: heads of branches and pull requests.
    fn found(text: &str) -> Found {
        let mut found = Found {
            branches: BTreeMap::new(),
            pull_requests: Vec::new(),
        };
        for (name, head) in text
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
        {
            match name.strip_prefix('#') {
                None => {
                    found.branches.insert(name.to_owned(), head.to_owned());
                }
                Some(number) => {
                    let (sha, base) = head.split_once('>').unwrap();
                    found.pull_requests.push(forge::PullRequest {
                        number: number.parse().unwrap(),
                        title: "Add a page".to_owned(),
                        html_url: String::new(),
                        is_open: true,
                        is_draft: false,
                        author: "bob".to_owned(),
                        author_is_bot: false,
                        head_sha: sha.to_owned(),
                        head_branch: "page".to_owned(),
                        head_repository: None,
                        base_branch: base.to_owned(),
                        base_sha: "0".to_owned(),
                    });
                }
            }
        }
        found
    }

    /// The same as what is known.
    fn known(text: &str) -> BTreeMap<String, Head> {
        let found = found(text);
        let head = |revision: &str, base: Option<&str>| Head {
            revision: revision.to_owned(),
            before: None,
            base: base.map(str::to_owned),
            seconds: None,
        };
        let branches = found.branches.iter();
        let mut known: BTreeMap<String, Head> = branches
            .map(|(branch, sha)| (branch.clone(), head(sha, None)))
            .collect();
        for pull_request in &found.pull_requests {
            let branch = format!("refs/pull/{}/merge", pull_request.number);
            let base = Some(pull_request.base_branch.as_str());
            known.insert(branch, head(&pull_request.head_sha, base));
        }
        known
    }

    fn words(action: &Action) -> String {
        match action {
            Action::Build(build) => {
                format!("build {} {}", build.change.branch, build.change.revision)
            }
            Action::Pass { build, .. } => format!("pass {}", build.change.branch),
            Action::Cancel { branch, .. } => format!("cancel {branch}"),
            other => format!("{other:?}"),
        }
    }

    #[rstest::rstest]
    #[case::nothing_new("main=a #7=d>main", "main=a #7=d>main", &[])]
    #[case::missed_push("main=a", "main=b", &["build main b"])]
    #[case::missed_pull_request("main=a", "main=a #7=d>main", &["build refs/pull/7/merge d"])]
    #[case::missed_commit("main=a #7=d>main", "main=a #7=e>main", &["build refs/pull/7/merge e"])]
    #[case::missed_new_base("main=a #7=d>main", "main=a #7=d>dev", &["build refs/pull/7/merge d"])]
    #[case::missed_end("main=a release-1=b #7=d>main", "main=a",
        &["cancel refs/pull/7/merge", "cancel release-1"])]
    #[case::other_branches("main=a", "main=a topic=c release-1=b", &["build release-1 b"])]
    #[case::first_look("", "main=a topic=c release-1=b #7=d>main",
        &["build main a", "pass release-1", "pass refs/pull/7/merge"])]
    fn what_was_missed_is_made_up_for(
        #[case] before: &str,
        #[case] now: &str,
        #[case] expected: &[&str],
    ) {
        let settings = parse_settings("settings.yaml", SETTINGS).unwrap();
        let repository: Repository = serde_json::from_str(REPOSITORY).unwrap();
        let (projects, _) = forge_projects(&settings, &[repository]);
        let plan = master_plan(&settings, &projects, &[]);
        let actions = plan.compare(&plan.projects[0], &found(now), &known(before));
        let actions: Vec<String> = actions.iter().map(words).collect();
        assert_eq!(actions, expected);
    }
}
