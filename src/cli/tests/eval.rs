//! `buildbot-nix eval` on a real Nix: every attribute ends in a result.

mod evaluation;

use std::collections::BTreeSet;
use std::process::Command;

use buildbot_nix_core::machine_line::{CacheStatus, Line};
use buildbot_nix_core::nix::AttrPath;

use evaluation::{Checkout, Evaluated};

#[test]
fn odd_attributes() {
    let evaluated = Checkout::of("odd").evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(
        evaluated.job_names(),
        [
            "base",
            "needs-base",
            "nested.deep.deeper",
            "no-out",
            "outputs",
            "same-as-base"
        ]
    );
    assert_eq!(evaluated.skipped(), [("aarch64-linux", Some(1))]);
    // What Nix says differs between its versions, what the flake and we say does not.
    let expected = [
        ("aborter", "stop"),
        ("assertion", "error: "),
        ("broken-inside", "error: inside"),
        ("broken-type", "error: type"),
        ("endless", "error: "),
        (
            "fake",
            "`x86_64-linux.fake` is no derivation that can be built: `/etc/passwd` is no store path",
        ),
        (
            "function",
            "`x86_64-linux.function` is a function, not a derivation",
        ),
        ("half", "'system'"),
        ("impure", "/etc"),
        ("infinite", "error: infinite recursion"),
        ("list", "`x86_64-linux.list` is a list, not a derivation"),
        ("missing", "'nothing'"),
        ("nested.broken", "error: nested"),
        (
            "nothing",
            "`x86_64-linux.nothing` is null, not a derivation",
        ),
        (
            "number",
            "`x86_64-linux.number` is an integer, not a derivation",
        ),
        ("numbered", "`name`, `system` or `drvPath` is no string"),
        ("text", "`x86_64-linux.text` is a string, not a derivation"),
        ("thrower", "error: boom"),
        (
            "truth",
            "`x86_64-linux.truth` is a Boolean, not a derivation",
        ),
        ("type-error", "error: cannot add a string to an integer"),
    ];
    let failures = evaluated.failures();
    let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected.map(|(name, _)| name));
    for ((_, error), (name, part)) in failures.iter().zip(expected) {
        assert!(error.contains(part), "{name}: {error}");
        assert!(!error.contains("«string»"), "{name}: {error}");
    }
}

#[test]
fn outputs_and_edges() {
    let evaluated = Checkout::of("odd").evaluate(&[]);
    let outputs = |name: &str| -> Vec<String> {
        let job = evaluated.job(&format!("x86_64-linux\n{name}"));
        assert!(job.outputs.values().all(Option::is_some));
        job.outputs.keys().cloned().collect()
    };
    assert_eq!(outputs("outputs"), ["dev", "man", "out"]);
    assert_eq!(outputs("no-out"), ["bin", "lib"]);

    let base = evaluated.job("x86_64-linux\nbase");
    let same = evaluated.job("x86_64-linux\nsame-as-base");
    let user = evaluated.job("x86_64-linux\nneeds-base");
    assert_eq!(base.drv_path, same.drv_path);
    assert_eq!(user.needs, std::slice::from_ref(&base.drv_path));
    assert!(base.needs.is_empty() && same.needs.is_empty());
    assert_eq!(base.cache_status, CacheStatus::NotBuilt);
}

#[test]
fn any_name_will_do() {
    let evaluated = Checkout::of("names").evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count(), 22);
    for (number, name) in [
        (0, "plain"),
        (1, "a.b"),
        (3, "quo\"te"),
        (5, "sla/sh"),
        (7, "../../etc"),
        (9, "back\\slash"),
        (10, "${interpolated}"),
        (11, "new\nline"),
        (13, "escape\u{1b}[31m"),
        (14, "delete\u{7f}\u{9b}"),
        (15, "ünïcödé 😀"),
        (16, "<script>alert(1)</script>"),
        (17, ""),
        (19, "name item 0 {}"),
        (20, &"long".repeat(75)),
        (21, "set ü\ninn\"er"),
    ] {
        let job = evaluated.job(&format!("x86_64-linux\n{name}"));
        assert_eq!(job.name, format!("n{number}"));
    }
    let failures = evaluated.failures();
    let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bro\"ken $", "set ü.bad\n"]);
    assert!(failures[0].1.ends_with("error: broken"), "{failures:#?}");
    assert!(failures[1].1.ends_with("error: inner"), "{failures:#?}");
    // Errors are explained by their plain names, so no trace of the requests is in them.
    assert!(!failures[0].1.contains("«string»"), "{failures:#?}");
}

