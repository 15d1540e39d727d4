use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use crate::forge::clock::Clock;
use crate::forge::http::Pace;
use crate::forge::{Fault, Forge as _, ForgeKind, Permission, Repository};

use super::Double;
use super::double::{quick, repository};

fn site() -> Repository {
    repository(ForgeKind::Github, 42, "site")
}

/// A server that treats the first connections as `trouble` does, then answers well.
async fn stubborn(trouble: Trouble, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            count += 1;
            let is_good = count > times;
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                if is_good {
                    let body = r#"{"permission": "read"}"#;
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    let answer = head + body;
                    let _ = socket.write_all(answer.as_bytes()).await;
                    return;
                }
                match trouble {
                    Trouble::Reset => drop(socket),
                    Trouble::Half => {
                        let _ = socket
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
                            .await;
                    }
                    Trouble::Slow => {
                        let _ = socket
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")
                            .await;
                        // One byte a time, for ever.
                        while socket.write_all(b" ").await.is_ok() {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[derive(Clone, Copy)]
enum Trouble {
    Reset,
    Half,
    Slow,
}

#[rstest::rstest]
#[case::reset(Trouble::Reset)]
#[case::half(Trouble::Half)]
#[case::slow(Trouble::Slow)]
#[tokio::test]
async fn connections_that_break_are_made_again(#[case] trouble: Trouble) {
    let pace = Pace {
        request: Duration::from_millis(200),
        ..quick()
    };
    for (times, is_good) in [(2, true), (99, false)] {
        let url = stubborn(trouble, times).await;
        let text = super::tokens::PERSON.replace("URL", &url);
        let double = Double::with(&text).await;
        let github = double.as_github_at(Clock::default(), pace);
        match github.permission(&site(), "eve").await {
            Ok(permission) => assert!(is_good && permission == Permission::Read),
            Err(error) => {
                assert!(!is_good, "{error}");
                assert_eq!(error.fault, Fault::Unavailable);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let large = ResponseTemplate::new(200).set_body_bytes(vec![b' '; 33 << 20]);
    let double = Double::with(super::tokens::PERSON).await;
    double
        .responds("GET", "/repos/team/site/pulls/1", large)
        .await;
    let error = double
        .as_github()
        .pull_request(&site(), 1)
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Unavailable);
    assert!(error.reason.contains("larger than 32 MiB"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_instead_of_the_forge() {
    let text = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {token_file: github-token, instance_url: http://forge.invalid, api_url: http://forge.invalid/api, proxy: URL}
";
    let double = Double::with(text).await;
    double
        .answers(
            "GET",
            "/api/repos/team/site/collaborators/eve/permission",
            200,
            json!({"permission": "read"}),
        )
        .await;
    let permission = double.as_github().permission(&site(), "eve").await.unwrap();
    assert_eq!(permission, Permission::Read);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let text = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {token_file: github-token, ca_file: FILE}
";
    let double = Double::with(&text.replace("FILE", file.to_str().unwrap())).await;
    let refusal = || {
        let error = double
            .try_as_github(Clock::default(), quick())
            .err()
            .unwrap();
        error.reason.replace(folder.path().to_str().unwrap(), "DIR")
    };
    insta::assert_snapshot!(refusal(), @"`DIR/ca.pem`: No such file or directory (os error 2)");
    std::fs::write(&file, "no certificate").unwrap();
    insta::assert_snapshot!(refusal(), @"`DIR/ca.pem` holds no certificate");
}
