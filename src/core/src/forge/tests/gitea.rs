use serde_json::{Value, json};

use crate::forge::{Forge as _, ForgeKind, HookChange, OwnerKind, Part, Repository};

use super::Double;
use super::double::{described, plain, repository};

fn site() -> Repository {
    repository(ForgeKind::Gitea, 42, "site")
}

#[tokio::test]
async fn repositories_are_found_also_by_instances_that_list_no_topics() {
    let double = Double::gitea().await;
    let older = |id: u64, name: &str| {
        let mut value = described(&repository(ForgeKind::Gitea, id, name));
        value.as_object_mut().unwrap().remove("topics");
        value
    };
    let mut foreign = described(&repository(ForgeKind::Gitea, 5, "foreign"));
    foreign["permissions"]["admin"] = json!(false);
    let mut empty = described(&repository(ForgeKind::Gitea, 6, "empty"));
    empty["default_branch"] = json!("");
    let found = vec![
        described(&site()),
        older(2, "older"),
        older(3, "other"),
        older(4, "broken"),
        foreign,
        empty,
    ];
    double.lists("/git/api/v1/user/repos", found, plain).await;
    double
        .lists(
            "/git/api/v1/user/orgs",
            vec![
                json!({"name": "Team", "username": "Team"}),
                json!({"username": "older"}),
            ],
            plain,
        )
        .await;
    for (name, topics) in [("older", json!(["build"])), ("other", Value::Null)] {
        let at = format!("/git/api/v1/repos/team/{name}/topics");
        double
            .answers("GET", &at, 200, json!({"topics": topics}))
            .await;
    }
    double
        .answers(
            "GET",
            "/git/api/v1/repos/team/broken/topics",
            500,
            json!({}),
        )
        .await;
    let discovery = double.as_gitea().discover().await.unwrap();
    let names: Vec<&str> = discovery
        .repositories
        .iter()
        .map(|repository| repository.full_name.as_str())
        .collect();
    assert_eq!(names, ["team/older", "team/site"]);
    assert_eq!(discovery.repositories[1], site());
    assert_eq!(
        discovery.repositories[1].owner_kind,
        OwnerKind::Organization
    );
    assert_eq!(discovery.unanswered, [Part::Repository(4)]);
    let broken = repository(ForgeKind::Gitea, 4, "broken");
    let gone = repository(ForgeKind::Gitea, 9, "gone");
    let merged = discovery.with_known_at(&[broken.clone(), gone], 5);
    assert_eq!(merged[0], broken);
    assert_eq!(merged.len(), 3);
    let told: Vec<String> = discovery
        .left_out
        .iter()
        .map(|left| format!("{}: {}", left.full_name, left.reason))
        .chain(
            discovery
                .notices
                .iter()
                .map(|notice| format!("{}: {}", notice.about, notice.text)),
        )
        .collect();
    insta::assert_snapshot!(told.join("\n").replace(&double.server.uri(), "URL"), @r#"
    team/empty: it has no branch yet
    team/foreign: the token's user does not administer it, so there can be no webhook
    gitea:team/broken: cannot read the topics of `team/broken`: `URL/git/api/v1/repos/team/broken/topics` answered 500 (Internal Server Error)
    "#);
}

#[tokio::test]
async fn a_hook_is_made_once_and_changed_in_place() {
    let double = Double::gitea().await;
    let hooks = "/git/api/v1/repos/team/site/hooks";
    double.lists(hooks, vec![], plain).await;
    double.answers("POST", hooks, 201, json!({"id": 5})).await;
    let gitea = double.as_gitea();
    assert_eq!(
        gitea.ensure_hook(&site()).await.unwrap(),
        HookChange::Created
    );
    let made = &double.bodies(&format!("POST {hooks}")).await[0];
    insta::assert_snapshot!(serde_json::to_string_pretty(made).unwrap(), @r#"
    {
      "active": true,
      "branch_filter": "*",
      "config": {
        "content_type": "json",
        "secret": "hook-hunter2",
        "url": "https://ci.example.org/change_hook/gitea"
      },
      "events": [
        "delete",
        "pull_request",
        "push",
        "repository"
      ],
      "type": "gitea"
    }
    "#);

    let mut hook = made.clone();
    hook["id"] = json!(5);
    hook["config"].as_object_mut().unwrap().remove("secret");
    double.server.reset().await;
    double.lists(hooks, vec![hook], plain).await;
    double
        .answers("PATCH", &format!("{hooks}/5"), 200, json!({"id": 5}))
        .await;
    assert_eq!(
        gitea.ensure_hook(&site()).await.unwrap(),
        HookChange::Unchanged
    );
    double.write_secret("gitea-webhook-secret", "new-hunter2");
    assert_eq!(
        gitea.ensure_hook(&site()).await.unwrap(),
        HookChange::Updated
    );
}

#[tokio::test]
async fn the_token_that_writes_is_given_to_git_only_where_it_must() {
    let double = Double::gitea().await;
    let version = "/git/api/v1/version";
    double
        .answers("GET", version, 200, json!({"version": "1.24"}))
        .await;
    let gitea = double.as_gitea();
    assert_eq!(gitea.git_credentials(&site()).await.unwrap(), None);
    let private = Repository {
        private: true,
        ..site()
    };
    let credentials = gitea.git_credentials(&private).await.unwrap().unwrap();
    assert_eq!(credentials.password.expose(), "gitea-hunter2");

    let double = Double::gitea().await;
    double
        .answers("GET", version, 403, json!({"message": "sign in"}))
        .await;
    assert!(
        double
            .as_gitea()
            .git_credentials(&site())
            .await
            .unwrap()
            .is_some()
    );
}
