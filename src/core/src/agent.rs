//! What the master asks of the agent on a worker: command lines and properties, as data.

use std::collections::BTreeMap;

use crate::build::gc_root_name;
use crate::machine_line::{CacheStatus, Job};
use crate::nix::DrvPath;
use crate::plan::{MasterPlan, ProjectPlan, virtual_builder_name};

/// Folder below which each user of the machine keeps gc roots.
const GC_ROOTS: &str = "/nix/var/nix/gcroots/per-user";

/// The command that evaluates the checkout in the current folder.
pub fn eval_command(plan: &MasterPlan) -> Vec<String> {
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
    command.option("--max-memory", evaluation.max_memory_mib);
    if let Some(workers) = evaluation.worker_count {
        command.option("--workers", workers);
    }
    command.option("--timeout", evaluation.timeout);
    command.option("--attribute-timeout", evaluation.attribute_timeout);
    command.flag("--show-trace", evaluation.show_trace);
    command.0
}

/// The command that builds `drv` for attribute `attr` of `project`. With `keep` the result is
/// protected from the garbage collector.
pub fn build_command(
    plan: &MasterPlan,
    project: &ProjectPlan,
    drv: &DrvPath,
    attr: &str,
    keep: bool,
) -> Vec<String> {
    let building = &plan.building;
    let mut command = Command::new("build");
    command.option("--format", "json");
    if keep && plan.gc_roots.enabled {
        let folder = format!("{GC_ROOTS}/{}/{}", plan.gc_roots.user, project.name);
        command.option("--gc-root", format!("{folder}/{}", gc_root_name(attr)));
    }
    command.option("--timeout", building.timeout);
    command.option("--max-silent", building.max_silent_time);
    command.option("--log-limit", building.log_limit_mib);
    command.flag("--show-trace", building.show_trace);
    command.0.push(drv.to_string());
    command.0
}

/// The properties of an attribute's build, by name.
pub fn build_properties(
    project: &ProjectPlan,
    attribute: &str,
    job: &Job,
) -> BTreeMap<&'static str, String> {
    let virtual_name =
        virtual_builder_name(&project.ref_type, &project.name, attribute, &job.attr_path);
    let cache_status = match job.cache_status {
        CacheStatus::Local => "local",
        CacheStatus::Cached => "cached",
        CacheStatus::NotBuilt => "notBuilt",
    };
    let mut properties = BTreeMap::from([
        ("attr", job.attr.clone()),
        ("cacheStatus", cache_status.to_owned()),
        ("default_branch", project.default_branch.clone()),
        ("drv_path", job.drv_path.to_string()),
        ("status_name", format!("nix-build {virtual_name}")),
        ("system", job.system.to_string()),
        ("virtual_builder_name", virtual_name),
        ("virtual_builder_tags", String::new()),
    ]);
    if let Some(Some(out)) = job.outputs.get("out") {
        properties.insert("out_path", out.to_string());
    }
    properties
}

struct Command(Vec<String>);

impl Command {
    fn new(subcommand: &str) -> Self {
        Self(vec!["buildbot-nix".to_owned(), subcommand.to_owned()])
    }

    fn option(&mut self, name: &str, value: impl ToString) {
        self.0.extend([name.to_owned(), value.to_string()]);
    }

    fn flag(&mut self, name: &str, wanted: bool) {
        if wanted {
            self.0.push(name.to_owned());
        }
    }
}
