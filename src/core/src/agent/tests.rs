use insta::assert_snapshot;

use super::*;
use crate::config::{GitUrl, parse_settings};
use crate::machine_line::{CacheStatus, Checkout, Job};
use crate::nix::AttrPath;
use crate::plan::{ON_BRANCH, PrivateSubmodule, master_plan, polled_projects};

const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv";

fn plan(more: &str) -> MasterPlan {
    let text = format!(
        "url: http://ci/\nbuild_systems: [x86_64-linux, aarch64-linux]\nlocal_workers: 1\n{more}\n\
         pull_based: {{repositories: {{o/r: {{url: 'https://git/o/r', default_branch: main}}}}}}"
    );
    let settings = parse_settings("settings.yaml", &text).unwrap();
    master_plan(&settings, &polled_projects(&settings), &[])
}

fn eval(plan: &MasterPlan, is_renewed: bool) -> String {
    eval_with(plan, is_renewed, BTreeMap::new())
}

fn eval_with(plan: &MasterPlan, is_renewed: bool, properties: BTreeMap<String, String>) -> String {
    let build = Evaluation {
        properties,
        credentials: Some("../secrets".to_owned()),
        url: "http://ci/#/builders/1/builds/2".to_owned(),
        is_renewed,
        master: "ci:/srv/master".to_owned(),
        build: 12,
        running: vec![12, 9, 13, 8],
    };
    eval_command(plan, &plan.projects[0], &build).join(" ")
}

fn build(plan: &MasterPlan, attr: &str, keep: bool) -> String {
    build_of(plan, attr, keep.then_some("main"))
}

fn build_of(plan: &MasterPlan, attr: &str, branch: Option<&str>) -> String {
    let branch = branch.map(|branch| ("branch".to_owned(), branch.to_owned()));
    let mut properties: BTreeMap<String, String> = branch.into_iter().collect();
    if !properties.is_empty() {
        properties.insert("tested_on_branch".to_owned(), "yes".to_owned());
    }
    let drv = DRV.parse().unwrap();
    build_command(plan, &plan.projects[0], &drv, attr, &properties).join(" ")
}

#[test]
fn settings_reach_the_command_lines() {
    let usual = plan("");
    assert_snapshot!(eval(&usual, false), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine auto --max-memory 4096 --timeout 3600 --attribute-timeout 600 --max-silent 1200 --sandbox auto --fetch-cache o-r/untrusted --scope o/r --label http://ci/#/builders/1/builds/2 --run 8b7a3426466c2ca4-12 --live-runs=8,9 --gc-roots-user buildbot-worker");
    assert_snapshot!(build(&usual, "x86_64-linux.a", true), @"buildbot-nix build --format json --gc-root /nix/var/nix/gcroots/per-user/buildbot-worker/o/r/x86_64-linux.a --timeout 10800 --max-silent 1200 --log-limit 64 /nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv");
    let changed = plan(
        "eval_engine: nix\neval_worker_count: 3\neval_timeout: 60\nshow_trace_on_failure: true\n\
         projects: {o/r: {eval_timeout: 90, eval_max_memory_size: 8192}}\n\
         gcroots: false\nbuild_timeout: 600\neval_sandbox: required\n\
         eval_sandbox_paths: [/srv/a]\nallow_import_from_derivation: false\n\
         nix_config_allow: {extra-substituters: ['https://a https://b', 'https://c']}",
    );
    assert_snapshot!(eval(&changed, true), @"buildbot-nix eval --checkout . --format json --systems x86_64-linux,aarch64-linux --engine nix --max-memory 8192 --workers 3 --timeout 90 --attribute-timeout 600 --max-silent 1200 --show-trace --sandbox required --fetch-cache o-r/untrusted --sandbox-path /srv/a --allow-nix-config extra-substituters=https://a https://b --allow-nix-config extra-substituters=https://c --no-import-from-derivation --scope o/r --label http://ci/#/builders/1/builds/2 --no-reuse --run 8b7a3426466c2ca4-12 --live-runs=8,9 --gc-roots-user buildbot-worker");
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
    "--branch=refs/pull/7/head --revision=abc --merge-into=next"
)]
#[case(
    "branch=refs/pull/7/merge github.head.sha=abc github.base.sha=def",
    "--branch=refs/pull/7/head --revision=abc --merge-into=main"
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
        on_branch: base.is_none(),
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
    tested_on_branch=ye
    tested_revision=22
    tested_tree=33
    ");
    assert_snapshot!(text(&checkout(Some(hash("4")))), @r"
    111111111111 merged into main at 444444444444
    got_revision=11
    merged_base=44
    merged_base_branch=ma
    tested_on_branch=no
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

#[rstest::rstest]
#[case("branch=main", true)]
#[case("branch=topic revision=0123456", true)]
#[case(
    "branch=refs/pull/1/head github.head.sha=a github.base.sha=b pull_request_from_fork=no",
    true
)]
#[case(
    "branch=refs/pull/1/head head_sha=a base_sha=b pull_request_from_fork=no",
    true
)]
#[case(
    "branch=refs/pull/1/head head_sha=a base_sha=b pull_request_from_fork=yes",
    false
)]
#[case("branch=refs/pull/1/head head_sha=a base_sha=b", false)]
#[case("branch=refs/pull/1/head head_sha=a pull_request_from_fork=no", false)]
fn private_submodules_are_for_what_was_pushed_to_the_repository(
    #[case] properties: &str,
    #[case] is_own: bool,
) {
    let mut plan = plan("");
    plan.projects[0].private_submodules = vec![PrivateSubmodule {
        url: GitUrl::new("https://git/o/library.git").unwrap(),
        user: "library:user".to_owned(),
        password: "library:password".to_owned(),
    }];
    let pairs = properties.split(' ').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let properties = pairs.collect();
    let command = checkout_command(&plan.projects[0], &properties, Some("../secrets")).join(" ");
    let option = " --private-submodule=https://git/o/library.git ";
    assert_eq!(command.contains(option), is_own, "{command}");
    let secrets = checkout_secrets(&plan.projects[0], &properties);
    let named = [
        ("submodule-0-user", "library:user"),
        ("submodule-0-password", "library:password"),
    ];
    let named = named.map(|(file, name)| (file.to_owned(), name.to_owned()));
    assert_eq!(secrets == BTreeMap::from(named), is_own, "{secrets:?}");
}

