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

    fn option(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.extend([name.to_owned(), format!("{value}")]);
    }

    fn flag(&mut self, name: &str, wanted: bool) {
        if wanted {
            self.0.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::config::parse_settings;
    use crate::nix::AttrPath;
    use crate::plan::{master_plan, polled_projects};

    const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv";

    fn plan(more: &str) -> MasterPlan {
        let text = format!(
            "url: http://ci/\nbuild_systems: [x86_64-linux, aarch64-linux]\nlocal_workers: 1\n{more}\n\
             pull_based: {{repositories: {{o/r: {{url: 'https://git/o/r', default_branch: main}}}}}}"
        );
        let settings = parse_settings("settings.yaml", &text).unwrap();
        master_plan(&settings, &polled_projects(&settings), &[])
    }

    fn build(plan: &MasterPlan, attr: &str, keep: bool) -> String {
        build_command(plan, &plan.projects[0], &DRV.parse().unwrap(), attr, keep).join(" ")
    }

    #[test]
    fn settings_reach_the_command_lines() {
        let usual = plan("");
        assert_snapshot!(eval_command(&usual).join(" "), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine auto --max-memory 4096 --timeout 3600 --attribute-timeout 600");
        assert_snapshot!(build(&usual, "x86_64-linux.a", true), @"buildbot-nix build --format json --gc-root /nix/var/nix/gcroots/per-user/buildbot-worker/o/r/x86_64-linux.a --timeout 10800 --max-silent 1200 --log-limit 64 /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv");
        let changed = plan(
            "eval_engine: nix\neval_worker_count: 3\neval_timeout: 60\nshow_trace_on_failure: true\n\
             gcroots: false\nbuild_timeout: 600",
        );
        assert_snapshot!(eval_command(&changed).join(" "), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine nix --max-memory 4096 --workers 3 --timeout 60 --attribute-timeout 600 --show-trace");
        assert_snapshot!(build(&changed, "x86_64-linux.a", true), @"buildbot-nix build --format json --timeout 600 --max-silent 1200 --log-limit 64 --show-trace /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv");
    }

    #[test]
    fn a_gc_root_stays_in_the_projects_folder() {
        let command = build(&plan(""), "../../pwned", true);
        assert!(command.contains("/o/r/..%2F..%2Fpwned "), "{command}");
        assert!(!build(&plan(""), "a", false).contains("--gc-root"));
    }

    #[test]
    fn properties_have_the_predecessors_names() {
        let plan = plan("");
        let attr_path = AttrPath::new(["x86_64-linux", "a.b"]);
        let job = Job {
            attr: attr_path.to_string(),
            attr_path,
            name: "a".to_owned(),
            system: "x86_64-linux".parse().unwrap(),
            drv_path: DRV.parse().unwrap(),
            outputs: BTreeMap::from([("out".to_owned(), None)]),
            cache_status: CacheStatus::NotBuilt,
            needs: Vec::new(),
            needed_by: Vec::new(),
        };
        let properties = build_properties(&plan.projects[0], "checks", &job);
        let text: Vec<String> = properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_snapshot!(text.join("\n"), @r#"
        attr=x86_64-linux."a.b"
        cacheStatus=notBuilt
        default_branch=main
        drv_path=/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv
        status_name=nix-build git+https:o/r#checks.x86_64-linux."a.b"
        system=x86_64-linux
        virtual_builder_name=git+https:o/r#checks.x86_64-linux."a.b"
        virtual_builder_tags=
        "#);
    }
}
