//! Calls of the tools, as values: no secret in an argument, whatever the cache.

use std::fmt::Write as _;
use std::path::Path;

use super::queue::Queue;
use super::scratch::Scratch;
use super::secret;
use super::target::Target;
use crate::nix::StorePath;

const A: &str = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a";
const B: &str = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b";
const HUSH: &str = "hush-hush-token";

fn path(text: &str) -> StorePath {
    text.to_owned().try_into().unwrap()
}

/// The call, what it has in its environment besides the usual, and files that were made for it.
fn call(target: &str, closure: bool, secrets: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for name in secrets {
        std::fs::write(folder.path().join(name), format!("{HUSH}\n")).unwrap();
    }
    let scratch = Scratch::new(Some(folder.path())).unwrap();
    let target: Target = target.parse().unwrap();
    let command = target.push(&[path(A), path(B)], closure, &scratch).unwrap();
    assert!(!command.to_string().contains(HUSH), "{command}");
    let mut text = format!("{command}\n");
    let usual = crate::process::environment();
    for (name, value) in &command.environment {
        if usual.get(name) != Some(value) {
            let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
            let _ = writeln!(text, "{name}={value}");
        }
    }
    if let Ok(config) = std::fs::read_to_string(scratch.path("config/attic/config.toml")) {
        text.push_str(&config);
    }
    let canonical = std::fs::canonicalize(folder.path()).unwrap();
    let mut hide = |path: &Path, name: &str| text = text.replace(path.to_str().unwrap(), name);
    hide(&canonical, "SECRETS");
    hide(&scratch.path("config"), "CONFIG");
    text
}

#[test]
fn cachix() {
    let secrets = [secret::CACHIX_AUTH_TOKEN, secret::CACHIX_SIGNING_KEY];
    insta::assert_snapshot!(call("cachix=mine", true, &secrets), @r#"
    cachix push mine /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    CACHIX_AUTH_TOKEN=hush-hush-token
    CACHIX_SIGNING_KEY=hush-hush-token
    "#);
}

#[test]
fn attic() {
    let secrets = [secret::ATTIC_TOKEN];
    insta::assert_snapshot!(call("attic=https://cache.example.org/team/mine", false, &secrets), @r#"
    attic push --no-closure ci:mine /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    XDG_CONFIG_HOME=CONFIG
    default-server = "ci"

    [servers.ci]
    endpoint = "https://cache.example.org/team/"
    token = "hush-hush-token"
    "#);
}

#[test]
fn niks3() {
    let secrets = [secret::NIKS3_AUTH_TOKEN];
    insta::assert_snapshot!(call("niks3=https://cache.example.org/", true, &secrets), @r#"
    niks3 push /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    NIKS3_AUTH_TOKEN_FILE=SECRETS/niks3-auth-token
    NIKS3_SERVER_URL=https://cache.example.org
    "#);
}

#[test]
fn any_store() {
    let secrets = [secret::SIGNING_KEY, secret::AWS_CREDENTIALS, secret::NETRC];
    insta::assert_snapshot!(call("store=s3://bucket?region=eu", true, &secrets), @r#"
    nix --extra-experimental-features nix-command copy --to 's3://bucket?region=eu&secret-key=SECRETS/signing-key' --option netrc-file SECRETS/netrc /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    AWS_SHARED_CREDENTIALS_FILE=SECRETS/aws-credentials
    "#);
    insta::assert_snapshot!(call("store=ssh-ng://host", false, &[secret::SSH_KEY]), @r#"
    nix --extra-experimental-features nix-command copy --to 'ssh-ng://host?ssh-key=SECRETS/ssh-key' --no-recursive /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    "#);
    insta::assert_snapshot!(call("store=file:///srv/cache", true, &[]), @r#"
    nix --extra-experimental-features nix-command copy --to file:///srv/cache /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a /nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-b
    "#);
}

#[test]
fn targets_are_texts() {
    for text in [
        "cachix=mine",
        "attic=https://cache.example.org/mine",
        "niks3=https://cache.example.org/",
        "store=s3://bucket?region=eu&profile=x",
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), text);
    }
    for text in [
        "",
        "mine",
        "cachix=",
        "cachix=--help",
        "attic=mine",
        "ftp=x",
    ] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let netrc = "machine cache.example.org\nlogin ci\npassword correct-horse\n";
    std::fs::write(folder.path().join(secret::NETRC), netrc).unwrap();
    let scratch = Scratch::new(Some(folder.path())).unwrap();
    let said = "denied: password correct-horse of login ci";
    assert_eq!(scratch.redact(said), "denied: *** of ***");
}

#[test]
fn a_queue_remembers_each_path_once() {
    let folder = tempfile::tempdir().unwrap();
    let places = [folder.path().join("a"), folder.path().join("b")];
    let queue = Queue::at("mine", places.clone());
    assert_eq!(queue.waiting().unwrap(), []);
    queue.add(&[path(A), path(B)]).unwrap();
    queue.add(&[path(A)]).unwrap();
    // Somebody else's file.
    std::fs::write(places[0].join("note"), "").unwrap();
    let waiting = queue.waiting().unwrap();
    assert_eq!(waiting.len(), 2);
    waiting[0].remove().unwrap();
    waiting[0].remove().unwrap();
    let left = queue.waiting().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].path, waiting[1].path);
}

#[test]
fn a_queue_is_where_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let places = [folder.path().join("file/a"), folder.path().join("b")];
    Queue::at("mine", places.clone()).add(&[path(A)]).unwrap();
    assert!(
        places[1]
            .join("zpi5a6arpq7wqff0v89ml0cfg3j53dla-a")
            .is_symlink()
    );
    let error = Queue::at("mine", places[..1].to_vec())
        .add(&[path(A)])
        .unwrap_err();
    assert!(
        error.to_string().contains("to be uploaded to `mine`"),
        "{error}"
    );
}
