//! What the master asks of the agent on a worker: command lines and properties, as data.

use std::collections::BTreeMap;

use crate::build::gc_root_name;
use crate::config::IsolationSettings;
use crate::machine_line::{CacheStatus, Checkout, Job};
use crate::nix::DrvPath;
use crate::plan::{MasterPlan, ProjectPlan, virtual_builder_name};

/// Folder below which each user of the machine keeps gc roots.
const GC_ROOTS: &str = "/nix/var/nix/gcroots/per-user";

/// Longest time that a checkout may take, in seconds.
pub const CHECKOUT_TIMEOUT: u64 = 3600;

/// The command that makes the current folder a checkout of what a build with `properties` is
/// about. `credentials` is a folder with secrets, if there are any.
///
/// A pull request has both hashes, as GitHub's hook gives them or as Gitea's does.
pub fn checkout_command(
    project: &ProjectPlan,
    properties: &BTreeMap<String, String>,
    credentials: Option<&str>,
) -> Vec<String> {
    let given = |name: &str| {
        let value = properties.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    };
    let default = project.default_branch.as_str();
    let hashes = |head, base| given(base).and(given(head));
    let pull_request = hashes("github.head.sha", "github.base.sha")
        .map(|head| (head, given("github.base.ref").or(given("basename"))))
        .or_else(|| Some((hashes("head_sha", "base_sha")?, given("base_branch"))));
    let revision = pull_request.map(|(head, _)| head).or(given("revision"));
    let mut command = Command::new("checkout");
    command.option("--format", "json");
    command.flag("--replace", true);
    // One word each: what people and forges send must not become an option.
    command.value("--branch", given("branch").unwrap_or(default));
    if let Some(revision) = revision {
        command.value("--revision", revision);
    }
    if let Some((_, base)) = pull_request {
        command.value("--merge-into", base.unwrap_or(default));
    }
    command.flag("--no-submodules", !project.submodules);
    if let Some(folder) = credentials {
        command.option("--credentials", folder);
    }
    command.option("--timeout", CHECKOUT_TIMEOUT);
    command.0.extend([project.url.to_string(), ".".to_owned()]);
    command.0
}

/// The command that evaluates the checkout of `project` in the current folder. `url` is where its
/// build can be seen; with `anew` a result that is remembered does not count.
pub fn eval_command(
    plan: &MasterPlan,
    project: &ProjectPlan,
    url: &str,
    anew: bool,
) -> Vec<String> {
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
    isolate(&mut command, &evaluation.isolation, project);
    // Another repository with the same files has not the same credentials for private inputs.
    command.option("--scope", &project.name);
    command.option("--label", url);
    command.flag("--no-reuse", anew);
    command.0
}

/// All that is evaluated of a project is trusted alike, so it shares what was fetched; nothing of
/// another project does.
fn isolate(command: &mut Command, isolation: &IsolationSettings, project: &ProjectPlan) {
    command.option("--sandbox", isolation.sandbox.as_str());
    command.option("--fetch-cache", &project.id);
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

/// The properties of an evaluation after `checkout`, by name.
pub fn checkout_properties(checkout: &Checkout) -> BTreeMap<&'static str, String> {
    let mut properties = BTreeMap::from([
        // What forges know: the head of a pull request, not its merge.
        ("got_revision", checkout.revision.clone()),
        ("tested_revision", checkout.commit.clone()),
        ("tested_tree", checkout.tree.clone()),
    ]);
    if let (Some(base), Some(branch)) = (&checkout.base, &checkout.base_branch) {
        properties.insert("merged_base", base.clone());
        properties.insert("merged_base_branch", branch.clone());
    }
    properties
}

