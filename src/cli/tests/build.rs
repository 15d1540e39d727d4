//! `buildbot-nix build` on a real Nix.

#![cfg(target_os = "linux")]

mod nix;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use buildbot_nix_core::machine_line::BuildResult;
use buildbot_nix_core::results::component;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use nix::{Built, Fresh, agent, build, nix as run_nix, target, wait_until};

/// Lines longer than this are broken by a stock buildbot-worker.
const LINE_MAX: usize = 4096;

#[test]
fn success_and_then_nothing_to_do() {
    let fresh = Fresh::new("success");
    let built = build(&fresh, &[]);
    assert_eq!(
        (built.code(), built.outcome.result),
        (0, BuildResult::Succeeded)
    );
    assert_eq!((built.outcome.built, built.outcome.substituted), (2, 0));
    assert!(
        built.outcome.outputs["out"]
            .as_str()
            .ends_with("-success-2.1")
    );
    assert_eq!(built.outcome.drv_path.as_str(), fresh.drv);
    assert!(built.log.contains("\nbase> base line\n"), "{}", built.log);
    assert!(
        built.log.contains("\nsuccess> on stderr\n"),
        "{}",
        built.log
    );

    let again = build(&fresh, &[]);
    assert_eq!((again.code(), again.outcome.built), (0, 0));
    assert_eq!(again.outcome.outputs, built.outcome.outputs);
    assert!(!again.log.contains("building"), "{}", again.log);
}

#[test]
fn human_format_ends_with_the_paths() {
    let fresh = Fresh::new("base");
    let output = agent(&["build", &fresh.drv]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("`base-1.0` succeeded in "), "{stdout}");
    assert!(
        lines[1].ends_with("-base-1.0") && lines.len() == 2,
        "{stdout}"
    );
}

#[test]
fn a_failure_ends_with_its_last_lines() {
    let fresh = Fresh::new("failure");
    let built = build(&fresh, &[]);
    assert_eq!(
        (built.code(), built.outcome.result),
        (1, BuildResult::Failed)
    );
    assert_eq!(
        built.outcome.failed_drv.as_ref().unwrap().as_str(),
        fresh.drv
    );
    assert_eq!(
        built.message(),
        "the builder of `failure-1` ended with exit status 3"
    );
    let (_, tail) = built.log.rsplit_once("──\n").unwrap();
    let expected: Vec<String> = (16..=40).map(|n| format!("  line {n}\n")).collect();
    assert!(tail.starts_with(&expected.concat()), "{tail}");
}

#[test]
fn a_failed_dependency_is_named() {
    let fresh = Fresh::new("dependency");
    let failing = Fresh::salted("failure", &fresh.salt);
    let built = build(&fresh, &[]);
    assert_eq!(
        (built.code(), built.outcome.result),
        (1, BuildResult::Failed)
    );
    assert_eq!(
        built.outcome.failed_drv.as_ref().unwrap().as_str(),
        failing.drv
    );
    assert_eq!(
        built.message(),
        "the builder of the dependency `failure-1` ended with exit status 3"
    );
    assert!(
        built
            .log
            .contains("── failure failed; the last 25 of 40 lines"),
        "{}",
        built.log
    );
}

#[test]
fn a_missing_derivation_is_nobodys_failure() {
    let fresh = Fresh::new("base");
    run_nix(Command::new("nix-store").args(["--delete", &fresh.drv]));
    let built = build(&fresh, &[]);
    assert_eq!(
        (built.code(), built.outcome.result),
        (3, BuildResult::Transient)
    );
    assert!(
        built.message().contains("restart the evaluation"),
        "{}",
        built.message()
    );
}

#[test]
fn a_machine_without_nix_is_nobodys_failure() {
    let fresh = Fresh::new("base");
    let mut command = agent(&["build", &fresh.drv, "--format", "json"]);
    let built = Built::from_output(&command.env("PATH", "/nowhere").output().unwrap());
    assert_eq!(
        (built.code(), built.outcome.result),
        (3, BuildResult::Transient)
    );
    assert!(
        built.message().starts_with("cannot run `nix`: "),
        "{}",
        built.message()
    );
}

#[test]
fn a_system_that_nobody_builds_is_nobodys_failure() {
    let built = build(&Fresh::new("unknown-system"), &[]);
    assert_eq!(
        (built.code(), built.outcome.result),
        (3, BuildResult::Transient)
    );
    assert_eq!(
        (built.outcome.failed_drv, built.outcome.may_pass),
        (None, false)
    );
}

