use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::config::{Settings, parse_settings};
use crate::forge::clock::Clock;
use crate::forge::gitea::Gitea;
use crate::forge::github::Github;
use crate::forge::http::{Kept, Memory, Pace};
use crate::forge::{ForgeError, ForgeKind, OwnerKind, Repository};
use crate::secret::SecretPlaces;

/// A forge on a free port, and settings for it.
pub(super) struct Double {
    pub(super) server: MockServer,
    folder: tempfile::TempDir,
    settings: Settings,
    pub(super) memory: Arc<Memory>,
}

const GITHUB: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL, filters: {topic: build}}
";
const GITEA: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
gitea: {instance_url: URL/git, filters: {topic: build}}
";

impl Double {
    /// A GitHub with an App that has all permissions.
    pub(super) async fn github() -> Self {
        let double = Self::with(GITHUB).await;
        double.mints_tokens().await;
        double
    }

    /// A Gitea below `/git`.
    pub(super) async fn gitea() -> Self {
        Self::with(GITEA).await
    }

    /// What `text` sets up; `URL` stands for the double's.
    pub(super) async fn with(text: &str) -> Self {
        let server = MockServer::start().await;
        let settings = parse_settings("test", &text.replace("URL", &server.uri())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("github-app-secret-key", key().private.as_str()),
            ("github-webhook-secret", "hook-hunter2"),
            ("github-token", "ghp_hunter2"),
            ("gitea-token", "gitea-hunter2"),
            ("gitea-webhook-secret", "hook-hunter2"),
        ] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Self {
            server,
            folder,
            settings,
            memory: Arc::default(),
        }
    }

