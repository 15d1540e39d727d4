//! `buildbot-nix checkout` on real repositories: what is in the tree afterwards.

mod checkouts;

use std::os::unix::fs::symlink;

use checkouts::{Ran, Site, git};

#[test]
fn a_tree_is_complete_and_clean_again() {
    let site = Site::new();
    let first = site.commit("main", &[("dir/a b", "x"), (".gitignore", "*.tmp\n")]);
    let done = site.checkout("tree", &[]).done();
    assert_eq!((&done.revision, &done.commit), (&first, &first));
    assert_eq!(
        done.tree,
        git(&site.path("tree"), &["rev-parse", "HEAD^{tree}"])
    );
    assert_eq!(site.read("tree/dir/a b"), "x");

    for file in ["dir/a b", "left.tmp", "left"] {
        std::fs::write(site.path("tree").join(file), "changed").unwrap();
    }
    std::fs::write(site.path("tree/.git/index.lock"), "of a killed run").unwrap();
    git(&site.path("tree"), &["init", "--quiet", "nested"]);
    let second = site.commit("main", &[("file", "two\n")]);
    assert_eq!(site.checkout("tree", &[]).done().revision, second);
    assert_eq!(site.read("tree/file"), "two\n");
    assert_eq!(site.read("tree/dir/a b"), "x");
    assert_eq!(
        git(&site.path("tree"), &["status", "--porcelain", "--ignored"]),
        ""
    );
    // History is complete: a flake may count its revisions.
    assert_eq!(
        git(&site.path("tree"), &["rev-list", "--count", "HEAD"]),
        "3"
    );
}

#[test]
fn a_tree_needs_nothing_outside() {
    let site = Site::new();
    site.checkout("tree", &[]).done();
    std::fs::remove_dir_all(site.path("home/.cache")).unwrap();
    std::fs::remove_dir_all(site.path("origin.git")).unwrap();
    git(&site.path("tree"), &["fsck", "--strict", "--full"]);
    let config = site.read("tree/.git/config");
    assert_eq!(config.matches("url = ").count(), 1, "{config}");
    assert!(!site.path("tree/.git/objects/info/alternates").exists());
}

#[test]
fn whether_the_branch_has_it_is_said() {
    let site = Site::new();
    let first = site.git(&["rev-parse", "HEAD"]);
    let other = site.commit("topic", &[("file", "other\n")]);
    let on_branch = |branch: &str, revision: &str| {
        let arguments = ["--branch", branch, "--revision", revision];
        site.checkout("tree", &arguments).done().on_branch
    };
    assert!(site.checkout("tree", &[]).done().on_branch);
    assert!(on_branch("topic", &other));
    assert!(on_branch("topic", &first));
    assert!(on_branch("main", &first));
    // It is there, but somebody only says that it is of `main`.
    assert!(!on_branch("main", &other));
    assert!(!on_branch("gone", &other));
    let merged = [&["--merge-into", "main"][..], &["--revision", &other]].concat();
    assert!(!site.checkout("tree", &merged).done().on_branch);
    // Now it is, which the clone has not seen yet.
    site.git(&["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
    assert!(on_branch("main", &other));
}

#[test]
fn an_older_revision_and_a_reset_branch() {
    let site = Site::new();
    let first = site.git(&["rev-parse", "HEAD"]);
    let lost = site.commit("main", &[("file", "lost\n")]);
    site.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        "HEAD~1:refs/heads/main",
    ]);
    // The server still has it, although no branch does.
    let arguments = ["--revision", &lost[..]];
    assert_eq!(site.checkout("tree", &arguments).done().revision, lost);
    assert_eq!(site.checkout("tree", &[]).done().revision, first);
    assert_eq!(site.read("tree/file"), "one\n");
    let short = site.checkout("tree", &["--revision", &first[..10]]).done();
    assert_eq!(short.revision, first);
}

#[test]
fn what_is_gone_is_said() {
    let site = Site::new();
    let url = site.url();
    let (code, message) = site.checkout("tree", &["--branch", "gone"]).failed();
    assert_eq!(code, 1);
    assert_eq!(message, format!("there is no branch `gone` in `{url}`"));
    let nothing = "0123456789012345678901234567890123456789";
    let tip = site.git(&["rev-parse", "HEAD"]);
    let (code, message) = site.checkout("tree", &["--revision", nothing]).failed();
    assert_eq!(code, 1);
    assert_eq!(
        message,
        format!("commit `{nothing}` is no longer in `{url}`: branch `main` is now at `{tip}`")
    );
    std::fs::remove_dir_all(site.path("origin.git")).unwrap();
    let (code, message) = site.checkout("tree", &[]).failed();
    assert_eq!(code, 3);
    assert!(
        message.starts_with(&format!("cannot fetch from `{url}`: ")),
        "{message}"
    );
    // What is there needs no server.
    site.checkout("tree", &["--revision", &tip]).done();
}