/// `checkout` in a few words.
pub fn checkout_summary(checkout: &Checkout) -> String {
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    let revision = short(&checkout.revision);
    match (&checkout.base, &checkout.base_branch) {
        (Some(base), Some(branch)) => {
            format!("{revision} merged into {branch} at {}", short(base))
        }
        _ => revision,
    }
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

    fn eval(plan: &MasterPlan, anew: bool) -> String {
        let url = "http://ci/#/builders/1/builds/2";
        eval_command(plan, &plan.projects[0], url, anew).join(" ")
    }

    fn build(plan: &MasterPlan, attr: &str, keep: bool) -> String {
        build_command(plan, &plan.projects[0], &DRV.parse().unwrap(), attr, keep).join(" ")
    }

    #[test]
    fn settings_reach_the_command_lines() {
        let usual = plan("");
        assert_snapshot!(eval(&usual, false), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine auto --max-memory 4096 --timeout 3600 --attribute-timeout 600 --max-silent 1200 --sandbox auto --fetch-cache o-r --scope o/r --label http://ci/#/builders/1/builds/2");
        assert_snapshot!(build(&usual, "x86_64-linux.a", true), @"buildbot-nix build --format json --gc-root /nix/var/nix/gcroots/per-user/buildbot-worker/o/r/x86_64-linux.a --timeout 10800 --max-silent 1200 --log-limit 64 /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv");
        let changed = plan(
            "eval_engine: nix\neval_worker_count: 3\neval_timeout: 60\nshow_trace_on_failure: true\n\
             projects: {o/r: {eval_timeout: 90, eval_max_memory_size: 8192}}\n\
             gcroots: false\nbuild_timeout: 600\neval_sandbox: required\n\
             eval_sandbox_paths: [/srv/a]\nallow_import_from_derivation: false\n\
             nix_config_allow: {extra-substituters: ['https://a https://b', 'https://c']}",
        );
        assert_snapshot!(eval(&changed, true), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine nix --max-memory 8192 --workers 3 --timeout 90 --attribute-timeout 600 --max-silent 1200 --show-trace --sandbox required --fetch-cache o-r --sandbox-path /srv/a --allow-nix-config extra-substituters=https://a https://b --allow-nix-config extra-substituters=https://c --no-import-from-derivation --scope o/r --label http://ci/#/builders/1/builds/2 --no-reuse");
        assert_snapshot!(build(&changed, "x86_64-linux.a", true), @"buildbot-nix build --format json --timeout 600 --max-silent 1200 --log-limit 64 --show-trace /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv");
    }

    #[rstest::rstest]
    #[case("", "--branch=main")]
    #[case("branch=-x revision=", "--branch=-x")]
    #[case("branch=topic revision=abc", "--branch=topic --revision=abc")]
    #[case(
        "branch=topic revision=abc head_sha=abc",
        "--branch=topic --revision=abc"
    )]
    #[case(
        "branch=topic revision=abc head_sha=abc base_sha=def base_branch=next",
        "--branch=topic --revision=abc --merge-into=next"
    )]
    #[case(
        "branch=refs/pull/7/merge revision=abc github.head.sha=abc github.base.sha=def basename=next",
        "--branch=refs/pull/7/merge --revision=abc --merge-into=next"
    )]
    #[case(
        "branch=refs/pull/7/merge github.head.sha=abc github.base.sha=def",
        "--branch=refs/pull/7/merge --revision=abc --merge-into=main"
    )]
    fn a_checkout_is_of_what_the_properties_say(#[case] properties: &str, #[case] said: &str) {
        let pairs = properties.split_whitespace();
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        let properties = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let plan = plan("");
        let command = checkout_command(&plan.projects[0], &properties.collect(), None).join(" ");
        assert_eq!(
            command,
            format!(
                "buildbot-nix checkout --format json --replace {said} --timeout 3600 \
                 https://git/o/r ."
            )
        );
    }

    #[test]
    fn a_checkout_tells_what_is_tested() {
        let hash = |digit: &str| digit.repeat(40);
        let checkout = |base: Option<String>| Checkout {
            revision: hash("1"),
            commit: hash("2"),
            tree: hash("3"),
            base_branch: base.as_ref().map(|_| "main".to_owned()),
            base,
            seconds: 1.5,
        };
        let text = |checkout: &Checkout| {
            let properties = checkout_properties(checkout).into_iter();
            let mut lines = vec![checkout_summary(checkout)];
            lines.extend(properties.map(|(name, value)| format!("{name}={}", &value[..2])));
            lines.join("\n")
        };
        assert_snapshot!(text(&checkout(None)), @r"
        111111111111
        got_revision=11
        tested_revision=22
        tested_tree=33
        ");
        assert_snapshot!(text(&checkout(Some(hash("4")))), @r"
        111111111111 merged into main at 444444444444
        got_revision=11
        merged_base=44
        merged_base_branch=ma
        tested_revision=22
        tested_tree=33
        ");
    }

    #[test]
    fn a_checkout_without_submodules_and_with_credentials() {
        let mut plan = plan("");
        plan.projects[0].submodules = false;
        let command = checkout_command(&plan.projects[0], &BTreeMap::new(), Some("../secrets"));
        assert_snapshot!(command.join(" "), @"buildbot-nix checkout --format json --replace --branch=main --no-submodules --credentials ../secrets --timeout 3600 https://git/o/r .");
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
