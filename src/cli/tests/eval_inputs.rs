//! `buildbot-nix eval` on a real Nix: inputs that cannot be had, and lock files that do not fit.

mod evaluation;

use rstest::rstest;

use evaluation::Checkout;

/// Nothing listens there.
const URL: &str = "http://127.0.0.1:1/gone.tar";

fn flake(url: &str) -> String {
    format!(
        "{{ inputs.gone = {{ url = \"{url}\"; flake = false; }};
           outputs = {{ gone, ... }}: {{ checks.x86_64-linux = let mk = name: derivation {{
             inherit name; system = \"x86_64-linux\"; builder = \"/bin/sh\"; }}; in {{
             bad = mk (builtins.readFile (gone + \"/name\")); good = mk \"good\"; }}; }}; }}"
    )
}

/// A lock file of one input from `url`.
fn lock(url: &str) -> String {
    let nar_hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let nodes = serde_json::json!({
        "root": { "inputs": { "gone": "gone" } },
        "gone": {
            "flake": false,
            "locked": { "type": "tarball", "url": url, "narHash": nar_hash },
            "original": { "type": "tarball", "url": url },
        },
    });
    serde_json::json!({ "version": 7, "root": "root", "nodes": nodes }).to_string()
}

/// Without network nothing is tried again and again.
const QUICKLY: [(&str, &str); 2] = [("NIX_CONFIG", "download-attempts = 1"), ("no_proxy", "*")];

#[rstest]
fn an_input_that_cannot_be_fetched_costs_who_needs_it(#[values("off", "required")] sandbox: &str) {
    let checkout = Checkout::with_flake(&flake(URL));
    checkout.write("flake.lock", &lock(URL));
    let mut command = checkout.command(&["--sandbox", sandbox]);
    let output = command.envs(QUICKLY).output().unwrap();
    let evaluated = evaluation::Evaluated::from_output(output);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["good"], "{evaluated:#?}");
    let failures = evaluated.failures();
    assert_eq!(failures.len(), 1, "{evaluated:#?}");
    assert_eq!(failures[0].0, "bad");
    assert!(failures[0].1.contains(URL), "{evaluated:#?}");
}

#[rstest]
#[case::missing(None)]
#[case::of_another_url(Some(lock("http://127.0.0.1:1/other.tar")))]
#[case::without_the_input(Some(r#"{"version":7,"root":"root","nodes":{"root":{}}}"#.to_owned()))]
#[case::cut(Some(lock(URL)[..60].to_owned()))]
fn a_lock_file_that_does_not_fit_is_said_and_left_alone(
    #[case] lock: Option<String>,
    #[values("off", "required")] sandbox: &str,
) {
    let checkout = Checkout::with_flake(&flake(URL));
    if let Some(lock) = &lock {
        checkout.write("flake.lock", lock);
    }
    let mut command = checkout.command(&["--sandbox", sandbox]);
    let output = command.envs(QUICKLY).output().unwrap();
    let evaluated = evaluation::Evaluated::from_output(output);
    assert_eq!(evaluated.jobs().count(), 0, "{evaluated:#?}");
    evaluated.fatal();
    let left = std::fs::read_to_string(checkout.path().join("flake.lock")).ok();
    assert_eq!(left, lock);
}
