//! Every file in `tests/settings` is a case: its plan, or its problems, are in the snapshot of
//! the same name.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::path::PathBuf;

use buildbot_nix_core::config::{WorkerEntry, parse_settings};
use buildbot_nix_core::plan::{master_plan, polled_projects, render, render_json};
use buildbot_nix_core::secret::Secret;

/// The workers of settings that name a workers file.
fn workers() -> Vec<WorkerEntry> {
    vec![WorkerEntry {
        name: "eve".to_owned(),
        pass: Secret::new("hunter2".to_owned()),
        cores: 3,
    }]
}

fn outcome(file: &str, text: &str) -> String {
    let settings = match parse_settings(file, text) {
        Ok(settings) => settings,
        Err(problems) => return problems.to_string(),
    };
    let workers = match settings.nix_workers_secret_file {
        Some(_) => workers(),
        None => Vec::new(),
    };
    let plan = master_plan(&settings, &polled_projects(&settings), &workers);
    format!("{}\n{}", render(&plan), render_json(&plan).unwrap())
}

#[rstest::rstest]
fn settings(#[files("tests/settings/*")] path: PathBuf) {
    let file = path.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let outcome = outcome(file, &text);
    assert!(!outcome.contains("hunter2"), "a secret shows: {outcome}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(file.replace('.', "_"), outcome);
    });
}