#[test]
fn branches_may_replace_each_others_folders() {
    let site = Site::new();
    site.commit("a", &[]);
    site.checkout("tree", &["--branch", "a"]).done();
    site.git(&["push", "--quiet", "origin", ":refs/heads/a"]);
    let nested = site.commit("a/b", &[]);
    let done = site.checkout("tree", &["--branch", "a/b"]).done();
    assert_eq!(done.revision, nested);
}

fn pull_request(site: &Site, files: &[(&str, &str)]) -> String {
    site.git(&["checkout", "--quiet", "-B", "topic"]);
    let head = site.commit("topic", files);
    site.git(&["checkout", "--quiet", "main"]);
    head
}

#[test]
fn a_pull_request_is_merged_into_what_the_base_is_now() {
    let site = Site::new();
    let head = pull_request(&site, &[("topic", "t")]);
    let arguments = [
        "--branch",
        "topic",
        "--revision",
        &head,
        "--merge-into",
        "main",
    ];
    let ahead = site.checkout("tree", &arguments).done();
    assert_eq!(ahead.commit, head, "there is nothing to merge");

    let base = site.commit("main", &[("base", "b")]);
    let merged = site.checkout("tree", &arguments).done();
    assert_eq!(merged.revision, head);
    assert_eq!(merged.base.as_deref(), Some(base.as_str()));
    assert_eq!(merged.base_branch.as_deref(), Some("main"));
    assert_eq!(
        (site.read("tree/topic"), site.read("tree/base")),
        ("t".into(), "b".into())
    );
    let tree = site.path("tree");
    let show = git(
        &tree,
        &["show", "--no-patch", "--format=%an <%ae> %cn <%ce>%n%P%n%s"],
    );
    assert_eq!(
        show,
        format!(
            "buildbot <buildbot@example.com> buildbot <buildbot@example.com>\n\
             {head} {base}\nMerge {base} into {head}"
        )
    );
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    // The same merge is the same commit, also elsewhere.
    let again = site.checkout("other", &arguments).done();
    assert_eq!((again.commit, again.tree), (merged.commit, merged.tree));
}

#[test]
fn a_conflict_names_the_files() {
    let site = Site::new();
    let head = pull_request(&site, &[("file", "topic\n"), ("ü \n", "t")]);
    let base = site.commit("main", &[("file", "main\n"), ("ü \n", "m")]);
    let arguments = [
        "--branch",
        "topic",
        "--revision",
        &head,
        "--merge-into",
        "main",
    ];
    let (code, message) = site.checkout("tree", &arguments).failed();
    assert_eq!(code, 1);
    assert_eq!(
        message,
        format!(
            "merge conflict: `{}` cannot be merged into `main` (now `{}`) because of `file`, `ü \\n`",
            &head[..12],
            &base[..12]
        )
    );
    assert_eq!(site.checkout("tree", &[]).done().revision, base);
    let (_, message) = site.checkout("tree", &["--merge-into", "gone"]).failed();
    assert!(
        message.starts_with("there is no branch `gone` in "),
        "{message}"
    );
}

#[test]
fn slots_share_one_clone() {
    let site = Site::new();
    let head = pull_request(&site, &[("topic", "t")]);
    site.commit("main", &[("base", "b")]);
    let arguments = [
        "--branch",
        "topic",
        "--revision",
        &head,
        "--merge-into",
        "main",
    ];
    let started: Vec<_> = (0..4)
        .map(|slot| {
            let mut command = site.command(&format!("slot-{slot}"), &arguments);
            command.spawn().unwrap()
        })
        .collect();
    let mut trees: Vec<String> = started
        .into_iter()
        .map(|child| Ran::of(child).done().tree)
        .collect();
    trees.dedup();
    assert_eq!(trees.len(), 1);
    let packs = |folder: std::path::PathBuf| {
        let names = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let shared = packs(site.clone_dir().join("objects/pack"));
    assert_eq!(packs(site.path("slot-3/.git/objects/pack")), shared);
}

#[test]
fn symbolic_links_are_files() {
    let site = Site::new();
    symlink("/etc/passwd", site.path("origin/link")).unwrap();
    symlink("../../outside", site.path("origin/dir")).unwrap();
    site.commit_all("origin", "main");
    site.checkout("tree", &[]).done();
    assert!(site.path("tree/link").is_symlink());
    // What replaces a link is not written through it.
    std::fs::create_dir(site.path("outside")).unwrap();
    std::fs::remove_file(site.path("origin/dir")).unwrap();
    site.commit("main", &[("dir/file", "x")]);
    site.checkout("tree", &[]).done();
    assert_eq!(site.read("tree/dir/file"), "x");
    assert_eq!(std::fs::read_dir(site.path("outside")).unwrap().count(), 0);
}
