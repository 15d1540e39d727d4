//! Evaluations that are not done twice, on a real Nix.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::path::Path;
use std::process::Command;

use buildbot_nix_core::machine_line::Line;
use evaluation::{Checkout, Evaluated};
use tempfile::TempDir;

const UNAWARE: &str = "{ outputs = { self }: { checks.x86_64-linux = @checks@; }; }";
const AWARE: &str = "{ outputs = { self }: { checks.x86_64-linux.a = derivation {
    name = \"a-${self.rev}\"; system = \"x86_64-linux\"; builder = \"/bin/sh\";
}; }; }";

/// A repository with a memory of its own.
struct Repository {
    checkout: Checkout,
    cache: TempDir,
}

impl Repository {
    fn new(flake: &str) -> Self {
        let repository = Self {
            checkout: Checkout::empty(),
            cache: tempfile::tempdir().unwrap(),
        };
        repository.checkout.write("flake.nix", flake);
        repository.git(&["init", "--quiet"]);
        repository.commit();
        repository
    }

    fn with_checks(checks: &str) -> Self {
        Self::new(&UNAWARE.replace("@checks@", checks))
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .arg("-C")
            .arg(self.checkout.path())
            .args([
                "-c",
                "user.name=Alice",
                "-c",
                "user.email=alice@example.org",
            ])
            .args(arguments)
            .status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    /// A commit with the files as they are, even if that changes nothing.
    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
    }

    fn command(&self, label: &str, arguments: &[&str]) -> Command {
        let cache = self.cache.path().to_str().unwrap();
        let mut all = vec!["--cache-dir", cache, "--label", label];
        all.extend(arguments);
        self.checkout.command(&all)
    }

    fn evaluate(&self, label: &str, arguments: &[&str]) -> Evaluated {
        Evaluated::from_output(self.command(label, arguments).output().unwrap())
    }

