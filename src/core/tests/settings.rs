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

/// What the reader offers for a key that resembles none.
#[test]
fn every_key_is_in_the_documentation() {
    let documentation = include_str!("../../../docs/configuration.md");
    let text = "
zzzzzz: 1
branches: {x: {zzzzzz: 1}}
oidc: {zzzzzz: 1, mapping: {zzzzzz: 1}}
projects: {x: {zzzzzz: 1}}
pull_based: {zzzzzz: 1, repositories: {x: {zzzzzz: 1}}}
pull_requests: {zzzzzz: 1}
github: {zzzzzz: 1, filters: {zzzzzz: 1}}
gitea: {zzzzzz: 1}
";
    let problems = parse_settings("settings.yaml", text).unwrap_err();
    let offers: Vec<&str> = problems
        .list
        .iter()
        .filter_map(|problem| problem.hint.as_deref()?.strip_prefix("the keys here are "))
        .collect();
    assert_eq!(offers.len(), 11);
    for key in offers.iter().flat_map(|keys| keys.split(", ")) {
        let row = |line: &str| {
            line.starts_with('|')
                && line
                    .split('|')
                    .nth(1)
                    .is_some_and(|cell| cell.contains(key))
        };
        assert!(documentation.lines().any(row), "{key}");
    }
}