#[test]
fn credentials_are_for_trusted_refs() {
    let mut plan = plan("");
    plan.projects[0].eval_secrets.netrc = Some("netrc-of-r".to_owned());
    let evaluation = |on_branch: &str| {
        let properties = BTreeMap::from([(ON_BRANCH.to_owned(), on_branch.to_owned())]);
        let secrets = plan.trusted_secrets(&plan.projects[0], &properties);
        (secrets, eval_with(&plan, false, properties))
    };
    let (secrets, trusted) = evaluation("yes");
    assert_eq!(secrets, BTreeMap::from([("netrc", "netrc-of-r")]));
    assert!(trusted.contains(" --fetch-cache o-r/trusted --credentials ../secrets --scope "));
    let (secrets, untrusted) = evaluation("no");
    assert_eq!(secrets, BTreeMap::new());
    assert!(untrusted.contains(" --fetch-cache o-r/untrusted --scope "));
}

#[test]
fn a_gc_root_stays_in_the_projects_folder() {
    let command = build(&plan(""), "../../pwned", true);
    assert!(command.contains("/o/r/..%2F..%2Fpwned "), "{command}");
    assert!(!build(&plan(""), "a", false).contains("--gc-root"));
}

#[test]
fn each_branch_has_a_folder_of_its_own() {
    let mut plan = plan(
        "branches: {all: {matchGlob: 'release-*'}, topics: {matchGlob: 'x-*', registerGCRoots: false}}",
    );
    let folder = "--gc-root /nix/var/nix/gcroots/per-user/buildbot-worker/o/r/";
    for (branch, link) in [
        ("main", "a"),
        ("refs/heads/main", "a"),
        ("release-1", "^release-1/a"),
    ] {
        let command = build_of(&plan, "a", Some(branch));
        assert!(command.contains(&format!("{folder}{link} ")), "{command}");
    }
    for branch in [Some("x-1"), Some("other"), Some("refs/pull/1/merge"), None] {
        assert!(!build_of(&plan, "a", branch).contains("--gc-root"));
    }
    plan.gc_roots.enabled = false;
    assert!(!build_of(&plan, "a", Some("main")).contains("--gc-root"));
}

