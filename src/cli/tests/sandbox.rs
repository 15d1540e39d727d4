//! `buildbot-nix eval` in bubblewrap on a real Nix: what a flake and an evaluator cannot reach.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;
mod nix;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use buildbot_nix_core::machine_line::Line;
use tempfile::TempDir;

use evaluation::{Checkout, Evaluated};

const SANDBOX: [&str; 2] = ["--sandbox", "required"];
const SECRET: &str = "hunter2-hunter2";

/// A repository beside the checkout that holds a secret, and its revision, which is known.
fn other_checkout() -> (TempDir, String) {
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("secret"), SECRET).unwrap();
    git(other.path(), &["init", "-q"]);
    git(other.path(), &["add", "."]);
    git(other.path(), &["commit", "-q", "-m", "secret"]);
    let revision = git(other.path(), &["rev-parse", "HEAD"]);
    (other, revision)
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .current_dir(directory);
    nix::nix(&mut command).trim().to_owned()
}

/// A checkout whose flake has these lines below `checks.x86_64-linux`.
fn flake(lines: &str) -> Checkout {
    let checkout = Checkout::empty();
    checkout.write("flake.nix", &flake_text("", lines));
    checkout
}

fn flake_text(top: &str, lines: &str) -> String {
    format!(
        "{{ {top} outputs = _: let mk = name: derivation {{ inherit name; system = \
         \"x86_64-linux\"; builder = \"/bin/sh\"; }}; in {{ checks.x86_64-linux = {{ {lines} }}; }}; }}"
    )
}

/// A folder with a program `nix-eval-jobs` that runs `script`, to be put on PATH.
fn evaluator(script: &str) -> (TempDir, std::ffi::OsString) {
    let bin = tempfile::tempdir().unwrap();
    let text =
        format!("#!/bin/sh\n[ \"$1\" = --version ] && exec echo nix-eval-jobs 2.26\n{script}\n");
    let program = bin.path().join("nix-eval-jobs");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut path = vec![bin.path().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    (bin, std::env::join_paths(path).unwrap())
}

/// All but the first line and what it cost, in a fixed order. Which of two jobs names the edge
/// between them depends on who came first, so edges stand by themselves.
fn results(evaluated: &Evaluated) -> Vec<String> {
    let mut results = Vec::new();
    for line in evaluated.lines.iter().skip(1) {
        let mut line = line.clone();
        if matches!(line, Line::Statistics(_)) {
            continue;
        }
        if let Line::Job(job) = &mut line {
            for needed in std::mem::take(&mut job.needs) {
                results.push(format!("edge {} {needed}", job.drv_path));
            }
            for needing in std::mem::take(&mut job.needed_by) {
                results.push(format!("edge {needing} {}", job.drv_path));
            }
        }
        results.push(format!("{line:?}"));
    }
    results.sort_unstable();
    results.dedup();
    results
}

#[test]
fn results_are_the_same_inside() {
    for flake in ["names", "odd", "systems", "small"] {
        let checkout = Checkout::of(flake);
        let outside = checkout.evaluate(&["--sandbox", "off"]);
        let inside = checkout.evaluate(&SANDBOX);
        outside.assert_complete();
        inside.assert_complete();
        let (outside, inside) = (results(&outside), results(&inside));
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let lacking = these.iter().filter(|line| !those.contains(line));
            lacking.cloned().collect()
        };
        let missing = only(&outside, &inside);
        let added = only(&inside, &outside);
        assert!(
            missing.is_empty() && added.is_empty(),
            "{flake}, inside the sandbox\nmissing: {missing:#?}\nadded: {added:#?}"
        );
    }
}

#[test]
fn a_flake_cannot_read_other_checkouts() {
    let (other, revision) = other_checkout();
    let path = other.path().display();
    let checkout = flake(&format!(
        "git = mk (builtins.readFile ((builtins.fetchGit {{ url = \"file://{path}\"; \
         rev = \"{revision}\"; }}) + \"/secret\"));"
    ));
    // Without a sandbox it can; otherwise this test would show nothing.
    let outside = checkout.evaluate(&["--sandbox", "off"]);
    assert_eq!(outside.jobs().next().unwrap().name, SECRET, "{outside:#?}");
    let caches = tempfile::tempdir().unwrap();
    let mut command = checkout.command(&[&SANDBOX[..], &["--fetch-cache", "o/r"]].concat());
    command.env("XDG_CACHE_HOME", caches.path());
    let inside = Evaluated::from_output(command.output().unwrap());
    // What it fetched would be kept here, for this project alone.
    assert!(caches.path().join("buildbot-nix/fetch/o%2Fr/nix").is_dir());
    assert_eq!(inside.jobs().count(), 0, "{inside:#?}");
    assert!(!format!("{inside:?}").contains(SECRET), "{inside:#?}");
    assert_eq!(inside.failures()[0].0, "git");
}

