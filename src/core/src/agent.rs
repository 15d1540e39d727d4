//! What the master asks of the agent on a worker, and writes down of its answers, as data.

mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nix_derivation::{HashAlgorithm, hash_bytes};

use crate::checkout::{HTTPS_PASSWORD, HTTPS_USER, SSH_KEY, SSH_KNOWN_HOSTS, submodule_files};
use crate::config::IsolationSettings;
use crate::nix::DrvPath;
use crate::plan::{CachePlan, MasterPlan, ProjectPlan, PullRequest, given};
use crate::results::{branch_folder, component, project_folder};

pub use properties::{
    build_properties, checkout_properties, checkout_summary, past, unbuilt_properties,
};

/// Longest time that a checkout may take, in seconds.
pub const CHECKOUT_TIMEOUT: u64 = 3600;

/// The command that makes the current folder a checkout of what a build with `properties` is
/// about. `credentials` is a folder with secrets, if there are any.
pub fn checkout_command(
    project: &ProjectPlan,
    properties: &BTreeMap<String, String>,
    credentials: Option<&str>,
) -> Vec<String> {
    let given = |name| given(properties, name);
    let default = project.default_branch.as_str();
    let pull_request = PullRequest::of(properties);
    let revision = pull_request.map(|it| it.head).or(given("revision"));
    let mut command = Command::new("checkout");
    command.option("--format", "json");
    command.flag("--replace", true);
    // One word each: what people and forges send must not become an option.
    command.value("--branch", &ref_of(given("branch").unwrap_or(default)));
    if let Some(revision) = revision {
        command.value("--revision", revision);
    }
    if let Some(pull_request) = pull_request {
        command.value("--merge-into", pull_request.base.unwrap_or(default));
    }
    command.flag("--no-submodules", !project.submodules);
    if let Some(folder) = credentials {
        command.option("--credentials", folder);
    }
    for submodule in project.private_submodules(properties) {
        command.value("--private-submodule", submodule.url.as_str());
    }
    command.option("--timeout", CHECKOUT_TIMEOUT);
    command.0.extend([project.url.to_string(), ".".to_owned()]);
    command.0
}

/// Names of the secrets that this command needs, by the file in its folder.
pub fn checkout_secrets(
    project: &ProjectPlan,
    properties: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let names = &project.git_secrets;
    let own = [
        (SSH_KEY, &names.ssh_private_key),
        (SSH_KNOWN_HOSTS, &names.ssh_known_hosts),
        (HTTPS_USER, &names.https_user),
        (HTTPS_PASSWORD, &names.https_password),
    ];
    let own = own.into_iter();
    let own = own.filter_map(|(file, name)| Some((file.to_owned(), name.clone()?)));
    let submodules = project.private_submodules(properties).iter().enumerate();
    let of_submodules = submodules.flat_map(|(index, submodule)| {
        let (user, password) = submodule_files(index);
        [
            (user, submodule.user.clone()),
            (password, submodule.password.clone()),
        ]
    });
    own.chain(of_submodules).collect()
}

/// Where the commit of a build on `branch` is found. The ref that GitHub keeps for the merge of a
/// pull request may not be there yet, or merge an older head; the one of its head is there first.
fn ref_of(branch: &str) -> String {
    let number = branch
        .strip_prefix("refs/pull/")
        .and_then(|rest| rest.strip_suffix("/merge"));
    number.map_or_else(
        || branch.to_owned(),
        |number| format!("refs/pull/{number}/head"),
    )
}

/// An evaluation as the master knows it.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Properties of its build, those of the checkout among them.
    pub properties: BTreeMap<String, String>,
    /// A folder with what [`MasterPlan::trusted_secrets`] names, if that is anything.
    pub credentials: Option<String>,
    /// Where its build can be seen.
    pub url: String,
    /// Whether a result that is remembered does not count.
    pub is_renewed: bool,
    /// What the master is called, by which others that have the same workers are told apart.
    pub master: String,
    /// Number of its build among all of the master.
    pub build: u64,
    /// The builds of all evaluations that go on.
    pub running: Vec<u64>,
}