    fn remembered(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.cache.path()).unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

/// What the evaluation was taken over from.
fn reused(evaluated: &Evaluated) -> Option<String> {
    evaluated.lines.iter().find_map(|line| match line {
        Line::Reused { from } => from.clone(),
        _ => None,
    })
}

/// All but how it came about.
fn findings(evaluated: &Evaluated) -> Vec<String> {
    let lines = evaluated.lines.iter();
    let mut findings: Vec<String> = lines
        .filter(|line| !matches!(line, Line::Reused { .. } | Line::Statistics(_)))
        .map(|line| format!("{line:?}"))
        .collect();
    findings.sort_unstable();
    findings
}

fn derivation(name: &str, more: &str) -> String {
    // A name that no store has seen, so that nothing is there yet.
    let salt = format!("{}-{:?}", std::process::id(), std::time::SystemTime::now());
    format!(
        "derivation {{ name = \"{name}\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; \
         salt = ''{salt}''; {more} }}"
    )
}

#[test]
fn the_same_tree_is_not_evaluated_again() {
    let a = derivation("a", "");
    let b = derivation("b", "inherit (checks) a;");
    let repository = Repository::with_checks(&format!(
        "let checks = {{ a = {a}; b = {b}; bad = throw \"no\"; worse = 1 + \"\"; \
         warned = builtins.warn \"old\" {a}; again = builtins.warn \"old\" {a}; }}; in checks"
    ));
    let first = repository.evaluate("first", &[]);
    assert_eq!(reused(&first), None);
    assert_eq!(
        (first.jobs().count(), first.failures().len()),
        (4, 2),
        "{first:#?}"
    );
    repository.commit();
    let second = repository.evaluate("second", &[]);
    assert_eq!(reused(&second).as_deref(), Some("first"), "{second:#?}");
    assert_eq!(findings(&second), findings(&first));
    assert_eq!(second.code, first.code);

    // On request, and for whom it is not meant.
    assert_eq!(reused(&repository.evaluate("third", &["--no-reuse"])), None);
    let fourth = repository.evaluate("fourth", &[]);
    assert_eq!(reused(&fourth).as_deref(), Some("third"));
    assert_eq!(
        reused(&repository.evaluate("other", &["--scope", "x"])),
        None
    );
    assert_eq!(
        reused(&repository.evaluate("trace", &["--show-trace"])),
        None
    );
    let attribute = repository.evaluate("all", &["--systems", "all"]);
    assert_eq!(reused(&attribute), None);
}

/// A pull request and the branch that it became have the same files, and so the same result.
#[test]
fn results_are_shared_whatever_may_be_fetched() {
    let repository = Repository::with_checks(&format!("{{ a = {}; }}", derivation("a", "")));
    let caches = tempfile::tempdir().unwrap();
    let evaluate = |label: &str, more: &[&str]| {
        let arguments = ["--sandbox", "required", "--fetch-cache", label];
        let mut command = repository.command(label, &[&arguments[..], more].concat());
        command.env("XDG_CACHE_HOME", caches.path());
        Evaluated::from_output(command.output().unwrap())
    };
    let request = evaluate("untrusted", &[]);
    assert_eq!(reused(&request), None);
    request.assert_complete();
    let credentials = caches.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let folder = credentials.to_str().unwrap();
    let branch = evaluate("trusted", &["--credentials", folder]);
    assert_eq!(reused(&branch).as_deref(), Some("untrusted"), "{branch:#?}");
}

#[test]
fn a_sandbox_changes_nothing_but_is_not_mixed_with_none() {
    let repository = Repository::with_checks(&format!("{{ a = {}; }}", derivation("a", "")));
    let evaluate = |label: &str, sandbox: &str| {
        let evaluated = repository.evaluate(label, &["--sandbox", sandbox]);
        evaluated.assert_complete();
        reused(&evaluated)
    };
    assert_eq!(evaluate("first", "required"), None);
    assert_eq!(evaluate("second", "required").as_deref(), Some("first"));
    assert_eq!(evaluate("outside", "off"), None);
    assert_eq!(evaluate("third", "required").as_deref(), Some("first"));
}

#[test]
fn changes_are_evaluated() {
    let repository = Repository::with_checks(&format!("{{ a = {}; }}", derivation("a", "")));
    repository.evaluate("first", &[]);
    repository.checkout.write("new", "");
    repository.commit();
    assert_eq!(reused(&repository.evaluate("second", &[])), None);
    // What is not committed has no hash.
    let flake = UNAWARE.replace("@checks@", &format!("{{ b = {}; }}", derivation("b", "")));
    repository.checkout.write("flake.nix", &flake);
    for label in ["third", "fourth"] {
        let changed = repository.evaluate(label, &[]);
        assert_eq!(reused(&changed), None);
        assert_eq!(changed.job_names(), ["b"]);
    }
}

#[test]
fn a_flake_that_sees_its_commit_is_evaluated_for_each() {
    let repository = Repository::new(AWARE);
    let first = repository.evaluate("first", &[]);
    assert_eq!(
        reused(&repository.evaluate("same", &[])).as_deref(),
        Some("first")
    );
    repository.commit();
    let second = repository.evaluate("second", &[]);
    assert_eq!(reused(&second), None);
    let drv = |evaluated: &Evaluated| evaluated.job("x86_64-linux\na").drv_path.clone();
    assert_ne!(drv(&first), drv(&second));
}

#[test]
fn what_may_pass_is_not_remembered() {
    let builder = derivation("broken", "args = [ \"-c\" \"exit 1\" ];");
    let imported = Repository::with_checks(&format!("{{ a = import ({builder}); }}"));
    let missing = format!(
        "{{ a = builtins.fetchurl {{ url = \"file:///nowhere\"; sha256 = \"{}\"; }}; }}",
        "0".repeat(52)
    );
    let fetched = Repository::with_checks(&missing);
    for repository in [imported, fetched] {
        for label in ["first", "second"] {
            let evaluated = repository.evaluate(label, &[]);
            assert_eq!(evaluated.failures().len(), 1, "{evaluated:#?}");
            assert_eq!(reused(&evaluated), None);
        }
        assert_eq!(repository.remembered(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn what_is_lost_is_found_out_again() {
    let repository = Repository::with_checks(&format!("{{ a = {}; }}", derivation("a", "")));
    let first = repository.evaluate("first", &[]);
    let drv = first.job("x86_64-linux\na").drv_path.to_string();
    // Nothing knows of the derivation but what keeps those of the evaluation together.
    let referrers = Command::new("nix-store")
        .args(["--query", "--referrers", &drv])
        .output();
    let referrers = String::from_utf8(referrers.unwrap().stdout).unwrap();
    assert_eq!(referrers.lines().count(), 1, "{referrers}");
    let delete = |paths: &[&str]| {
        let deleted = Command::new("nix-store")
            .arg("--delete")
            .args(paths)
            .output();
        deleted.unwrap().status.success()
    };
    assert!(!delete(&[&drv]));
    assert!(delete(&[&drv, referrers.trim()]));
    assert_eq!(reused(&repository.evaluate("second", &[])), None);
    assert!(Path::new(&drv).exists());

    let file = repository.remembered().remove(0);
    std::fs::write(&file, "nonsense").unwrap();
    let third = repository.evaluate("third", &[]);
    assert_eq!(reused(&third), None);
    assert!(third.log.contains("was damaged"), "{third:#?}");
    assert_eq!(
        reused(&repository.evaluate("fourth", &[])).as_deref(),
        Some("third")
    );
}

#[test]
fn inputs_that_are_not_locked_are_refused() {
    let repository = Repository::new(
        "{ inputs.x = { url = \"path:./x\"; flake = false; }; outputs = { self, x }: { checks = { }; }; }",
    );
    repository.checkout.write("x/file", "");
    repository.commit();
    for label in ["first", "second"] {
        let evaluated = repository.evaluate(label, &[]);
        assert!(
            matches!(evaluated.lines.last(), Some(Line::Fatal { .. })),
            "{evaluated:#?}"
        );
    }
    assert_eq!(repository.remembered(), Vec::<std::path::PathBuf>::new());
}