#[rstest::rstest]
#[case("tested_on_branch=yes", Some("o/r"))]
#[case("tested_on_branch=yes branch=release-1", Some("o/r/^release-1"))]
#[case("tested_on_branch=no branch=main", None)]
#[case("branch=main", None)]
#[case("tested_on_branch=yes branch=topic", None)]
#[case("tested_on_branch=yes branch=main head_sha=abc base_sha=def", None)]
#[case("tested_on_branch=yes branch=refs/pull/7/merge", None)]
fn what_is_kept_is_of_its_branch(#[case] properties: &str, #[case] folder: Option<&str>) {
    let pairs = properties.split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    let properties: BTreeMap<String, String> = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let plan = plan("branches: {all: {matchGlob: 'release-*'}}");
    let command = keep_command(&plan, &plan.projects[0], &properties, "ci:/srv/master", 12);
    let users = "/nix/var/nix/gcroots/per-user/buildbot-worker";
    let expected = folder.map(|folder| {
        format!("buildbot-nix keep --folder {users}/{folder} --gc-roots-user buildbot-worker 8b7a3426466c2ca4-12")
    });
    assert_eq!(command.map(|command| command.join(" ")), expected);
    let eval = eval_with(&plan, false, properties);
    assert_eq!(
        eval.ends_with(" --list-results"),
        folder.is_some(),
        "{eval}"
    );
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

#[test]
fn what_an_evaluation_keeps_is_released_by_the_same_name() {
    let of = |plan: &MasterPlan, master| release_command(plan, master, 12).join(" ");
    let usual = of(&plan(""), "ci:/srv/master");
    assert_snapshot!(usual, @"buildbot-nix release --gc-roots-user buildbot-worker 8b7a3426466c2ca4-12");
    assert!(eval(&plan(""), false).contains(" --run 8b7a3426466c2ca4-12 "));
    // Nobody else's: all of these may work for one store.
    let mut other = plan("");
    other.url = "http://other/".to_owned();
    assert_ne!(of(&plan(""), "ci:/srv/other"), usual);
    assert_ne!(of(&other, "ci:/srv/master"), usual);
}

const CACHES: &str = "
gcroots: false
cachix: {name: ours, auth_token_file: token}
caches:
  private: {type: store, url: 'file:///srv/cache', projects: [o/private]}
  reviewed: {type: attic, server_url: 'https://a/', cache: x, token_file: t, pull_requests: true, closure: false}
branches: {all: {matchGlob: 'release-*'}}";

fn properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[rstest::rstest]
#[case("branch=main tested_on_branch=yes", "cachix,reviewed")]
#[case("tested_on_branch=yes", "cachix,reviewed")]
#[case("branch=release-1 tested_on_branch=yes", "cachix,reviewed")]
#[case(
    "branch=gh-readonly-queue/main/pr-1 tested_on_branch=yes",
    "cachix,reviewed"
)]
// Pull requests, also one from a branch of the same name.
#[case("branch=main tested_on_branch=yes head_sha=a base_sha=b", "reviewed")]
#[case(
    "branch=refs/pull/1/merge github.head.sha=a github.base.sha=b",
    "reviewed"
)]
// What somebody started by hand.
#[case("branch=main tested_on_branch=no", "")]
#[case("branch=topic tested_on_branch=yes", "")]
#[case("branch=refs/pull/1/head tested_on_branch=yes", "")]
fn only_what_is_trusted_is_uploaded(#[case] of: &str, #[case] expected: &str) {
    let plan = plan(CACHES);
    let of = properties(of);
    let drv = DRV.parse().unwrap();
    let command = build_command(&plan, &plan.projects[0], &drv, "a", &of);
    let caches: Vec<&str> = command
        .windows(2)
        .filter(|pair| pair[0] == "--upload-to")
        .map(|pair| pair[1].as_str())
        .collect();
    assert_eq!(caches.join(","), expected);
}

#[rstest::rstest]
#[case("branch=main tested_on_branch=yes", false, 1)]
#[case("branch=main tested_on_branch=no", true, 0)]
#[case("branch=main head_sha=a base_sha=b", false, 0)]
#[case("branch=main head_sha=a base_sha=b", true, 1)]
fn commands_after_builds_are_for_the_trusted(
    #[case] of: &str,
    #[case] allowed: bool,
    #[case] expected: usize,
) {
    let plan = plan(&format!(
        "post_build_steps: [{{name: x, command: x}}]\npost_build_steps_on_pull_requests: {allowed}"
    ));
    let steps = plan.post_build_steps(&plan.projects[0], &properties(of));
    assert_eq!(steps.len(), expected);
}

#[test]
fn results_have_commands_of_their_own() {
    let plan = plan(CACHES);
    let upload = |index: usize, secrets| {
        let cache: &CachePlan = &plan.caches[index];
        upload_command(&plan, cache, secrets, 2).join(" ")
    };
    assert_snapshot!(upload(0, Some("../s")), @"buildbot-nix upload --format json --gc-roots-user buildbot-worker --to=cachix=ours --credentials ../s --attempt 2 --timeout 3600 cachix");
    assert_snapshot!(upload(2, None), @"buildbot-nix upload --format json --gc-roots-user buildbot-worker --to=attic=https://a/x --no-closure --attempt 2 --timeout 3600 reviewed");
    let outputs = [("out", "/nix/store/x"), ("dev", "/nix/store/y")];
    let outputs = outputs.map(|(name, path)| (name.to_owned(), path.to_owned()));
    let after = ["sh", "-c", "x"].map(str::to_owned);
    let command = post_build_command("a/b", &outputs.into(), &after).join(" ");
    assert_snapshot!(command, @"buildbot-nix post-build --link result-a%2Fb-dev=/nix/store/y --link result-a%2Fb=/nix/store/x -- sh -c x");
    let forget = forget_command(&plan, "ci:/srv/master", 12).join(" ");
    assert_snapshot!(forget, @"buildbot-nix forget --gc-roots-user buildbot-worker 8b7a3426466c2ca4-12");
}