/// The command that evaluates the checkout of `project` in the current folder.
pub fn eval_command(plan: &MasterPlan, project: &ProjectPlan, build: &Evaluation) -> Vec<String> {
    let evaluation = &plan.evaluation;
    let systems: Vec<&str> = plan
        .systems
        .iter()
        .map(crate::nix::System::as_str)
        .collect();
    let mut command = Command::new("eval");
    command.option("--checkout", ".");
    command.option("--format", "json");
    command.option("--systems", systems.join(","));
    command.option("--engine", evaluation.engine.as_str());
    let limits = &project.limits;
    command.option("--max-memory", limits.max_memory_size);
    if let Some(workers) = limits.worker_count {
        command.option("--workers", workers);
    }
    command.option("--timeout", limits.timeout);
    command.option("--attribute-timeout", limits.attribute_timeout);
    command.option("--max-silent", limits.max_silent_time);
    command.flag("--show-trace", evaluation.show_trace);
    let trusted = plan.trusts(project, &build.properties);
    isolate(&mut command, &evaluation.isolation, project, trusted);
    if let Some(folder) = build.credentials.as_ref().filter(|_| trusted) {
        command.option("--credentials", folder);
    }
    // Another repository with the same files has not the same credentials for private inputs.
    command.option("--scope", &project.name);
    command.option("--label", &build.url);
    command.flag("--no-reuse", build.is_renewed);
    command.option("--run", run_name(plan, &build.master, build.build));
    let running = build.running.iter().filter(|other| **other < build.build);
    let running: BTreeSet<u64> = running.copied().collect();
    let running: Vec<String> = running.iter().map(u64::to_string).collect();
    command.value("--live-runs", &running.join(","));
    command.option("--gc-roots-user", &plan.gc_roots.user);
    let is_kept = plan.kept_branch(project, &build.properties).is_some();
    command.flag("--list-results", is_kept);
    command.0
}

/// The command that keeps what that evaluation has found and is in the store, and lets go what is no
/// longer there. None if nothing of it is kept.
pub fn keep_command(
    plan: &MasterPlan,
    project: &ProjectPlan,
    properties: &BTreeMap<String, String>,
    master: &str,
    build: u64,
) -> Option<Vec<String>> {
    let branch = plan.kept_branch(project, properties)?;
    let mut command = Command::new("keep");
    command.option("--folder", results_folder(plan, project, branch));
    command.option("--gc-roots-user", &plan.gc_roots.user);
    for cache in plan.caches_of(project, properties) {
        command.option("--upload-to", &cache.name);
    }
    command.0.push(run_name(plan, master, build));
    Some(command.0)
}

/// Where results of a branch are kept.
fn results_folder(plan: &MasterPlan, project: &ProjectPlan, branch: &str) -> String {
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let folder = project_folder(&plan.gc_roots.user, &project.name.to_string());
    if branch == project.default_branch {
        return folder;
    }
    branch_folder(&folder, branch)
}

/// The command that lets go what the evaluation with that build kept for the builds that came of
/// it.
pub fn release_command(plan: &MasterPlan, master: &str, build: u64) -> Vec<String> {
    let mut command = Command::new("release");
    command.option("--gc-roots-user", &plan.gc_roots.user);
    command.0.push(run_name(plan, master, build));
    command.0
}

/// The command that lets go what was kept for branches and projects that are gone; what there is, is its
/// stdin.
pub fn forget_command(plan: &MasterPlan, master: &str, build: u64) -> Vec<String> {
    let mut command = Command::new("forget");
    command.option("--gc-roots-user", &plan.gc_roots.user);
    command.0.push(run_name(plan, master, build));
    command.0
}

