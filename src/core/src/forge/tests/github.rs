use serde_json::{Value, json};

use crate::forge::{
    Annotation, AnnotationLevel, CheckOutput, CheckPhase, CheckRun, Conclusion, Forge as _,
    ForgeKind, HookChange, Part, Permission, Repository, Status, StatusState,
};

use super::Double;
use super::double::{counted, described, plain, repository};

fn site() -> Repository {
    repository(ForgeKind::Github, 42, "site")
}

fn installation(id: u64, login: &str) -> Value {
    json!({"id": id, "account": {"login": login}, "suspended_at": null, "permissions": {}})
}

/// The answer for every installation is the same in a double without tokens, so these tests have
/// one installation that answers.
async fn installed(double: &Double, repositories: Vec<Value>) {
    let installations = vec![installation(1, "team")];
    double
        .lists("/app/installations", installations, plain)
        .await;
    double
        .lists("/installation/repositories", repositories, counted)
        .await;
}

#[tokio::test]
async fn repositories_of_installations_are_found() {
    let double = Double::github().await;
    let variant = |id: u64, name: &str, change: Value| {
        let mut value = described(&repository(ForgeKind::Github, id, name));
        let fields = change.as_object().unwrap().clone();
        value.as_object_mut().unwrap().extend(fields);
        value
    };
    let found = vec![
        described(&site()),
        variant(
            2,
            "private",
            json!({"private": true, "topics": ["x", "BUILD"]}),
        ),
        variant(3, "archived", json!({"archived": true})),
        variant(4, "disabled", json!({"disabled": true})),
        variant(5, "untouched", json!({"topics": []})),
        variant(6, "older-api", json!({"topics": null})),
        json!({"id": 7, "full_name": "team/odd", "owner": null}),
    ];
    installed(&double, found).await;
    let discovery = double.as_github().discover().await.unwrap();
    let names: Vec<&str> = discovery
        .repositories
        .iter()
        .map(|repository| repository.full_name.as_str())
        .collect();
    assert_eq!(names, ["team/private", "team/site"]);
    assert_eq!(discovery.repositories[1], site());
    let left_out: Vec<String> = discovery
        .left_out
        .iter()
        .map(|left| format!("{}: {}", left.full_name, left.reason))
        .collect();
    insta::assert_snapshot!(left_out.join("\n"), @r#"
    team/archived: it is archived, so nothing can be reported
    team/disabled: GitHub has disabled it
    "#);
    let notices: Vec<String> = discovery
        .notices
        .iter()
        .map(|notice| format!("{}: {}", notice.about, notice.text))
        .collect();
    insta::assert_snapshot!(notices.join("\n"), @"github:team/odd: looked over: GitHub describes it in a way that this version does not understand");
    assert_eq!(discovery.unanswered, [Part::Repository(7)]);
}

#[tokio::test]
async fn a_suspended_or_removed_installation_costs_no_other_one_anything() {
    let double = Double::with(
        "
url: https://ci.example.org
build_systems: [x86_64-linux]
local_workers: 1
github: {id: 7, instance_url: URL, api_url: URL}
",
    )
    .await;
    let mut suspended = installation(2, "sleepy");
    suspended["suspended_at"] = json!("2026-01-01T00:00:00Z");
    let installations = vec![
        suspended,
        installation(3, "gone"),
        installation(4, "broken"),
        installation(1, "team"),
    ];
    double
        .lists("/app/installations", installations, plain)
        .await;
    let refuse = |id: u32, status: u16| {
        let at = format!("/app/installations/{id}/access_tokens");
        (at, status)
    };
    for (at, status) in [refuse(3, 404), refuse(4, 500)] {
        double
            .answers("POST", &at, status, json!({"message": "no"}))
            .await;
    }
    double.mints_tokens().await;
    double
        .lists(
            "/installation/repositories",
            vec![described(&site())],
            counted,
        )
        .await;
    let known = Repository {
        installation: Some(4),
        id: 99,
        ..site()
    };
    let gone = Repository {
        installation: Some(3),
        id: 98,
        ..site()
    };
    let discovery = double.as_github().discover().await.unwrap();
    assert_eq!(discovery.repositories, [site()]);
    let notices: Vec<String> = discovery
        .notices
        .iter()
        .map(|notice| format!("{}: {}", notice.about, notice.text))
        .collect();
    insta::assert_snapshot!(notices.join("\n").replace(&double.server.uri(), "URL"), @r#"
    github:broken: cannot get a token of installation 4: `URL/app/installations/4/access_tokens` answered 500 (Internal Server Error): no
    github:gone: cannot get a token of installation 3: `URL/app/installations/3/access_tokens` answered 404 (Not Found): no
    github:sleepy: left out: the installation of the GitHub App is suspended
    "#);
    // What cannot be asked after stays, what is gone goes.
    let merged = discovery.with_known_at(&[known.clone(), gone], 5);
    let named_at = |named_at, repository| Repository {
        named_at: Some(named_at),
        ..repository
    };
    assert_eq!(merged, [named_at(5, site()), known]);
    // It has its name since then, and another one since that was given to it.
    assert_eq!(discovery.with_known_at(&merged, 6), merged);
    let other = named_at(5, repository(ForgeKind::Github, 42, "former"));
    let merged = discovery.with_known_at(&[other], 7);
    assert_eq!(merged, [named_at(7, site())]);
}

#[tokio::test]
async fn a_hook_is_made_once_and_changed_in_place() {
    let mut double = Double::github().await;
    let hooks = "/repos/team/site/hooks";
    double.lists(hooks, vec![], plain).await;
    double.answers("POST", hooks, 201, json!({"id": 5})).await;
    let github = double.as_github();
    assert_eq!(
        github.ensure_hook(&site()).await.unwrap(),
        HookChange::Created
    );
    let made = &double.bodies("POST /repos/team/site/hooks").await[0];
    insta::assert_snapshot!(serde_json::to_string_pretty(made).unwrap(), @r#"
    {
      "active": true,
      "config": {
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": "hook-hunter2",
        "url": "https://ci.example.org/change_hook/github"
      },
      "events": [
        "issue_comment",
        "merge_group",
        "pull_request",
        "push",
        "repository"
      ],
      "name": "web"
    }
    "#);

    // As GitHub shows it then.
    let mut hook = made.clone();
    hook["id"] = json!(5);
    hook["config"]["secret"] = json!("********");
    double.server.reset().await;
    double.mints_tokens().await;
    double.lists(hooks, vec![hook], plain).await;
    double
        .answers("PATCH", "/repos/team/site/hooks/5", 200, json!({"id": 5}))
        .await;
    assert_eq!(
        github.ensure_hook(&site()).await.unwrap(),
        HookChange::Unchanged
    );

    double.write_secret("github-webhook-secret", "new-hunter2");
    assert_eq!(
        github.ensure_hook(&site()).await.unwrap(),
        HookChange::Updated
    );
    let changed = double.bodies("PATCH /repos/team/site/hooks/5").await;
    assert_eq!(changed[0]["config"]["secret"], "new-hunter2");
    assert_eq!(
        github.ensure_hook(&site()).await.unwrap(),
        HookChange::Unchanged
    );

    // Nobody knows what it was set to.
    double.forget();
    let change = double.as_github().ensure_hook(&site()).await.unwrap();
    assert_eq!(change, HookChange::Updated);
}

#[tokio::test]
async fn a_status_is_posted_with_no_more_rights_than_that_takes() {
    let double = Double::github().await;
    double
        .answers("POST", "/repos/team/site/statuses/abc", 201, json!({}))
        .await;
    let status = Status {
        context: "buildbot/nix-eval".to_owned(),
        state: StatusState::Warning,
        description: "x".repeat(200),
        target_url: "https://ci.example.org/#/builds/1".to_owned(),
    };
    let github = double.as_github();
    for _ in 0..2 {
        github.post_status(&site(), "abc", &status).await.unwrap();
    }
    let token = double
        .bodies("POST /app/installations/1/access_tokens")
        .await;
    assert_eq!(
        token,
        [json!({"repository_ids": [42], "permissions": {"statuses": "write"}})]
    );
    let sent = &double.bodies("POST /repos/team/site/statuses/abc").await[0];
    assert_eq!(sent["state"], "success");
    assert_eq!(sent["description"].as_str().unwrap().chars().count(), 140);
}

#[tokio::test]
async fn annotations_of_a_check_run_are_sent_fifty_at_a_time() {
    let double = Double::github().await;
    let runs = "/repos/team/site/check-runs";
    double.answers("POST", runs, 201, json!({"id": 9})).await;
    let one = "/repos/team/site/check-runs/9";
    double.answers("PATCH", one, 200, json!({})).await;
    let annotation = |line| Annotation {
        path: "flake.nix".to_owned(),
        start_line: line,
        end_line: line,
        level: AnnotationLevel::Failure,
        message: "undefined variable".to_owned(),
        title: String::new(),
    };
    let run = CheckRun {
        name: "buildbot/nix-eval".to_owned(),
        phase: CheckPhase::Completed(Conclusion::TimedOut),
        output: Some(CheckOutput {
            title: "120 failed".to_owned(),
            summary: "…".repeat(70_000),
            text: String::new(),
            annotations: (1..=120).map(annotation).collect(),
        }),
        ..CheckRun::default()
    };
    let id = double
        .as_github()
        .create_check_run(&site(), "abc", &run)
        .await;
    assert_eq!(id.unwrap(), 9);
    let first = double.bodies("POST /repos/team/site/check-runs").await;
    assert_eq!(first[0]["conclusion"], "timed_out");
    assert_eq!(first[0]["head_sha"], "abc");
    let later = double.bodies("PATCH /repos/team/site/check-runs/9").await;
    let counts: Vec<usize> = [&first[..], &later]
        .concat()
        .iter()
        .map(|body| body["output"]["annotations"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [50, 50, 20]);
    let summary = first[0]["output"]["summary"].as_str().unwrap();
    assert_eq!(summary.chars().count(), 65_535);
}

#[tokio::test]
async fn questions_about_pull_requests_branches_and_people_are_answered() {
    let double = Double::github().await;
    let pull = json!({
        "number": 3, "title": "T", "html_url": "https://forge/3", "state": "open", "draft": null,
        "user": {"login": "renovate[bot]", "type": "Bot"},
        "head": {"ref": "main", "sha": "h", "repo": null},
        "base": {"ref": "main", "sha": "b", "repo": {"full_name": "team/site"}},
    });
    double
        .answers("GET", "/repos/team/site/pulls/3", 200, pull.clone())
        .await;
    double
        .lists("/repos/team/site/pulls", vec![pull], plain)
        .await;
    let head = json!({"object": {"sha": "abc"}});
    double
        .answers(
            "GET",
            "/repos/team/site/git/ref/heads/feature/a%23",
            200,
            head,
        )
        .await;
    double
        .answers(
            "GET",
            "/repos/team/site/git/ref/heads/main",
            409,
            json!({"message": "Git Repository is empty."}),
        )
        .await;
    let branch = json!({"name": "main", "commit": {"sha": "abc"}});
    double
        .lists("/repos/team/site/branches", vec![branch], plain)
        .await;
    double
        .answers(
            "GET",
            "/repos/team/site/collaborators/eve/permission",
            200,
            json!({"permission": "write"}),
        )
        .await;
    double
        .answers("GET", "/orgs/team/members/eve", 204, Value::Null)
        .await;
    let github = double.as_github();
    let site = site();

    let pull = github.pull_request(&site, 3).await.unwrap();
    assert!(pull.is_open && !pull.is_draft && pull.author_is_bot);
    assert!(pull.is_from_fork_of(&site.full_name));
    assert_eq!(github.open_pull_requests(&site).await.unwrap(), [pull]);
    let head = github.branch_head(&site, "feature/a#").await.unwrap();
    assert_eq!(head.as_deref(), Some("abc"));
    assert_eq!(github.branch_head(&site, "main").await.unwrap(), None);
    assert_eq!(github.branch_head(&site, "gone").await.unwrap(), None);
    assert_eq!(github.branch_heads(&site).await.unwrap()["main"], "abc");
    assert_eq!(
        github.permission(&site, "eve").await.unwrap(),
        Permission::Write
    );
    assert_eq!(
        github.permission(&site, "mallory").await.unwrap(),
        Permission::Nothing
    );
    for (user, state) in [("eve", "active"), ("bob", "pending")] {
        let at = format!("/orgs/team/teams/ci/memberships/{user}");
        let membership = json!({"state": state, "role": "member"});
        double.answers("GET", &at, 200, membership).await;
    }
    for (user, is_in) in [("eve", true), ("bob", false), ("mallory", false)] {
        assert_eq!(github.is_in_team(&site, "ci", user).await.unwrap(), is_in);
    }
    let renamed = json!({"id": 7, "login": "eve-2"});
    double.answers("GET", "/user/7", 200, renamed).await;
    let login = github.login_of(&site, "7").await.unwrap();
    assert_eq!(login.as_deref(), Some("eve-2"));
    assert_eq!(github.login_of(&site, "8").await.unwrap(), None);
    assert!(github.is_member(&site, "eve").await.unwrap());
    assert!(!github.is_member(&site, "mallory").await.unwrap());
}
