//! Recorded streams of a real Nix → text and outcome. See tests/fixtures/nix-log/README.md.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rstest::rstest;

use super::activities::Finished;
use super::event::parse;
use super::lines::Lines;
use super::outcome::{assemble, tail};
use super::render::Renderer;
use super::request::Request;
use super::verdict::{Facts, decide};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/nix-log")
}

/// The derivation that was asked for: the last one that is mentioned with its name, or one with
/// that name if all of it was fetched and none is mentioned.
fn wanted(stream: &str, name: &str) -> Request {
    let end = format!("-{name}.drv");
    let words = stream.split(['"', '\'', ' ', '\u{1b}', '^']);
    let mut drv = words.filter(|word| word.starts_with('/') && word.ends_with(&end));
    let other = format!("/nix/store/{}{end}", "0".repeat(32));
    Request::new(drv.next_back().unwrap_or(&other).parse().unwrap())
}

/// Renders a stream that comes in pieces of `chunk` bytes.
fn render(stream: &[u8], chunk: usize) -> (String, Renderer) {
    let mut lines = Lines::default();
    let mut renderer = Renderer::new(false);
    for piece in stream.chunks(chunk) {
        lines.feed(piece, &mut |line| {
            parse(&line, |event| renderer.event(&event, Duration::ZERO));
        });
    }
    renderer.finish(Duration::ZERO);
    let text = String::from_utf8(renderer.text().to_vec()).unwrap();
    (text, renderer)
}

#[rstest]
#[case("success", "success-2.1", 0)]
#[case("dependency", "dependency-1", 1)]
#[case("signal", "signal", 1)]
#[case("command-signal", "command-signal", 1)]
#[case("bytes", "bytes", 0)]
#[case("phases", "phases", 0)]
#[case("outputs", "outputs", 0)]
#[case("no-out", "no-out", 0)]
#[case("many", "many", 0)]
#[case("wrong-hash", "wrong-hash", 1)]
#[case("no-output", "no-output", 1)]
#[case("unknown-system", "unknown-system", 1)]
#[case("timeout", "silent", 1)]
#[case("silence", "silent", 1)]
#[case("substitution", "success-2.1", 0)]
#[case("daemon", "dependency-1", 1)]
#[case("disk-full", "full", 1)]
#[case("hook", "phases", 0)]
#[case("hook-failure", "phases", 1)]
#[case("remote", "success-2.1", 0)]
#[case("remote-failure", "dependency-1", 1)]
#[case("remote-lost", "silent", 1)]
#[case("remote-unreachable", "silent", 1)]
#[case("substituter-failure", "success-2.1", 1)]
#[case("daemon-gone", "silent", 1)]
fn a_recorded_stream(#[case] fixture: &str, #[case] name: &str, #[case] status: i32) {
    let stream = std::fs::read_to_string(fixtures().join(format!("{fixture}.log"))).unwrap();
    let (text, renderer) = render(stream.as_bytes(), 4096);
    assert_eq!(render(stream.as_bytes(), 1).0, text);

    let activities = renderer.activities();
    let finished = activities.finished().iter();
    let failed: Vec<&Finished> = finished.filter(|finished| finished.seems_failed).collect();
    let errors: Vec<&str> = renderer.errors().collect();
    let mut request = wanted(&stream, name);
    match fixture {
        // All time limits are within the tolerance here, where time stands still.
        "timeout" => request.timeout = Some(Duration::from_millis(400)),
        "silence" => request.max_silent = Some(Duration::from_millis(400)),
        _ => {}
    }
    let verdict = decide(&Facts {
        request: &request,
        halt: None,
        status: ExitStatus::from_raw(status << 8),
        outputs_valid: fixture == "hook-failure",
        failed: &failed,
        failures: activities.failures(),
        errors: &errors,
    });
    let mut outcome = assemble(&request, verdict, &super::derivation::Outputs::new());
    outcome.built = activities.finished().len() as u64;
    outcome.substituted = activities.fetched();
    let tails: String = failed.iter().map(|failed| tail(failed)).collect();
    let outcome = serde_json::to_string_pretty(&outcome).unwrap();
    insta::with_settings!({
        snapshot_path => fixtures().join("rendered"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(fixture, format!("{text}{tails}\n{outcome}"));
    });
}