/// The command that uploads what waits for `cache`, which has failed so many times before.
/// `credentials` is a folder with its secrets, if it has any.
pub fn upload_command(
    plan: &MasterPlan,
    cache: &CachePlan,
    credentials: Option<&str>,
    attempt: u32,
) -> Vec<String> {
    let mut command = Command::new("upload");
    command.option("--format", "json");
    command.option("--gc-roots-user", &plan.gc_roots.user);
    command.value("--to", &cache.target.to_string());
    command.flag("--no-closure", !cache.closure);
    if let Some(folder) = credentials {
        command.option("--credentials", folder);
    }
    command.option("--attempt", attempt);
    command.option("--timeout", cache.timeout);
    command.0.push(cache.name.clone());
    command.0
}

/// The command that runs `after`, where `result-<attr>` leads to what was built and
/// `result-<attr>-<output>` to its other outputs, as Nix would have it.
pub fn post_build_command(
    attr: &str,
    outputs: &BTreeMap<String, String>,
    after: &[String],
) -> Vec<String> {
    let mut command = Command::new("post-build");
    for (output, path) in outputs {
        let suffix = if output == "out" {
            String::new()
        } else {
            format!("-{}", component(output))
        };
        let name = format!("result-{}{suffix}", component(attr));
        command.option("--link", format!("{name}={path}"));
    }
    command.0.push("--".to_owned());
    command.0.extend_from_slice(after);
    command.0
}

/// A name that no other master gives: not one in another folder or on another machine, even if its
/// pages have the same address.
fn run_name(plan: &MasterPlan, master: &str, build: u64) -> String {
    let digest = hash_bytes(
        HashAlgorithm::Sha256,
        format!("{}\n{master}", plan.url).as_bytes(),
    );
    let mut name = String::new();
    for byte in digest.digest_as_bytes().iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    format!("{name}-{build}")
}

/// Evaluations of one project that are trusted alike share what was fetched. What strangers
/// fetched is for strangers, and what was fetched with a credential is not.
fn isolate(
    command: &mut Command,
    isolation: &IsolationSettings,
    project: &ProjectPlan,
    trusted: bool,
) {
    command.option("--sandbox", isolation.sandbox.as_str());
    // No id has a slash.
    let whose = if trusted { "trusted" } else { "untrusted" };
    command.option("--fetch-cache", format!("{}/{whose}", project.id));
    for path in &isolation.sandbox_paths {
        command.option("--sandbox-path", path.display());
    }
    for (name, values) in &isolation.nix_config_allow {
        for value in values {
            command.option("--allow-nix-config", format!("{name}={value}"));
        }
    }
    let forbidden = !isolation.import_from_derivation;
    command.flag("--no-import-from-derivation", forbidden);
}

/// The command that builds `drv` for attribute `attr` of `project`. The result is kept from the
/// garbage collector as that of a branch, if the `properties` of its build and the settings say so.
pub fn build_command(
    plan: &MasterPlan,
    project: &ProjectPlan,
    drv: &DrvPath,
    attr: &str,
    properties: &BTreeMap<String, String>,
) -> Vec<String> {
    let building = &plan.building;
    let mut command = Command::new("build");
    command.option("--format", "json");
    if let Some(branch) = plan.kept_branch(project, properties) {
        let folder = results_folder(plan, project, branch);
        command.option("--gc-root", format!("{folder}/{}", component(attr)));
    }
    let caches = plan.caches_of(project, properties);
    for cache in &caches {
        command.option("--upload-to", &cache.name);
    }
    if !caches.is_empty() {
        command.option("--gc-roots-user", &plan.gc_roots.user);
    }
    command.option("--timeout", building.timeout);
    command.option("--max-silent", building.max_silent_time);
    command.option("--log-limit", building.log_limit_mib);
    command.flag("--show-trace", building.show_trace);
    command.0.push(drv.to_string());
    command.0
}

struct Command(Vec<String>);

impl Command {
    fn new(subcommand: &str) -> Self {
        Self(vec!["buildbot-nix".to_owned(), subcommand.to_owned()])
    }

    fn option(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.extend([name.to_owned(), format!("{value}")]);
    }

    fn value(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name}={value}"));
    }

    fn flag(&mut self, name: &str, wanted: bool) {
        if wanted {
            self.0.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