#[test]
fn names_do_not_steer_a_terminal() {
    let checkout = Checkout::with_flake(
        r#"{ outputs = _: { checks.x86_64-linux.${builtins.fromJSON "\"a\\u001b[31mb\\u0007\""} = 5; }; }"#,
    );
    let evaluated = checkout.evaluate(&[]);
    assert_eq!(
        evaluated.failure(),
        "`x86_64-linux.ab` is an integer, not a derivation"
    );
    let controls = |c: char| c.is_control() && c != '\n';
    assert!(!evaluated.log.contains(controls), "{evaluated:#?}");
}

#[test]
fn traces_on_request() {
    let checkout = Checkout::of("odd");
    let lengths = |evaluated: &Evaluated| -> usize {
        let failures = evaluated.failures();
        failures.iter().map(|(_, error)| error.len()).sum()
    };
    let short = checkout.evaluate(&[]);
    let long = checkout.evaluate(&["--show-trace"]);
    assert!(lengths(&long) > lengths(&short));
    assert!(
        long.failures()
            .iter()
            .all(|(_, error)| !error.contains("b'"))
    );
}

#[test]
fn systems_that_are_not_wanted_are_counted() {
    let checkout = Checkout::of("systems");
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a"]);
    assert_eq!(
        evaluated.skipped(),
        [("aarch64-linux", Some(2)), ("x86_64-darwin", None)]
    );

    let evaluated = checkout.evaluate(&["--systems", "x86_64-linux,aarch64-linux"]);
    assert_eq!(evaluated.jobs().count(), 2);
    assert_eq!(evaluated.failures().len(), 1);

    let evaluated = checkout.evaluate(&["--systems", "all"]);
    assert_eq!(evaluated.skipped(), []);
    // The set of the third system is itself an error.
    assert_eq!(evaluated.failures().len(), 2);
}

#[test]
fn where_there_are_no_systems_derivations_decide() {
    let checkout = Checkout::of("systems").with_attribute("hydraJobs");
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    let names: Vec<String> = evaluated.jobs().map(|job| job.attr.clone()).collect();
    assert_eq!(names, ["build-static", "tests.b"]);
    assert_eq!(evaluated.skipped(), [("aarch64-linux", Some(1))]);
    let is_listed = |line: &Line| {
        let path = AttrPath::new(["tests", "a"]);
        matches!(line, Line::Skipped(skipped) if skipped.attr_paths == [path])
    };
    assert!(evaluated.lines.iter().any(is_listed), "{evaluated:#?}");
}

#[test]
fn nothing_to_build_is_said() {
    let evaluated = Checkout::of("systems").with_attribute("none").evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(
        evaluated.warnings(),
        ["there is nothing to build for the systems asked for; the flake has `aarch64-linux`"]
    );
    let evaluated = Checkout::of("systems")
        .with_attribute("empty")
        .evaluate(&[]);
    assert_eq!(
        evaluated.warnings(),
        ["there is nothing to build: the attribute is empty"]
    );
}

#[test]
fn what_the_flake_prints() {
    let evaluated = Checkout::of("talk").evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count(), 4);
    assert_eq!(
        evaluated
            .warnings()
            .iter()
            .filter(|it| **it == "careful")
            .count(),
        1
    );
    let repeated = Line::Repeated {
        message: "careful".to_owned(),
        count: 2,
    };
    let counted = evaluated
        .lines
        .iter()
        .filter(|line| matches!(line, Line::Repeated { .. }));
    assert_eq!(counted.collect::<Vec<_>>(), [&repeated]);
    let untrusted = evaluated
        .warnings()
        .iter()
        .filter(|it| it.contains("extra-substituters"))
        .count();
    assert_eq!(
        untrusted, 1,
        "settings of the flake are refused visibly: {evaluated:#?}"
    );
    for text in ["trace: hello\ntrace", "trace: before", "item 0 {}"] {
        assert!(evaluated.log.contains(text), "{text}: {}", evaluated.log);
    }
    assert!(!evaluated.log.contains('\u{1b}'), "{}", evaluated.log);
    assert!(!evaluated.log.contains("nix-repl"), "{}", evaluated.log);
    assert!(evaluated.failure().ends_with("error: boom"));
}

#[test]
fn a_flood_of_text_is_cut() {
    let evaluated = Checkout::of("talk").with_attribute("flood").evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count(), 1);
    assert!(evaluated.log.len() < 10 << 20, "{}", evaluated.log.len());
    let positions = [
        "\ntrace: 2 ",
        "more than 6 MiB of output",
        "MiB left out",
        "\ntrace: 2999 ",
    ]
    .map(|text| {
        evaluated
            .log
            .find(text)
            .unwrap_or_else(|| panic!("{text:?}"))
    });
    assert!(positions.is_sorted(), "{positions:?}");
}

#[test]
fn the_number_of_warnings_is_bounded() {
    let evaluated = Checkout::of("talk")
        .with_attribute("warnings")
        .evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count(), 150);
    let warnings = evaluated.warnings();
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[100], "51 more warnings are left out");
}