#[test]
fn outputs_may_have_any_name() {
    let built = build(&Fresh::new("no-out"), &[]);
    assert_eq!(built.code(), 0);
    assert_eq!(built.outcome.outputs.keys().collect::<Vec<_>>(), ["lib"]);
}

#[test]
fn a_floating_output_has_a_path_after_the_build() {
    let fresh = Fresh::new("floating");
    let mut command = agent(&["build", &fresh.drv, "--format", "json"]);
    command.env("NIX_CONFIG", "extra-experimental-features = ca-derivations");
    let built = Built::from_output(&command.output().unwrap());
    assert_eq!(built.code(), 0, "{}", built.log);
    assert!(built.outcome.outputs["out"].as_str().ends_with("-floating"));
}

#[test]
fn all_outputs_are_protected_whatever_the_attribute_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    for attribute in ["x86_64-linux.outputs", "p/../../../pwned\"", "..", &long] {
        for already_there in [false, true] {
            let fresh = Fresh::new("outputs");
            let root = folder
                .path()
                .join("some/project")
                .join(component(attribute));
            if already_there {
                assert_eq!(build(&fresh, &[]).code(), 0);
            }
            let built = build(&fresh, &["--gc-root", root.to_str().unwrap()]);
            assert_eq!(built.code(), 0, "{}", built.log);
            assert_eq!(built.outcome.message, None);
            let protected = printed_roots();
            for (name, path) in &built.outcome.outputs {
                let suffix = if name == "out" {
                    String::new()
                } else {
                    format!("-{name}")
                };
                let link = format!("{}{suffix}", root.display());
                assert_eq!(target(link.as_ref()), path.as_str());
                assert!(
                    protected.contains(&format!("{link} -> {path}\n")),
                    "{link}: {protected}"
                );
            }
        }
    }
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "nothing is made beside the folder `some`");
}

/// What Nix says that it protects; newer versions put quotes around the links.
fn printed_roots() -> String {
    run_nix(Command::new("nix-store").args(["--gc", "--print-roots"])).replace('"', "")
}

#[test]
fn below_nixs_own_folder_no_output_has_the_name_of_another_attribute() {
    let users = std::path::Path::new("/nix/var/nix/gcroots/per-user");
    std::fs::create_dir_all(users).unwrap();
    let folder = tempfile::Builder::new()
        .prefix("tests-")
        .tempdir_in(users)
        .unwrap();
    let root = folder.path().join("o/r").join("a");
    let fresh = Fresh::new("outputs");
    // Once while it is built, once when it is there.
    for _ in 0..2 {
        let built = build(&fresh, &["--gc-root", root.to_str().unwrap()]);
        assert_eq!(
            (built.code(), built.outcome.message),
            (0, None),
            "{}",
            built.log
        );
        let protected = printed_roots();
        for (name, path) in &built.outcome.outputs {
            let suffix = if name == "out" {
                String::new()
            } else {
                format!("^{name}")
            };
            let root = format!("{}{suffix} -> {path}\n", root.display());
            assert!(protected.contains(&root), "{root}: {protected}");
        }
        let links = std::fs::read_dir(root.parent().unwrap()).unwrap().count();
        assert_eq!(links, built.outcome.outputs.len());
    }
}

#[test]
fn a_gc_root_that_cannot_be_made_fails_no_build() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for root in ["file/root", "folder"] {
        let root = folder.path().join(root);
        let fresh = Fresh::new("base");
        // Once while it is built, once when it is there.
        for _ in 0..2 {
            let built = build(&fresh, &["--gc-root", root.to_str().unwrap()]);
            assert_eq!(
                (built.code(), built.outcome.result),
                (0, BuildResult::Succeeded)
            );
            assert_eq!(built.outcome.outputs.len(), 1);
            assert!(
                built
                    .message()
                    .contains(root.parent().unwrap().to_str().unwrap()),
                "{}",
                built.message()
            );
            assert!(
                built.log.contains(folder.path().to_str().unwrap()),
                "{}",
                built.log
            );
        }
    }
}

#[test]
fn a_huge_log_keeps_its_ends() {
    let built = build(&Fresh::new("big"), &["--log-limit", "2"]);
    assert_eq!(built.code(), 0);
    assert!(built.log.len() < (2 << 20) + 1000, "{}", built.log.len());
    assert_eq!(built.log.matches(" MiB left out …\n").count(), 1);
    assert!(built.log.contains("\nbig> the beginning\n") && built.log.contains("\nbig> the end\n"));
}

