//! `buildbot-nix eval` where nothing was ever built: the store is made by the evaluation itself.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::path::Path;

use rstest::rstest;

use evaluation::{Checkout, Evaluated};

/// Evaluates with a store below `store`, of which nothing is there yet.
fn evaluate_in(store: &Path, sandbox: &str) -> Evaluated {
    let checkout = Checkout::with_flake(
        "{ outputs = _: { checks.x86_64-linux.a = derivation { name = \"a\"; \
         system = \"x86_64-linux\"; builder = \"/bin/sh\"; }; }; }",
    );
    // The limit is for a daemon that turns to itself, with one more process each time.
    let mut command = checkout.command(&["--sandbox", sandbox, "--timeout", "60"]);
    for name in ["STORE", "STATE", "LOG"] {
        let folder = store.join(name.to_lowercase());
        command.env(format!("NIX_{name}_DIR"), folder);
    }
    command
        .env_remove("NIX_REMOTE")
        .env_remove("NIX_DAEMON_SOCKET_PATH");
    Evaluated::from_output(command.output().unwrap())
}

#[rstest]
fn a_store_that_is_not_there_yet_is_made(#[values("off", "required")] sandbox: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("nix");
    let evaluated = evaluate_in(&store, sandbox);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a"]);
    let drv = &evaluated.jobs().next().unwrap().drv_path;
    assert!(drv.as_str().starts_with(store.to_str().unwrap()), "{drv}");
    assert!(Path::new(drv.as_str()).exists(), "{drv}");
}

/// Without this, a daemon of ours that cannot have the store would be asked without end.
#[test]
fn a_store_that_cannot_be_made_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let evaluated = evaluate_in(file.path(), "required");
    let (message, hint) = evaluated.fatal();
    assert!(
        message.starts_with("cannot evaluate in a sandbox: cannot open the store"),
        "{evaluated:#?}"
    );
    assert!(
        hint.unwrap()
            .starts_with("let the worker's user write to the store")
    );
}