    pub(super) fn write_secret(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// As after a restart that lost everything.
    pub(super) fn forget(&mut self) {
        self.memory = Arc::new(Memory::new(Kept::default()));
    }

    fn places(&self) -> SecretPlaces {
        SecretPlaces {
            credentials_directory: None,
            settings_directory: self.folder.path().to_owned(),
        }
    }

    pub(super) fn as_github(&self) -> Github {
        self.as_github_at(Clock::default(), quick())
    }

    pub(super) fn as_github_at(&self, clock: Clock, pace: Pace) -> Github {
        self.try_as_github(clock, pace).unwrap()
    }

    pub(super) fn try_as_github(&self, clock: Clock, pace: Pace) -> Result<Github, ForgeError> {
        let settings = self.settings.github.as_ref().unwrap();
        let hooks = &self.settings.webhook_base_url;
        let memory = Arc::clone(&self.memory);
        Github::new(settings, &self.places(), hooks, memory, pace, clock)
    }

    pub(super) fn as_gitea(&self) -> Gitea {
        let settings = self.settings.gitea.as_ref().unwrap();
        let hooks = &self.settings.webhook_base_url;
        let memory = Arc::clone(&self.memory);
        Gitea::new(settings, &self.places(), hooks, memory, quick()).unwrap()
    }

    /// Answers `verb` requests for `at` with `status` and `body`.
    pub(super) async fn answers(&self, verb: &str, at: &str, status: u16, body: Value) {
        let template = ResponseTemplate::new(status).set_body_json(body);
        self.responds(verb, at, template).await;
    }

    pub(super) async fn responds(&self, verb: &str, at: &str, response: impl Respond + 'static) {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(response)
            .mount(&self.server)
            .await;
    }

    /// Gives tokens for every installation.
    pub(super) async fn mints_tokens(&self) {
        Mock::given(method("POST"))
            .and(wiremock::matchers::path_regex(
                "^/app/installations/[0-9]+/access_tokens$",
            ))
            .respond_with(minted)
            .mount(&self.server)
            .await;
    }

    /// Answers with the list of `items`, page by page as the request asks.
    pub(super) async fn lists(
        &self,
        at: &str,
        items: Vec<Value>,
        wrap: fn(&[Value], usize) -> Value,
    ) {
        let base = self.server.uri();
        let route = at.to_owned();
        self.responds("GET", at, move |request: &Request| {
            page(&base, &route, &items, request, wrap)
        })
        .await;
    }

    /// What was asked, `GET /path?query`, in order.
    pub(super) async fn requests(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .map(|request| {
                let query = request.url.query().map(|query| format!("?{query}"));
                format!(
                    "{} {}{}",
                    request.method,
                    request.url.path(),
                    query.unwrap_or_default()
                )
            })
            .collect()
    }

    /// The bodies of the requests `VERB /path`.
    pub(super) async fn bodies(&self, what: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .filter(|request| format!("{} {}", request.method, request.url.path()) == what)
            .map(|request| serde_json::from_slice(&request.body).unwrap_or(Value::Null))
            .collect()
    }
}

fn page(
    base: &str,
    route: &str,
    items: &[Value],
    request: &Request,
    wrap: fn(&[Value], usize) -> Value,
) -> ResponseTemplate {
    let number = |name: &str| {
        let (_, value) = request.url.query_pairs().find(|(key, _)| key == name)?;
        value.parse::<usize>().ok()
    };
    let size = number("per_page").or(number("limit")).unwrap_or(30);
    let current = number("page").unwrap_or(1);
    let last = items.len().div_ceil(size).max(1);
    let link = |page: usize, relation: &str| {
        format!("<{base}{route}?per_page={size}&limit={size}&page={page}>; rel=\"{relation}\"")
    };
    let start = ((current - 1) * size).min(items.len());
    let end = (start + size).min(items.len());
    let body = wrap(&items[start..end], items.len());
    let response = ResponseTemplate::new(200)
        .set_body_json(&body)
        .insert_header("etag", format!("\"{}\"", body.to_string().len()))
        .insert_header("x-total-count", items.len().to_string());
    if current < last {
        let links = [link(current + 1, "next"), link(last, "last")];
        response.insert_header("link", links.join(", "))
    } else {
        response
    }
}

/// A list as it is.
pub(super) fn plain(items: &[Value], _: usize) -> Value {
    json!(items)
}

/// A list as installations of GitHub Apps have it.
pub(super) fn counted(items: &[Value], total: usize) -> Value {
    json!({"total_count": total, "repositories": items})
}

/// A token that lasts an hour, called as what it may do.
pub(super) fn minted(request: &Request) -> ResponseTemplate {
    let installation = request.url.path().split('/').nth(3).unwrap();
    let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let until = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    ResponseTemplate::new(201).set_body_json(json!({
        "token": format!("ghs_hunter2_{installation}_{}", wanted["repository_ids"]),
        "expires_at": until.to_string(),
        "permissions": wanted["permissions"],
    }))
}

/// No pauses that a person would notice.
pub(super) fn quick() -> Pace {
    let milliseconds = std::time::Duration::from_millis;
    Pace {
        first_pause: milliseconds(1),
        longest_pause: milliseconds(2),
        ..Pace::default()
    }
}

/// `team/<name>` on `forge`.
pub(super) fn repository(forge: ForgeKind, id: u64, name: &str) -> Repository {
    Repository {
        forge,
        id,
        full_name: format!("team/{name}").parse().unwrap(),
        owner_kind: OwnerKind::Organization,
        html_url: format!("https://forge/team/{name}"),
        clone_url: format!("https://forge/team/{name}.git"),
        ssh_url: format!("git@forge:team/{name}.git"),
        default_branch: "main".to_owned(),
        topics: vec!["build".to_owned()],
        private: false,
        installation: (forge == ForgeKind::Github).then_some(1),
        named_at: None,
    }
}

/// The same as a forge describes it.
pub(super) fn described(repository: &Repository) -> Value {
    json!({
        "id": repository.id,
        "full_name": repository.full_name,
        "owner": {"login": repository.full_name.owner(), "type": "Organization"},
        "html_url": repository.html_url,
        "clone_url": repository.clone_url,
        "ssh_url": repository.ssh_url,
        "default_branch": repository.default_branch,
        "topics": repository.topics,
        "private": repository.private,
        "permissions": {"admin": true},
    })
}

pub(super) struct Key {
    pub(super) private: String,
    /// DER.
    pub(super) public: Vec<u8>,
}

/// The key of the App, one for all tests: making one takes a while.
pub(super) fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        Key {
            private: pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref())),
            public: pair.public_key().as_ref().to_vec(),
        }
    })
}