#[test]
fn a_flake_cannot_read_files_and_the_environment() {
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let file = file.display();
    let checkout = flake(&format!(
        "read = mk (builtins.readFile \"{file}\");
         path = mk (builtins.readFile (builtins.path {{ path = \"{file}\"; name = \"x\"; }}));
         link = mk (builtins.readFile ./link);
         env = mk \"env-${{builtins.getEnv \"TEST_SECRET\"}}-${{builtins.getEnv \"HOME\"}}\";
         import = mk (builtins.readFile (derivation {{ name = \"i\"; system = \"x86_64-linux\"; \
           builder = \"/bin/sh\"; salt = \"{file}\"; \
           args = [ \"-c\" \"read -r x < {file}; echo -n $x > $out\" ]; }}));"
    ));
    symlink(secret.path().join("secret"), checkout.path().join("link")).unwrap();
    let mut command = checkout.command(&SANDBOX);
    let inside = Evaluated::from_output(command.env("TEST_SECRET", SECRET).output().unwrap());
    assert!(!format!("{inside:?}").contains(SECRET), "{inside:#?}");
    let names: Vec<&str> = inside.jobs().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["env--"], "{inside:#?}");
    assert_eq!(inside.failures().len(), 4, "{inside:#?}");
}

#[test]
fn a_flake_that_is_a_link_out_of_the_checkout_is_not_read() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("outside.nix");
    std::fs::write(&file, flake_text("", &format!("a = throw \"{SECRET}\";"))).unwrap();
    let checkout = Checkout::empty();
    symlink(&file, checkout.path().join("flake.nix")).unwrap();
    let inside = checkout.evaluate(&SANDBOX);
    inside.fatal();
    assert!(!format!("{inside:?}").contains(SECRET), "{inside:#?}");
}

#[test]
fn an_evaluator_sees_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("secret"), SECRET).unwrap();
    let script = "
        cd \"${0%/*}\" # where it is itself: nothing but the evaluator
        for name in $(env); do echo \"env $name\"; done >&2
        echo home $HOME $(ls -A \"$HOME\") >&2
        echo processes $(ls /proc | grep -c '^[0-9]') >&2
        echo host $(uname -n) >&2
        for file in \"$TEST_HOME/secret\" /etc/shadow /root /nix/var/nix/db; do
            [ -e \"$file\" ] && echo \"seen $file\" >&2
        done
        for folder in /nix/store /usr /etc/ssl/certs CHECKOUT; do
            touch \"$folder/written\" 2>/dev/null && echo \"written $folder\" >&2
        done
        echo end of script >&2";
    let checkout = flake("a = mk \"a\";");
    let script = script
        .replace("$TEST_HOME", &home.path().display().to_string())
        .replace("CHECKOUT", &format!("'{}'", checkout.path().display()));
    let (_bin, path) = evaluator(&script);
    let mut command = checkout.command(&SANDBOX);
    command
        .args(["--engine", "nix-eval-jobs"])
        .env("PATH", path)
        .env("TEST_SECRET", SECRET)
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path());
    let inside = Evaluated::from_output(command.output().unwrap());
    // Nix itself evaluates what that evaluator has not.
    inside.assert_complete();
    let said: Vec<&str> = inside.log.lines().collect();
    let line = |start: &str| said.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(line("end of script"), 1, "{inside:#?}");
    assert_eq!(line("home /home/evaluator"), 1, "{inside:#?}");
    assert_eq!(line("host evaluator"), 1, "{inside:#?}");
    assert_eq!((line("seen"), line("written")), (0, 0), "{inside:#?}");
    assert!(!inside.log.contains(SECRET), "{inside:#?}");
    // bubblewrap, the script, and what it runs.
    let processes = said.iter().find_map(|line| line.strip_prefix("processes "));
    assert!(
        processes.unwrap().parse::<u32>().unwrap() < 8,
        "{inside:#?}"
    );
    let variables = said.iter().filter_map(|line| line.strip_prefix("env "));
    for variable in variables {
        let name = variable.split('=').next().unwrap();
        assert!(
            !name.starts_with("TEST") && name != "XDG_CACHE_HOME",
            "{name}"
        );
    }
}

#[test]
fn settings_of_the_flake_are_taken_only_if_allowed() {
    let ran = tempfile::tempdir().unwrap();
    let hook = ran.path().join("hook");
    std::fs::write(
        &hook,
        format!("#!/bin/sh\ntouch {}/ran\n", ran.path().display()),
    )
    .unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let checkout = Checkout::empty();
    let config = format!(
        "nixConfig.post-build-hook = \"{0}\"; nixConfig.max-call-depth = 77;",
        hook.display()
    );
    let lines = format!(
        "deep = mk \"deep${{toString (builtins.foldl' (f: _: x: f x) (x: x) (builtins.genList \
         (x: x) 200) 1)}}\"; built = mk (builtins.readFile (derivation {{ name = \"b\"; system = \
         \"x86_64-linux\"; builder = \"/bin/sh\"; salt = \"{}\"; args = [ \"-c\" \"echo said $salt; \
         echo -n b > $out\" ]; }}));",
        ran.path().display()
    );
    checkout.write("flake.nix", &flake_text(&config, &lines));
    let shown = |evaluated: &Evaluated, name: &str| {
        let warnings = evaluated.warnings();
        warnings
            .iter()
            .filter(|warning| warning.contains(name))
            .count()
    };
    for sandbox in ["off", "required"] {
        let options = ["--sandbox", sandbox];
        let ignored = checkout.evaluate(&options);
        assert_eq!(ignored.job_names(), ["built", "deep"], "{ignored:#?}");
        assert_eq!(shown(&ignored, "post-build-hook"), 1, "{ignored:#?}");
        assert_eq!(shown(&ignored, "max-call-depth"), 1, "{ignored:#?}");
        let other = [&options[..], &["--allow-nix-config", "max-call-depth=78"]].concat();
        assert_eq!(shown(&checkout.evaluate(&other), "max-call-depth"), 1);
        let allowed = [&options[..], &["--allow-nix-config", "max-call-depth=77"]].concat();
        let allowed = checkout.evaluate(&allowed);
        assert_eq!(allowed.failures()[0].0, "deep", "{allowed:#?}");
        assert_eq!(shown(&allowed, "max-call-depth"), 0, "{allowed:#?}");
        assert_eq!(shown(&allowed, "post-build-hook"), 1, "{allowed:#?}");
    }
    assert!(!ran.path().join("ran").exists());
}

#[test]
fn builds_of_the_evaluation_are_shown_or_forbidden() {
    let salt = tempfile::tempdir().unwrap();
    let checkout = flake(&format!(
        "a = mk (builtins.readFile (derivation {{ name = \"imported\"; system = \"x86_64-linux\"; \
         builder = \"/bin/sh\"; salt = \"{}\"; args = [ \"-c\" \"echo said by builder; echo -n a > \
         $out\" ]; }}));",
        salt.path().display()
    ));
    let forbidden = checkout.evaluate(&[&SANDBOX[..], &["--no-import-from-derivation"]].concat());
    assert!(forbidden.failure().contains("allow-import-from-derivation"));
    let built = checkout.evaluate(&SANDBOX);
    built.assert_complete();
    assert_eq!(built.job_names(), ["a"]);
    for words in ["building '/nix/store/", "-imported.drv", "said by builder"] {
        assert!(built.log.contains(words), "{words}: {built:#?}");
    }
}

#[test]
fn memory_is_that_of_the_evaluator() {
    let checkout = flake(
        "hog = mk (toString (builtins.length (builtins.foldl' (all: n: all ++ [ n ]) [ ] \
         (builtins.genList (n: n) 60000))));
         good = mk \"good\";",
    );
    let options = ["--max-memory", "150", "--workers", "1"];
    let inside = checkout.evaluate(&[&SANDBOX[..], &options].concat());
    assert!(inside.failure().contains("MiB of memory"), "{inside:#?}");
    assert_eq!(inside.job_names(), ["good"]);
}

#[test]
fn nothing_outlives_the_agent() {
    let checkout = flake(
        "endless = let f = n: f (n + 1); in builtins.deepSeq (builtins.genList (n: builtins.foldl' (a: b: a + b) 0 (builtins.genList (n: n) 1000000)) 100000) (mk \"a\");",
    );
    let temporary = tempfile::tempdir().unwrap();
    let mark = temporary.path().canonicalize().unwrap();
    let mark = mark.display().to_string();
    let mut command = checkout.command(&SANDBOX);
    command.env("TMPDIR", temporary.path());
    let mut agent = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The agent, bubblewrap twice, the evaluator and perhaps a daemon.
    nix::wait_until("the evaluator runs", || nix::processes(&mark).len() >= 3);
    agent.kill().unwrap();
    agent.wait().unwrap();
    nix::wait_until("all have ended", || nix::processes(&mark).is_empty());
}

#[test]
fn without_bubblewrap_it_is_told_or_refused() {
    let bin = tempfile::tempdir().unwrap();
    for program in ["nix", "nix-store", "nix-daemon"] {
        let path = std::env::var_os("PATH").unwrap();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let found = folders.iter().map(|folder| folder.join(program));
        let found = found.into_iter().find(|file| file.exists()).unwrap();
        let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", found.display());
        std::fs::write(bin.path().join(program), text).unwrap();
        let mode = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.path().join(program), mode).unwrap();
    }
    let checkout = flake("a = mk \"a\";");
    let evaluate = |mode: &str| {
        let mut command = checkout.command(&["--sandbox", mode]);
        Evaluated::from_output(command.env("PATH", bin.path()).output().unwrap())
    };
    let told = evaluate("auto");
    told.assert_complete();
    assert_eq!(told.job_names(), ["a"]);
    let expected = "the evaluation ran without a sandbox: there is no `bwrap` on PATH";
    assert_eq!(told.warnings().len(), 1, "{told:#?}");
    assert!(told.warnings()[0].starts_with(expected), "{told:#?}");
    let refused = evaluate("required");
    let (message, hint) = refused.fatal();
    assert_eq!(
        message,
        "cannot evaluate in a sandbox: there is no `bwrap` on PATH"
    );
    assert!(hint.unwrap().contains("install bubblewrap"));
    assert!(
        !refused
            .lines
            .iter()
            .any(|line| matches!(line, Line::Job(_)))
    );
}