#[test]
fn a_huge_line_is_shortened() {
    let built = build(&Fresh::new("long-line"), &[]);
    assert_eq!(built.code(), 0);
    let longest = built.log.lines().max_by_key(|line| line.len()).unwrap();
    assert!(
        (1000..LINE_MAX).contains(&longest.len()),
        "{}",
        longest.len()
    );
    assert!(longest.starts_with("long-line> xxx") && longest.contains(" bytes left out … xxx"));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let built = build(&Fresh::new("bytes"), &[]);
    assert_eq!(built.code(), 0);
    assert!(
        built.log.contains("\nbytes> a\u{fffd}\u{fffd}b\u{fffd}\n"),
        "{}",
        built.log
    );
    assert!(built.log.contains("\nbytes> red  wiped\n"), "{}", built.log);
}

#[test]
fn a_signal_has_a_name() {
    let built = build(&Fresh::new("signal"), &[]);
    assert_eq!(built.code(), 3);
    assert!(built.outcome.may_pass);
    assert_eq!(
        built.message(),
        "the builder of `signal` was killed by SIGKILL (out of memory?)"
    );
}

#[test]
fn time_limits_name_their_setting() {
    for (attribute, option, expected) in [
        (
            "chatty",
            "--timeout",
            "took longer than 1 s, the limit; raise `build_timeout`",
        ),
        (
            "silent",
            "--max-silent",
            "printed nothing for 1 s, the limit; raise `build_max_silent_time`",
        ),
    ] {
        let fresh = Fresh::new(attribute);
        let built = build(&fresh, &[option, "1", "--log-limit", "1"]);
        assert_eq!(
            (built.code(), built.outcome.result),
            (1, BuildResult::Failed)
        );
        assert!(built.message().contains(expected), "{}", built.message());
        assert!(built.outcome.exceeded);
        assert_eq!(
            built.outcome.failed_drv.as_ref().unwrap().as_str(),
            fresh.drv
        );
        assert!(built.outcome.seconds < 20.0, "{}", built.outcome.seconds);
        assert_eq!(fresh.processes(), Vec::<String>::new());
    }
}

/// Once only the agent, as an interrupt of a step does; once the whole group, as Ctrl-C does.
#[test]
fn a_stop_leaves_nothing_behind() {
    for (signal, group) in [
        (Signal::TERM, false),
        (Signal::INT, true),
        (Signal::HUP, false),
    ] {
        let fresh = Fresh::new("silent");
        let mut command = agent(&["build", &fresh.drv, "--format", "json", "--timeout", "99"]);
        command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // The agent, Nix and the builder.
        wait_until("the builder runs", || fresh.processes().len() >= 3);
        let pid = Pid::from_child(&child);
        if group {
            kill_process_group(pid, signal).unwrap();
        } else {
            kill_process(pid, signal).unwrap();
        }
        let built = Built::from_output(&child.wait_with_output().unwrap());
        assert_eq!(
            (built.code(), built.outcome.result),
            (4, BuildResult::Cancelled)
        );
        assert!(built.outcome.seconds < 20.0, "{}", built.outcome.seconds);
        assert_eq!(fresh.processes(), Vec::<String>::new());
    }
}

/// Nix that does not heed SIGTERM: here a script that plays it and its builder.
#[test]
fn a_nix_that_does_not_stop_is_killed_with_its_builders() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\ncase $0 in *store) shift 2; echo \"$@\"; exit;; esac\ntrap '' TERM\n\
        sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' &\nwhile :; do wait; done\n";
    for name in ["nix", "nix-store"] {
        let path = folder.path().join(name);
        std::fs::write(&path, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    let fresh = Fresh::new("base");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut command = agent(&["build", &fresh.drv, "--format", "json", "--timeout", "1"]);
    // Marks all processes of the test as the salt of a derivation does.
    command.env("PATH", path).env("NIX_SALT", &fresh.salt);
    let built = Built::from_output(&command.output().unwrap());
    assert_eq!(
        (built.code(), built.outcome.result),
        (1, BuildResult::Failed)
    );
    assert!(
        built.message().contains("`build_timeout`"),
        "{}",
        built.message()
    );
    assert!(
        (11.0..20.0).contains(&built.outcome.seconds),
        "{}",
        built.outcome.seconds
    );
    wait_until("all are gone", || fresh.processes().is_empty());
}
