//! `buildbot-nix eval` when the whole of it cannot work.

mod evaluation;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use evaluation::{Checkout, Evaluated};

#[test]
fn flakes_that_are_wrong() {
    for (flake, expected) in [
        ("{ outputs = _: { checks = { }; }", "syntax error"),
        ("{ outputs = _: throw \"outer\"; }", "error: outer"),
        (
            "{ outputs = _: { checks = { a = 1; b = 2; a = 3; }; }; }",
            "attribute 'a' already defined",
        ),
        ("{ outputs = _: { }; }", "has no attribute `checks`"),
        (
            "{ outputs = _: { checks = throw \"whole\"; }; }",
            "error: whole",
        ),
        (
            "{ outputs = _: { builtins = { }; checks = { }; }; }",
            "it has an output called `builtins`",
        ),
        (
            "{ inputs.x.url = \"path:/no/such/folder\"; outputs = { x, ... }: { }; }",
            "lock",
        ),
    ] {
        Checkout::with_flake(flake)
            .evaluate(&[])
            .assert_fatal(expected);
    }
}

#[test]
fn attributes_that_are_no_sets() {
    for (attribute, expected) in [
        ("package", "`package` of `"),
        ("number", "is of type int, not a set of derivations"),
        ("nothing.like.this", "has no attribute `nothing.like.this`"),
        (
            "checks.x86_64-linux.b",
            "has no attribute `checks.x86_64-linux.b`",
        ),
        ("not plain", "its first part is no plain identifier"),
    ] {
        let checkout = Checkout::of("systems").with_attribute(attribute);
        checkout.evaluate(&[]).assert_fatal(expected);
    }
}

#[test]
fn checkouts_without_a_flake() {
    let checkout = Checkout::empty();
    checkout
        .evaluate(&[])
        .assert_fatal("the repository has no `flake.nix`");
    checkout.write(
        "buildbot-nix.toml",
        "flake_dir = 'nix'\nlock_file = 'x.lock'",
    );
    checkout
        .evaluate(&[])
        .assert_fatal("the repository has no `flake.nix` in `nix`");
    checkout.write("nix/flake.nix", "{ }");
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_fatal("the repository has no lock file `x.lock`");
    assert!(evaluated.fatal().1.unwrap().contains("`lock_file`"));
}

#[test]
fn a_lock_file_of_another_name() {
    let checkout = Checkout::empty();
    // A space in its name would have to be escaped, and this is no test of that.
    let dependency = tempfile::tempdir().unwrap();
    let flake = "{ outputs = _: { name = \"from-input\"; }; }";
    std::fs::write(dependency.path().join("flake.nix"), flake).unwrap();
    checkout.write(
        "flake.nix",
        &format!(
            r#"{{
                inputs.dependency.url = "path:{}";
                outputs = {{ dependency, ... }}: {{
                    checks.x86_64-linux.a = derivation {{
                        inherit (dependency) name;
                        system = "x86_64-linux";
                        builder = "/bin/sh";
                    }};
                }};
            }}"#,
            dependency.path().display()
        ),
    );
    let status = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["flake", "lock", "--output-lock-file", "other.lock"])
        .arg(format!("path:{}", checkout.path().display()).replace(' ', "%20"))
        .current_dir(checkout.path())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());

    // The lock file is not completed in passing, because then two evaluations of the same commit
    // could see different inputs.
    checkout.evaluate(&[]).assert_fatal("lock");
    checkout.write("buildbot-nix.toml", "lock_file = 'other.lock'");
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job("x86_64-linux\na").name, "from-input");
}

#[test]
fn without_nix_it_is_the_machines_fault() {
    let checkout = Checkout::of("systems");
    let empty = tempfile::tempdir().unwrap();
    let output = checkout.command(&[]).env("PATH", empty.path()).output();
    let evaluated = Evaluated::from_output(output.unwrap());
    let (message, hint) = evaluated.fatal();
    assert!(message.starts_with("cannot run `nix`: "), "{message}");
    assert_eq!(hint, Some("install a recent Nix and put it on PATH"));
    assert_eq!(evaluated.code, Some(3));

    let path = std::env::var_os("PATH").unwrap();
    let nix = std::env::split_paths(&path)
        .map(|folder| folder.join("nix"))
        .find(|file| file.exists());
    std::os::unix::fs::symlink(nix.unwrap(), empty.path().join("nix")).unwrap();
    let mut command = checkout.command(&["--engine", "nix-eval-jobs"]);
    let output = command.env("PATH", empty.path()).output();
    let evaluated = Evaluated::from_output(output.unwrap());
    assert_eq!(evaluated.code, Some(3), "{evaluated:#?}");
    let (message, _) = evaluated.fatal();
    assert!(
        message.starts_with("cannot run `nix-eval-jobs`: "),
        "{message}"
    );
}

#[test]
fn a_nix_eval_jobs_that_does_not_run_is_told() {
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("nix-eval-jobs");
    std::fs::write(
        &program,
        "#!/bin/sh\necho 'no such library' >&2\nexit 127\n",
    )
    .unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut paths = vec![bin.path().to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let checkout = Checkout::of("names");
    let mut command = checkout.command(&["--engine", "auto"]);
    command.env("PATH", std::env::join_paths(paths).unwrap());
    let evaluated = Evaluated::from_output(command.output().unwrap());
    assert!(evaluated.jobs().count() > 0, "{evaluated:#?}");
    assert_eq!(
        evaluated.warnings(),
        [
            "nix-eval-jobs does not work here, so Nix itself evaluates: \
          `nix-eval-jobs --version` ended with exit status 127: no such library"
        ]
    );
}
