//! Derivations between their evaluation and their builds, on a real Nix whose store is a folder of
//! the test: only there garbage is collected.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;
mod private_store;

use std::process::Command;

use buildbot_nix_core::machine_line::{Decoder, Line};
use evaluation::{Checkout, Evaluated};
use private_store::{Store, USER, names};
use rstest::rstest;

/// Two jobs that no other flake has.
fn checkout(name: &str) -> Checkout {
    let drv = |name: &str, needs: &str| {
        format!(
            "derivation {{ name = \"{name}\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; {needs} }}"
        )
    };
    Checkout::with_flake(&format!(
        "{{ outputs = {{ self }}: {{ checks.x86_64-linux = rec {{ a = {}; b = {}; }}; }}; }}",
        drv(&format!("{name}-a"), ""),
        drv(&format!("{name}-b"), "inherit a;")
    ))
}

/// Makes the checkout one whose result is remembered.
fn commit(checkout: &Checkout) {
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message=x"],
    ] {
        let mut git = Command::new("git");
        let identity = ["-c", "user.name=A", "-c", "user.email=a@b"];
        git.arg("-C").arg(checkout.path()).args(identity);
        assert!(git.args(arguments).status().unwrap().success());
    }
}

fn is_reused(evaluated: &Evaluated) -> bool {
    let mut lines = evaluated.lines.iter();
    lines.any(|line| matches!(line, Line::Reused { .. }))
}

#[rstest]
#[case::folder_of_a_user(&["--gc-roots-user", USER], true)]
#[case::own_folder(&[], false)]
fn derivations_live_until_their_run_is_released(#[case] place: &[&str], #[case] is_direct: bool) {
    let store = Store::new();
    let evaluated = store.evaluate(&checkout("x"), "m-1", place);
    evaluated.assert_complete();
    assert_eq!(evaluated.warnings(), Vec::<&str>::new());
    let folder = if is_direct {
        store.direct()
    } else {
        store.indirect()
    };
    assert_eq!(names(&folder), ["m-1"]);

    store.collect_garbage();
    assert_eq!(store.left(&evaluated), 2);
    // Another run is another matter.
    store.release("m-2");
    store.release("other-1");
    store.collect_garbage();
    assert_eq!(store.left(&evaluated), 2);

    store.release("m-1");
    assert_eq!(names(&folder), Vec::<String>::new());
    store.collect_garbage();
    assert_eq!(store.left(&evaluated), 0);
    store.release("m-1");
}

#[test]
fn without_a_run_nothing_is_kept() {
    let store = Store::new();
    let checkout = checkout("x");
    let mut command = checkout.command(&[]);
    let evaluated = Evaluated::from_output(store.apply(&mut command).output().unwrap());
    assert_eq!(store.left(&evaluated), 2);
    store.collect_garbage();
    assert_eq!(store.left(&evaluated), 0);
}

#[test]
fn where_nothing_can_be_kept_there_is_one_warning() {
    let store = Store::new();
    for folder in ["nix/var/nix/gcroots/per-user/ci", "home/.local"] {
        std::fs::create_dir_all(store.path(folder).parent().unwrap()).unwrap();
        std::fs::write(store.path(folder), "a file").unwrap();
    }
    let evaluated = store.evaluate(&checkout("x"), "m-1", &["--gc-roots-user", USER]);
    evaluated.assert_complete();
    let warnings = evaluated.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for words in [
        "derivations are not kept from garbage collection: cannot make a folder",
        "per-user/ci/.buildbot-nix-runs/m-1`: ",
        ".local/state/buildbot-nix/runs/m-1`: ",
    ] {
        assert!(warnings[0].contains(words), "{words}: {warnings:?}");
    }
}

#[test]
fn links_that_cannot_be_made_are_one_warning() {
    let store = Store::new();
    let checkout = checkout("x");
    let evaluated = store.evaluate(&checkout, "m-1", &["--gc-roots-user", USER]);
    // Where a link is to be, something is that cannot be replaced.
    let folder = store.direct().join("m-1");
    for link in names(&folder) {
        std::fs::remove_file(folder.join(&link)).unwrap();
        std::fs::create_dir_all(folder.join(link).join("full")).unwrap();
    }
    assert_eq!(store.left(&evaluated), 2);
    let again = store.evaluate(&checkout, "m-1", &["--gc-roots-user", USER]);
    again.assert_complete();
    let warnings = again.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("cannot make links in `"),
        "{warnings:?}"
    );
}

#[test]
fn what_a_crash_left_behind_goes_with_the_next_evaluation() {
    let store = Store::new();
    let evaluate = |run: &str, live: &str| {
        let live = format!("--live-runs={live}");
        let place = ["--gc-roots-user", USER, live.as_str()];
        store.evaluate(&checkout(run), run, &place)
    };
    let lost = evaluate("m-1", "");
    let alive = evaluate("m-2", "1");
    let foreign = evaluate("other-1", "");
    // Begun earlier, arrives later.
    let newest = evaluate("m-9", "1,2");
    assert_eq!(store.left(&lost), 2);
    let next = evaluate("m-3", "2");
    assert_eq!(names(&store.direct()), ["m-2", "m-3", "m-9", "other-1"]);
    store.collect_garbage();
    for (evaluated, left) in [(lost, 0), (alive, 2), (foreign, 2), (newest, 2), (next, 2)] {
        assert_eq!(store.left(&evaluated), left, "{evaluated:#?}");
    }
}