#[test]
fn what_is_slow_is_named() {
    let checkout = Checkout::with_flake(
        "{ outputs = _: let mk = name: derivation { inherit name; system = \"x86_64-linux\"; builder = \"/bin/sh\"; };
            count = n: builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) n); in {
          checks.x86_64-linux.quick = mk \"quick\";
          checks.x86_64-linux.\"slow.er\" = builtins.seq (count 3000000) (mk \"slower\");
          checks.x86_64-linux.wrong = builtins.seq (count 1500000) (throw \"boom\");
        }; }",
    );
    let evaluated = checkout.evaluate(&["--workers", "1"]);
    evaluated.assert_complete();
    let [.., Line::Statistics(statistics), Line::Done { .. }] = &evaluated.lines[..] else {
        panic!("{evaluated:#?}");
    };
    let slowest: Vec<&str> = statistics
        .slowest
        .iter()
        .map(|slow| slow.attr.as_str())
        .collect();
    assert_eq!(
        slowest[..2],
        ["x86_64-linux.\"slow.er\"", "x86_64-linux.wrong"],
        "{statistics:?}"
    );
    assert!(statistics.slowest[0].seconds < statistics.seconds);
    assert_eq!(statistics.evaluators, 1);
    assert!(
        statistics
            .memory
            .is_some_and(|memory| (20..4096).contains(&memory)),
        "{statistics:?}"
    );
    assert!(
        evaluated.log.contains(" by 1 evaluator, with up to "),
        "{}",
        evaluated.log
    );
}

#[test]
fn several_workers_find_the_same() {
    let checkout = Checkout::of("odd");
    let lines = |workers: &str| -> BTreeSet<String> {
        let evaluated = checkout.evaluate(&["--workers", workers]);
        evaluated.assert_complete();
        let results = evaluated
            .jobs()
            .map(|job| format!("{}{}", job.attr, job.drv_path));
        results
            .chain(
                evaluated
                    .failures()
                    .into_iter()
                    .map(|(path, error)| path + error),
            )
            .collect()
    };
    assert_eq!(lines("1"), lines("3"));
}

#[test]
fn the_repository_chooses_folder_and_attribute() {
    let checkout = Checkout::empty();
    let flake = std::fs::read_to_string(evaluation::tests().join("flakes/hard/flake.nix")).unwrap();
    checkout.write("nix/c i/flake.nix", &flake);
    checkout.write(
        "buildbot-nix.toml",
        "flake_dir = 'nix/c i'\nattribute = 'ci.\"a.b\"'\nlock_file = '../x'\n",
    );
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a"]);
    let Some(Line::Start(start)) = evaluated.lines.first() else {
        panic!("{evaluated:#?}");
    };
    assert_eq!(start.attribute, "ci.\"a.b\"");
    assert_eq!(start.flake_dir, "nix/c i");
    assert_eq!(
        evaluated.warnings(),
        [
            "`lock_file` in `buildbot-nix.toml` is not used: `../x` contains `..`; using `flake.lock`"
        ]
    );
}

#[test]
fn a_git_checkout_is_what_is_committed() {
    let checkout = Checkout::of("systems");
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "flake.nix"],
        &[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.org",
            "commit",
            "--quiet",
            "-m",
            "x",
        ],
    ] {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(checkout.path())
            .status();
        assert!(status.unwrap().success(), "git {arguments:?}");
    }
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a"]);
    assert_eq!(evaluated.warnings(), Vec::<&str>::new());
    // A file that git does not know is no part of the flake, whatever the folder is called.
    checkout.write("more.nix", "{ }");
    let flake = std::fs::read_to_string(checkout.path().join("flake.nix")).unwrap();
    checkout.write(
        "flake.nix",
        &flake.replace("number = 5", "number = import ./more.nix"),
    );
    let evaluated = checkout.with_attribute("number").evaluate(&[]);
    assert_eq!(evaluated.code, Some(1), "{evaluated:#?}");
    assert!(evaluated.fatal().0.contains("more.nix"), "{evaluated:#?}");
}

#[test]
fn errors_tell_where_in_the_repository_they_are() {
    let evaluated = Checkout::of("small").evaluate(&[]);
    let positions = evaluated.lines.iter().filter_map(|line| match line {
        Line::Failed(failed) => {
            let at = failed.position.as_ref()?;
            Some(format!(
                "{} {}:{}:{}",
                failed.attr, at.file, at.line, at.column
            ))
        }
        _ => None,
    });
    let mut positions: Vec<String> = positions.collect();
    positions.sort_unstable();
    assert_eq!(
        positions,
        [
            "x86_64-linux.thrower flake.nix:11:17",
            "x86_64-linux.typeerr flake.nix:12:21",
        ]
    );
}
