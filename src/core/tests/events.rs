//! Every file in `tests/events` is a case: what the master decides about that event is in the
//! snapshot of the same name.
//!
//! Payloads are the documented ones without most of what is ignored. GitHub's own examples are
//! read by `tests/e2e/test_webhook_examples.py`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::hmac;
use buildbot_nix_core::config::parse_settings;
use buildbot_nix_core::event::{BODY_BYTES_MAX, Delivery, Refusal, receive};
use buildbot_nix_core::forge::{ForgeKind, Repository};
use buildbot_nix_core::plan::{MasterPlan, forge_projects, master_plan};
use buildbot_nix_core::secret::Secret;
use serde_json::{Value, json};

const SECRET: &str = "hunter2";

/// A plan with `team/site` on both forges.
fn plan(pull_requests: &Value) -> MasterPlan {
    let settings = json!({
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "branches": {"releases": {"matchGlob": "release-*"}},
        "pull_requests": pull_requests,
    });
    let settings = parse_settings("settings.json", &settings.to_string()).unwrap();
    let repository = |forge: &str, host: &str| -> Repository {
        let repository = json!({
            "forge": forge,
            "id": 17,
            "full_name": "team/site",
            "owner_kind": "organization",
            "html_url": format!("https://{host}/team/site"),
            "clone_url": format!("https://{host}/team/site.git"),
            "ssh_url": format!("git@{host}:team/site.git"),
            "default_branch": "main",
            "topics": [],
            "private": false,
            "installation": null,
        });
        serde_json::from_value(repository).unwrap()
    };
    let repositories = [
        repository("gitea", "git.example.org"),
        repository("github", "github.com"),
    ];
    let (projects, notices) = forge_projects(&settings, &repositories);
    assert_eq!(notices, []);
    master_plan(&settings, &projects, &[])
}

fn signature(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, body);
    let digits = |byte: &u8| {
        [byte >> 4, byte & 15].map(|digit| "0123456789abcdef".as_bytes()[usize::from(digit)])
    };
    let digits = tag.as_ref().iter().flat_map(digits).collect();
    String::from_utf8(digits).unwrap()
}

fn headers(forge: ForgeKind, event: &str, body: &[u8]) -> BTreeMap<String, String> {
    let (event_name, id, signature_name, prefix) = match forge {
        ForgeKind::Github => (
            "x-github-event",
            "x-github-delivery",
            "x-hub-signature-256",
            "sha256=",
        ),
        ForgeKind::Gitea => ("x-gitea-event", "x-gitea-delivery", "x-gitea-signature", ""),
    };
    let pairs = [
        (event_name, event.to_owned()),
        (id, "f6266f16-1bf3-46a5-9ea4-602e06ead473".to_owned()),
        (signature_name, format!("{prefix}{}", signature(body))),
        ("content-type", "application/json".to_owned()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn secrets(_: Option<u64>) -> Vec<Secret<String>> {
    vec![Secret::new(SECRET.to_owned())]
}

fn outcome(forge: ForgeKind, case: &Value) -> String {
    let body = case["payload"].to_string().into_bytes();
    let headers = headers(forge, case["event"].as_str().unwrap(), &body);
    let delivery = match receive(forge, &headers, &body, secrets) {
        Ok(delivery) => delivery,
        Err(refusal) => return format!("{}: {refusal}", refusal.status()),
    };
    let kept = serde_json::to_string(&delivery).unwrap();
    let read: Delivery = serde_json::from_str(&kept).unwrap();
    assert_eq!(read, delivery);
    let decision = plan(&case["pull_requests"]).decide(forge, &delivery.event);
    serde_json::to_string_pretty(&decision).unwrap()
}

#[rstest::rstest]
fn events(#[files("tests/events/*.json")] path: PathBuf) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let forge = match name.split_once('-').unwrap().0 {
        "github" => ForgeKind::Github,
        _ => ForgeKind::Gitea,
    };
    let case = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    insta::with_settings!({
        omit_expression => true,
        prepend_module_to_snapshot => false,
        snapshot_path => "events",
    }, {
        insta::assert_snapshot!(name, outcome(forge, &case));
    });
}

const PING: &[u8] = br#"{"zen": "Keep it logically awesome."}"#;

fn refused(change: impl FnOnce(&mut BTreeMap<String, String>), body: &[u8]) -> Refusal {
    let mut headers = headers(ForgeKind::Github, "ping", PING);
    change(&mut headers);
    receive(ForgeKind::Github, &headers, body, secrets).unwrap_err()
}

fn set(name: &'static str, value: &'static str) -> impl Fn(&mut BTreeMap<String, String>) {
    move |headers| {
        headers.insert(name.to_owned(), value.to_owned());
    }
}

#[rstest::rstest]
#[case("x-hub-signature-256", "", 401)]
#[case("x-hub-signature-256", "sha1=00", 401)]
#[case(
    "x-hub-signature-256",
    "sha256=0000000000000000000000000000000000000000000000000000000000000000",
    403
)]
#[case("x-github-event", "", 400)]
#[case("x-github-event", "push\nx", 400)]
#[case("x-github-delivery", "", 400)]
#[case("content-type", "text/plain", 415)]
fn a_wrong_header_is_refused(
    #[case] name: &'static str,
    #[case] value: &'static str,
    #[case] status: u16,
) {
    assert_eq!(refused(set(name, value), PING).status(), status);
}

#[test]
fn another_body_is_refused() {
    assert_eq!(refused(|_| {}, b"{}").status(), 403);
}

#[test]
fn a_large_body_is_refused_before_it_is_verified() {
    let body = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(refused(|_| {}, &body).status(), 413);
}

#[test]
fn a_signature_of_the_other_forge_does_not_count() {
    let headers = headers(ForgeKind::Github, "push", PING);
    let refusal = receive(ForgeKind::Gitea, &headers, PING, secrets).unwrap_err();
    assert_eq!(refusal.status(), 400);
}

#[test]
fn the_secret_of_a_repository_is_for_what_is_about_it() {
    let of = |body: &'static [u8]| {
        let headers = headers(ForgeKind::Gitea, "push", body);
        let accepted = |id| if id == Some(17) { secrets(id) } else { vec![] };
        receive(ForgeKind::Gitea, &headers, body, accepted).unwrap_err()
    };
    assert_eq!(of(br#"{"repository": {"id": 18}}"#).status(), 403);
    assert_eq!(of(br#"{"repository": {"id": 18, "id": 17}}"#).status(), 403);
    assert_eq!(of(b"{}").status(), 403);
    // Accepted, but no push.
    assert_eq!(of(br#"{"repository": {"id": 17}}"#).status(), 400);
}

#[test]
fn a_form_is_read_too() {
    let body = b"payload=%7B%22action%22%3A+%22suspend%22%7D";
    let mut headers = headers(ForgeKind::Github, "installation", body);
    set(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )(&mut headers);
    let delivery = receive(ForgeKind::Github, &headers, body, secrets).unwrap();
    let decision = plan(&Value::Null).decide(ForgeKind::Github, &delivery.event);
    assert_eq!(decision.refresh.as_deref(), Some("installation: suspend"));
}
