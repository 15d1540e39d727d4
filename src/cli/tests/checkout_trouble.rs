//! `buildbot-nix checkout` where something is broken, hostile or secret.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checkouts;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use checkouts::{Site, git};

fn packs(site: &Site) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(site.clone_dir().join("objects/pack")).unwrap();
    files.flatten().map(|entry| entry.path()).collect()
}

/// Overwrites a file that git made read-only.
fn damage(path: &Path, text: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_damaged_clone_is_made_again() {
    let site = Site::new();
    let head = site.git(&["rev-parse", "HEAD"]);
    let arguments = ["--revision", &head[..]];
    site.checkout("tree", &arguments).done();
    for file in ["HEAD", "config", "buildbot-nix-url"] {
        std::fs::remove_file(site.clone_dir().join(file)).unwrap();
        site.checkout("tree", &arguments).done();
        site.checkout(&format!("without-{file}"), &arguments).done();
    }
    for extension in ["pack", "idx"] {
        for pack in packs(&site) {
            if pack.extension().is_some_and(|found| found == extension) {
                damage(&pack, b"PACK nothing of use");
            }
        }
        let again = site.checkout(&format!("bad-{extension}"), &arguments);
        assert!(!again.log.is_empty());
        assert_eq!(again.done().revision, head);
    }
    for pack in packs(&site) {
        std::fs::remove_file(pack).unwrap();
    }
    site.commit("main", &[("file", "two\n")]);
    site.checkout("tree", &[]).done();
    assert_eq!(site.read("tree/file"), "two\n");
}

#[test]
fn a_damaged_tree_is_made_again() {
    let site = Site::new();
    site.checkout("tree", &[]).done();
    std::fs::write(site.path("tree/.git/index"), "no index").unwrap();
    let again = site.checkout("tree", &[]);
    assert!(
        again.log.contains("trying again in an empty folder"),
        "{}",
        again.log
    );
    again.done();
    assert_eq!(site.read("tree/file"), "one\n");
}

#[test]
fn only_what_is_ours_is_replaced() {
    let site = Site::new();
    std::fs::create_dir(site.path("tree")).unwrap();
    std::fs::write(site.path("tree/thesis.tex"), "").unwrap();
    let (code, message) = site.checkout("tree", &[]).failed();
    assert_eq!(code, 3);
    assert!(
        message.ends_with("is not empty, and no checkout made here"),
        "{message}"
    );
    site.checkout("tree", &["--replace"]).done();
    assert!(!site.path("tree/thesis.tex").exists());
}

#[test]
fn a_repository_runs_nothing() {
    let site = Site::new();
    let proof = site.path("proof");
    let touch = format!("touch {}", proof.display());
    // A checkout of before, into which something got: hooks, settings and filters of its own.
    site.checkout("tree", &[]).done();
    let git_dir = site.path("tree/.git");
    std::fs::create_dir_all(git_dir.join("hooks")).unwrap();
    for hook in [
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "post-merge",
    ] {
        let path = git_dir.join("hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{touch}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = format!(
        "[core]\nfsmonitor = {touch}\nsshCommand = {touch}\n[filter \"x\"]\nsmudge = {touch}\n\
         process = {touch}\n[alias]\nreset = !{touch}\n[credential]\nhelper = !{touch}\n"
    );
    std::fs::write(git_dir.join("config"), config).unwrap();
    let attributes = [(".gitattributes", "* filter=x merge=x diff=x\n")];
    site.commit("main", &attributes);
    let mut command = site.command("tree", &[]);
    // Nor does the environment have a say.
    command
        .env("GIT_SSH_COMMAND", &touch)
        .env("GIT_CONFIG_COUNT", "1");
    command
        .env("GIT_CONFIG_KEY_0", "core.fsmonitor")
        .env("GIT_CONFIG_VALUE_0", &touch);
    checkouts::Ran::from_output(&command.output().unwrap()).done();
    assert!(!proof.exists());
    assert!(!git_dir.join("hooks").exists());
}

fn with_submodule(site: &Site, url: &str) {
    let clone = site.path("origin");
    let text = format!("[submodule \"part\"]\n\tpath = part\n\turl = {url}\n");
    std::fs::write(clone.join(".gitmodules"), text).unwrap();
    let commit = git(&site.path("part"), &["rev-parse", "HEAD"]);
    let entry = format!("160000,{commit},part");
    git(&clone, &["update-index", "--add", "--cacheinfo", &entry]);
    git(&clone, &["add", ".gitmodules"]);
    git(&clone, &["commit", "--quiet", "-m", "Refer"]);
    git(
        &clone,
        &["push", "--quiet", "--force", "origin", "HEAD:main"],
    );
}

#[test]
fn submodules_follow_the_commit() {
    let site = Site::new();
    site.repository("part");
    with_submodule(&site, "../part.git");
    site.checkout("tree", &[]).done();
    assert_eq!(site.read("tree/part/file"), "one\n");

    site.commit_in("part", "main", &[("file", "two\n")]);
    with_submodule(
        &site,
        &format!("file://{}", site.path("part.git").display()),
    );
    std::fs::write(site.path("tree/part/left"), "over").unwrap();
    site.checkout("tree", &[]).done();
    assert_eq!(site.read("tree/part/file"), "two\n");
    assert!(!site.path("tree/part/left").exists());
    site.checkout("bare", &["--no-submodules"]).done();
    assert_eq!(
        std::fs::read_dir(site.path("bare/part")).unwrap().count(),
        0
    );

    git(
        &site.path("origin"),
        &["rm", "--quiet", "-f", "part", ".gitmodules"],
    );
    site.commit("main", &[]);
    site.checkout("tree", &[]).done();
    assert!(!site.path("tree/part").exists());
}

/// What a run had that may have private submodules is not there for one that may not.
#[test]
fn private_submodules_stay_for_those_who_may_have_them() {
    let site = Site::new();
    site.repository("part");
    with_submodule(&site, "../part.git");
    let run = |arguments: &[&str]| {
        let credentials = site.path("secrets");
        std::fs::create_dir_all(&credentials).unwrap();
        for file in ["submodule-0-user", "submodule-0-password"] {
            std::fs::write(credentials.join(file), "hunter2").unwrap();
        }
        let folder = credentials.to_str().unwrap();
        site.checkout("tree", &[&["--credentials", folder], arguments].concat())
            .done();
    };
    let trace = site.path("tree/.git/modules/part/trace");
    let may = ["--private-submodule", "https://git.example.org/team/part"];
    run(&may);
    std::fs::write(&trace, "").unwrap();
    run(&may);
    assert!(trace.exists());
    // Nor for one whose commit is not on the branch.
    let other = site.commit("other", &[("file", "two\n")]);
    run(&[&may[..], &["--revision", &other]].concat());
    assert!(!trace.exists());

    run(&[]);
    std::fs::write(&trace, "").unwrap();
    run(&[]);
    assert!(trace.exists(), "nothing was private");
}

#[rstest::rstest]
#[case("ext::sh -c 'touch proof'")]
#[case("-u./proof")]
#[case("https://127.0.0.1:1/nothing")]
fn a_submodule_that_cannot_be_had_is_said(#[case] url: &str) {
    let site = Site::new();
    site.repository("part");
    with_submodule(&site, url);
    let (code, message) = site.checkout("tree", &[]).failed();
    assert_eq!(code, 3, "{message}");
    assert!(
        message.starts_with("cannot check out the submodules: "),
        "{message}"
    );
    assert!(!site.path("tree/proof").exists());
}

/// A git that writes down how it is called.
fn spy(site: &Site) -> String {
    let tools = site.path("tools");
    std::fs::create_dir(&tools).unwrap();
    let path = std::env::var("PATH").unwrap();
    let seen = site.path("seen");
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\n{{ echo \"$@\"; env; }} >> {}\nexec git \"$@\"\n",
        seen.display()
    );
    let git = tools.join("git");
    std::fs::write(&git, script).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{path}", tools.display())
}

#[test]
fn credentials_are_seen_nowhere_and_removed() {
    let site = Site::new();
    let path = spy(&site);
    for (branch, code) in [("main", 0), ("gone", 1)] {
        let credentials = site.path("secrets");
        std::fs::create_dir(&credentials).unwrap();
        let files = ["ssh-key", "ssh-known-hosts", "https-user", "https-password"];
        for file in files {
            std::fs::write(credentials.join(file), "hunter2").unwrap();
        }
        let folder = credentials.to_str().unwrap();
        let mut command = site.command("tree", &["--credentials", folder, "--branch", branch]);
        let output = command.env("PATH", &path).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!credentials.exists());
        let shown = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&shown).contains("hunter2"));
    }
    let seen = site.read("seen");
    assert!(seen.contains("UserKnownHostsFile") && seen.contains("IdentitiesOnly=yes"));
    assert!(!seen.contains("hunter2"), "{seen}");
    for place in ["tree", "home"] {
        let arguments = ["-rlF", "hunter2", "."];
        let found = std::process::Command::new("grep")
            .args(arguments)
            .current_dir(site.path(place))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "{place}");
    }
}