#[test]
fn a_reused_result_is_kept_as_well() {
    let store = Store::new();
    let checkout = checkout("x");
    commit(&checkout);
    let evaluate = |run: &str| store.evaluate(&checkout, run, &["--gc-roots-user", USER]);
    let first = evaluate("m-1");
    assert!(!is_reused(&first));
    let second = evaluate("m-2");
    assert!(is_reused(&second), "{second:#?}");
    // However many derivations there are, one link keeps all of them.
    assert_eq!(manifests(&store, "m-2").len(), 1);
    store.release("m-1");
    store.collect_garbage();
    assert_eq!(store.left(&second), 2);

    store.release("m-2");
    store.collect_garbage();
    assert_eq!(store.left(&first), 0);
    let third = evaluate("m-3");
    assert!(!is_reused(&third), "{third:#?}");
    store.collect_garbage();
    assert_eq!(store.left(&third), 2);
    assert_eq!(third.job_names(), first.job_names());

    // Of two, one is lost: it is not said that all is well.
    assert!(is_reused(&evaluate("m-4")));
    let [manifest] = manifests(&store, "m-4").try_into().unwrap();
    store.release("m-3");
    store.release("m-4");
    let drv = third.job("x86_64-linux\nb").drv_path.as_str();
    let delete = |paths: &[&str]| {
        let mut delete = Command::new("nix-store");
        let deleted = store.apply(delete.arg("--delete").args(paths)).output();
        deleted.unwrap().status.success()
    };
    assert!(!delete(&[drv]), "a derivation goes before its manifest");
    assert!(delete(&[&manifest, drv]));
    let fifth = evaluate("m-5");
    assert!(!is_reused(&fifth));
    assert_eq!(store.left(&fifth), 2);
}

/// Nothing refers to a manifest, so a collection takes it alone where something else keeps the
/// derivations, as results that are kept do.
#[test]
fn a_result_is_reused_after_a_collection_that_left_its_derivations() {
    let store = Store::new();
    let checkout = checkout("x");
    commit(&checkout);
    let evaluate = |run: &str| store.evaluate(&checkout, run, &["--gc-roots-user", USER]);
    let first = evaluate("m-1");
    assert!(is_reused(&evaluate("m-2")));
    let [manifest] = manifests(&store, "m-2").try_into().unwrap();
    store.release("m-2");
    store.collect_garbage();
    assert!(!store.has(&manifest));
    assert_eq!(store.left(&first), 2);

    let third = evaluate("m-3");
    assert!(is_reused(&third), "{third:#?}");
    assert_eq!(third.warnings(), Vec::<&str>::new());
    assert_eq!(manifests(&store, "m-3"), [manifest]);
    store.release("m-1");
    store.collect_garbage();
    assert_eq!(store.left(&third), 2);
}

/// What a run is kept by if its result was reused.
fn manifests(store: &Store, run: &str) -> Vec<String> {
    let folder = store.direct().join(run);
    let links = names(&folder).into_iter().map(|name| folder.join(name));
    let targets = links.map(|link| std::fs::read_link(link).unwrap().display().to_string());
    let manifests: Vec<String> = targets.collect();
    assert!(
        manifests
            .iter()
            .all(|it| it.ends_with("-buildbot-nix-evaluation")),
        "{manifests:?}"
    );
    manifests
}

/// More than Nix is told of at once, in the place where it has to be told.
#[test]
fn many_derivations_are_kept() {
    let store = Store::new();
    let checkout = Checkout::with_flake(
        "{ outputs = { self }: { checks.x86_64-linux = builtins.listToAttrs (builtins.genList (n: {
            name = \"j${toString n}\";
            value = derivation {
                name = \"many-${toString n}\"; system = \"x86_64-linux\"; builder = \"/bin/sh\";
            };
        }) 1100); }; }",
    );
    commit(&checkout);
    let first = store.evaluate(&checkout, "m-1", &[]);
    store.release("m-1");
    let second = store.evaluate(&checkout, "m-2", &[]);
    assert!(is_reused(&second));
    for evaluated in [&first, &second] {
        assert_eq!(evaluated.warnings(), Vec::<&str>::new());
        assert_eq!(evaluated.jobs().count(), 1100);
    }
    store.collect_garbage();
    assert_eq!(store.left(&second), 1100);
}

#[test]
fn a_build_of_what_was_collected_says_so() {
    let store = Store::new();
    let evaluated = store.evaluate(&checkout("gone"), "m-1", &["--gc-roots-user", USER]);
    store.release("m-1");
    store.collect_garbage();
    let drv = evaluated.job("x86_64-linux\na").drv_path.as_str();
    let built = store.agent(&["build", "--format", "json", drv]);
    // Neither success nor the derivation's fault.
    assert_eq!(built.status.code(), Some(3), "{built:?}");
    let lines = Decoder::default().feed(&built.stdout).unwrap();
    let Some(Line::Outcome(outcome)) = lines.last() else {
        panic!("{lines:?}");
    };
    let message = outcome.message.as_deref().unwrap();
    assert!(message.contains("was garbage-collected"), "{message}");
    assert!(message.ends_with("restart the evaluation"), "{message}");
}

#[test]
fn mistakes_are_usage_errors() {
    let store = Store::new();
    for arguments in [
        &["release"][..],
        &["release", "../x-1"],
        &["release", "m"],
        &["eval", "--run", "m"],
        &["eval", "--live-runs", "1"],
        &["eval", "--run", "m-1", "--live-runs", "one"],
        &["eval", "--run", "m-1", "--gc-roots-dir", "/tmp/x"],
    ] {
        let output = store.agent(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
