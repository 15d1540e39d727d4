//! Plan: what leaves the machines that build, and of which builds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::trust::is_of_its_branch;
use super::{
    BranchDecision, MasterPlan, ProjectPlan, PullRequest, SecretPart, SecretPlan, SecretSource,
    given,
};
use crate::cache::Target;
use crate::config::{CacheSettings, PostBuild, PostBuildStep};
use crate::error::Error;
use crate::results::{Branches, Existing, OutputFiles, forget_outputs, project_outputs};
use crate::secret::SecretFile;

/// Somewhere that results are uploaded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachePlan {
    /// Its name in the settings.
    pub name: String,
    /// What and where it is.
    pub target: Target,
    /// With what results refer to.
    pub closure: bool,
    /// Also results of pull requests.
    pub pull_requests: bool,
    /// Of which projects; none = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<String>>,
    /// Seconds for one call of its tool.
    pub timeout: u64,
    /// Names of its secrets, by the file that the agent expects.
    pub secrets: BTreeMap<&'static str, String>,
}

/// The builder that uploads what waits on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploaderPlan {
    /// The machine.
    pub machine: String,
    /// Its only worker: uploads of a machine take turns.
    pub worker: String,
    /// Name of the builder.
    pub builder: String,
    /// Its folder.
    pub builddir: String,
    /// Name of the scheduler with which the master starts it.
    pub scheduler: String,
    /// Name of the one with which people do.
    pub force_scheduler: String,
}

impl CachePlan {
    pub(super) fn of(settings: &CacheSettings, secrets: &mut BTreeMap<String, SecretPlan>) -> Self {
        let named = settings.secrets.iter().map(|(name, file)| {
            secrets.insert(file.key().to_owned(), whole(file));
            (*name, file.key().to_owned())
        });
        Self {
            name: settings.name.clone(),
            target: settings.target.clone(),
            closure: settings.closure,
            pull_requests: settings.pull_requests,
            projects: settings.projects.clone(),
            timeout: settings.timeout,
            secrets: named.collect(),
        }
    }

    fn takes(&self, project: &ProjectPlan) -> bool {
        let projects = self.projects.as_ref();
        projects.is_none_or(|names| names.iter().any(|name| name == project.name.as_str()))
    }
}

/// The secrets that steps after builds name, by that name.
pub(super) fn post_build_secrets(
    post_build: &PostBuild,
    secrets: &mut BTreeMap<String, SecretPlan>,
) {
    for (index, step) in post_build.steps.iter().enumerate() {
        let words = step.environment.values().chain(step.command.words());
        for name in words.flat_map(|words| words.secrets()) {
            let key = format!("post_build_steps[{index}]");
            let file = SecretFile::new(key, name);
            secrets
                .entry(name.to_owned())
                .or_insert_with(|| whole(&file));
        }
    }
}

fn whole(file: &SecretFile) -> SecretPlan {
    SecretPlan {
        source: SecretSource::File(file.clone()),
        part: SecretPart::Whole,
    }
}

impl MasterPlan {
    /// Whether what a build with `properties` makes may be given to others: who may push to a branch
    /// that is built has written it, or it is of a pull request and those are `allowed`.
    fn publishes(
        &self,
        project: &ProjectPlan,
        properties: &BTreeMap<String, String>,
        allowed: bool,
    ) -> bool {
        if is_of_its_branch(properties) {
            let branch = given(properties, "branch").unwrap_or(&project.default_branch);
            let decision = self.branch_policy(project).decide(branch);
            return decision.build || decision.merge_queue;
        }
        allowed && PullRequest::of(properties).is_some()
    }

    /// The caches for what a build with `properties` makes.
    pub fn caches_of<'p>(
        &'p self,
        project: &'p ProjectPlan,
        properties: &BTreeMap<String, String>,
    ) -> Vec<&'p CachePlan> {
        let caches = self.caches.iter();
        caches
            .filter(|cache| {
                cache.takes(project) && self.publishes(project, properties, cache.pull_requests)
            })
            .collect()
    }

    /// What runs after a build with `properties`.
    pub fn post_build_steps(
        &self,
        project: &ProjectPlan,
        properties: &BTreeMap<String, String>,
    ) -> &[PostBuildStep] {
        if self.publishes(project, properties, self.post_build.pull_requests) {
            &self.post_build.steps
        } else {
            &[]
        }
    }

    /// The folder of a project's output files, if there are such files. Who serves the folder asks
    /// nobody, so hidden projects have none.
    pub fn output_folder(&self, project: &ProjectPlan) -> Option<PathBuf> {
        let root = self.outputs_path.as_deref()?;
        if self.is_hidden(project) {
            return None;
        }
        let forge = project.forge.as_ref();
        let repository = forge.map(|it| (it.full_name.owner(), it.full_name.name()));
        project_outputs(root, project.name.as_str(), repository)
    }

    /// The files that say what a build with `properties`, of the evaluation with number `build`, has
    /// made, if its branch has such files.
    pub fn output_files(
        &self,
        project: &ProjectPlan,
        properties: &BTreeMap<String, String>,
        build: u64,
    ) -> Option<OutputFiles> {
        let branch = given(properties, "branch").unwrap_or(&project.default_branch);
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        let wanted = self.branch_policy(project).decide(branch).update_outputs;
        let folder = self.output_folder(project)?;
        let files = OutputFiles::of(&folder, branch, build)?;
        (is_of_its_branch(properties) && wanted).then_some(files)
    }

    /// What [`crate::agent::forget_command`] reads.
    pub fn existing_text(&self, heads: &Heads) -> String {
        serde_json::to_string(&self.existing(heads)).unwrap_or_default()
    }

    /// What there is of projects and of branches whose results are kept.
    fn existing(&self, heads: &Heads) -> Existing {
        let projects = self.projects.iter().map(|project| {
            let branches = self.branches(project, heads, |decision| decision.register_gc_roots);
            (project.name.to_string(), branches)
        });
        Existing {
            projects: projects.collect(),
        }
    }

    /// The branches of `project` that `matter`.
    fn branches(
        &self,
        project: &ProjectPlan,
        heads: &Heads,
        matter: fn(BranchDecision) -> bool,
    ) -> Branches {
        let name = project.name.as_str();
        let policy = self.branch_policy(project);
        match heads.known.get(name) {
            Some(known) => {
                let known = known.iter().filter(|branch| matter(policy.decide(branch)));
                Branches::Only(known.cloned().collect())
            }
            None => Branches::AllBut(heads.gone.get(name).cloned().unwrap_or_default()),
        }
    }

    /// Removes output files of branches and projects that are gone.
    pub fn forget_outputs(&self, heads: &Heads) -> Result<usize, Error> {
        let Some(root) = self.outputs_path.as_deref() else {
            return Ok(0);
        };
        let projects = self.projects.iter().filter_map(|project| {
            let branches = self.branches(project, heads, |decision| decision.update_outputs);
            Some((self.output_folder(project)?, branches))
        });
        forget_outputs(root, &projects.collect())
    }
}

/// What is known of branches, by name of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// All that there are, where somebody has looked.
    pub known: BTreeMap<String, BTreeSet<String>>,
    /// Some that are gone, where nobody has.
    pub gone: BTreeMap<String, BTreeSet<String>>,
}
