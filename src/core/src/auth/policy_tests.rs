use super::*;
use crate::auth::Membership;

fn account(text: &str) -> Account {
    let (provider, login) = text.split_once(':').unwrap();
    Account {
        provider: provider.parse().unwrap(),
        login: login.to_owned(),
    }
}

/// `github:alice acme github:other`; a group without provider is the account's, `#7` the number.
fn user(text: &str) -> Option<User> {
    let (mut words, ids): (Vec<&str>, Vec<&str>) = text
        .split_whitespace()
        .partition(|word| !word.starts_with('#'));
    if words.is_empty() {
        return None;
    }
    let account = account(words.remove(0));
    let memberships = words.into_iter().map(|word| {
        let (provider, name) = word
            .split_once(':')
            .unwrap_or((account.provider.as_str(), word));
        Membership {
            provider: provider.parse().unwrap(),
            name: name.to_owned(),
        }
    });
    Some(User {
        memberships: memberships.collect(),
        account: account.clone(),
        id: ids.concat().trim_start_matches('#').to_owned(),
    })
}

fn policy() -> Policy {
    let admin = |provider, login: &str| Admin {
        provider,
        login: login.to_owned(),
    };
    Policy {
        admins: vec![
            admin(None, "Root"),
            admin(Some(Provider::Gitea), "gitboss"),
            admin(Some(Provider::Github), "#7"),
        ],
        authors_may_restart: true,
        hides_private: true,
        ..Policy::default()
    }
}

/// Decides about a project of `owner`, in words.
fn decide(
    policy: &Policy,
    who: &str,
    permission: Permission,
    action: Action,
    owner: &str,
) -> String {
    let (owner, is_private) = match owner.strip_prefix("private ") {
        Some(owner) => (owner, true),
        None => (owner, false),
    };
    let owner = owner.split_once(':').map(|(provider, name)| Owner {
        provider: provider.parse().unwrap(),
        name,
    });
    let author = account("github:Writer");
    let object = Object::Project {
        owner,
        is_private,
        author: Some(&author),
    };
    let user = user(who);
    let decision = policy.decide(user.as_ref(), permission, action, object);
    let word = if decision.is_allowed() { "yes" } else { "no" };
    format!("{word}: {}", decision.reason())
}

const MEMBERS: &str = "no: only members of acme and admins may do this";

#[rstest::rstest]
// Nobody.
#[case("", Action::See, "github:acme", "yes: public")]
#[case("", Action::Restart, "github:acme", "no: log in to do this")]
#[case("", Action::Force, "polled", "no: log in to do this")]
// A member, however the name is written; not of an organisation of that name elsewhere.
#[case("github:alice ACME", Action::Restart, "github:acme", "yes: member")]
#[case("github:alice acme", Action::Stop, "github:acme", "yes: member")]
#[case("github:alice acme", Action::Cancel, "github:acme", "yes: member")]
#[case("github:alice acme", Action::Force, "github:acme", "yes: member")]
#[case("github:alice acme", Action::Purge, "github:acme", "yes: member")]
#[case(
    "github:alice acme",
    Action::Operate,
    "github:acme",
    "no: only admins of this instance may do this"
)]
#[case(
    "github:alice acme",
    Action::Reload,
    "github:acme",
    "no: only admins of this instance may do this"
)]
#[case("gitea:alice acme", Action::Restart, "github:acme", MEMBERS)]
#[case("github:alice other", Action::Stop, "github:acme", MEMBERS)]
#[case(
    "github:alice acme",
    Action::Restart,
    "polled",
    "no: only admins of this instance may do this"
)]
// Who owns the repository; not who has that name elsewhere.
#[case("github:Acme", Action::Force, "github:acme", "yes: member")]
#[case("gitea:acme", Action::Force, "github:acme", MEMBERS)]
// Groups of an identity provider.
#[case("oidc:alice acme", Action::Force, "github:acme", "yes: member")]
#[case("oidc:acme", Action::Force, "github:acme", MEMBERS)]
// Names of groups are no roles.
#[case("github:alice admin admins Root", Action::Stop, "github:acme", MEMBERS)]
#[case("oidc:alice admin admins Root", Action::Stop, "github:acme", MEMBERS)]
// Admins, by name where it is the same as another's only if the provider ignores case.
#[case("github:root", Action::Stop, "polled", "yes: admin")]
#[case("oidc:Root", Action::Stop, "polled", "yes: admin")]
#[case("oidc:root", Action::Stop, "github:acme", MEMBERS)]
#[case("gitea:GitBoss", Action::Stop, "github:acme", "yes: admin")]
#[case("github:gitboss", Action::Stop, "github:acme", MEMBERS)]
// Whoever has the number, whatever they are called; nobody who is called like it.
#[case("github:whoever #7", Action::Stop, "github:acme", "yes: admin")]
#[case("gitea:whoever #7", Action::Stop, "github:acme", MEMBERS)]
#[case("github:7 #8", Action::Stop, "github:acme", MEMBERS)]
#[case("github:whoever", Action::Stop, "github:acme", MEMBERS)]
// Authors restart, and no more.
#[case(
    "github:writer",
    Action::Restart,
    "github:acme",
    "yes: author of the pull request"
)]
#[case("github:writer", Action::Stop, "github:acme", MEMBERS)]
#[case("gitea:writer", Action::Restart, "github:acme", MEMBERS)]
fn without_permissions(
    #[case] who: &str,
    #[case] action: Action,
    #[case] owner: &str,
    #[case] decided: &str,
) {
    assert_eq!(
        decide(&policy(), who, Permission::Nothing, action, owner),
        decided
    );
}

#[rstest::rstest]
#[case(
    "",
    Permission::Nothing,
    Action::See,
    "no: there is no such thing here"
)]
#[case(
    "github:bob",
    Permission::Nothing,
    Action::See,
    "no: there is no such thing here"
)]
#[case(
    "github:bob",
    Permission::Read,
    Action::See,
    "yes: may read the repository"
)]
#[case("github:root", Permission::Nothing, Action::See, "yes: admin")]
// Not even that it cannot be stopped is told.
#[case(
    "",
    Permission::Nothing,
    Action::Stop,
    "no: there is no such thing here"
)]
#[case(
    "github:alice acme",
    Permission::Nothing,
    Action::Stop,
    "no: there is no such thing here"
)]
#[case("github:alice acme", Permission::Read, Action::Stop, "yes: member")]
#[case(
    "github:writer",
    Permission::Nothing,
    Action::Restart,
    "no: there is no such thing here"
)]
fn private_repositories_are_hidden(
    #[case] who: &str,
    #[case] permission: Permission,
    #[case] action: Action,
    #[case] decided: &str,
) {
    let owner = "private github:acme";
    assert_eq!(decide(&policy(), who, permission, action, owner), decided);
}

#[test]
fn nothing_is_hidden_where_all_may_look() {
    let policy = Policy {
        hides_private: false,
        ..policy()
    };
    let owner = "private github:acme";
    let decided = decide(&policy, "", Permission::Nothing, Action::See, owner);
    assert_eq!(decided, "yes: public");
}

#[rstest::rstest]
#[case(
    "github:alice acme",
    Permission::Read,
    "no: only those who may push to the repository and admins may do this"
)]
#[case("github:bob", Permission::Write, "yes: member")]
#[case("github:bob", Permission::Admin, "yes: member")]
fn members_can_be_those_who_may_push(
    #[case] who: &str,
    #[case] permission: Permission,
    #[case] decided: &str,
) {
    let policy = Policy {
        members_by: MembersBy::Repository,
        ..policy()
    };
    assert_eq!(
        decide(&policy, who, permission, Action::Stop, "github:acme"),
        decided
    );
}

const BUILDERS: &str = "no: only members of acme/ci or ACME/release and admins may do this";

#[rstest::rstest]
#[case("github:alice acme acme/ci", "github:acme", "yes: member")]
#[case("github:alice ACME/CI", "github:acme", "yes: member")]
#[case("github:alice acme/release", "github:Acme", "yes: member")]
// Of the organisation, of another team, of that team elsewhere.
#[case("github:alice acme", "github:acme", BUILDERS)]
#[case("github:alice acme/docs", "github:acme", BUILDERS)]
#[case("gitea:alice acme/ci", "github:acme", BUILDERS)]
#[case("gitea:alice acme/ci", "gitea:acme", "yes: member")]
// A team is for what its organisation owns.
#[case(
    "github:alice acme/ci",
    "github:other",
    "no: only admins of this instance may do this"
)]
#[case("oidc:alice acme/ci", "github:acme", "yes: member")]
#[case("github:other", "github:other", "yes: member")]
fn members_can_be_those_of_teams(#[case] who: &str, #[case] owner: &str, #[case] decided: &str) {
    let team = |owner: &str, name: &str| Team {
        owner: owner.to_owned(),
        name: name.to_owned(),
    };
    let policy = Policy {
        members_by: MembersBy::Teams(vec![team("acme", "ci"), team("ACME", "release")]),
        ..policy()
    };
    let found = decide(&policy, who, Permission::Admin, Action::Force, owner);
    assert_eq!(found, decided);
}

#[test]
fn authors_restart_only_where_they_may() {
    let policy = Policy {
        authors_may_restart: false,
        ..policy()
    };
    let decided = decide(
        &policy,
        "github:writer",
        Permission::Nothing,
        Action::Restart,
        "github:acme",
    );
    assert_eq!(decided, MEMBERS);
}

#[test]
fn an_open_instance_is_open() {
    let policy = Policy {
        is_open: true,
        ..policy()
    };
    for action in Action::ALL {
        let decided = decide(
            &policy,
            "",
            Permission::Nothing,
            action,
            "private github:acme",
        );
        assert_eq!(decided, "yes: everybody may");
        assert!(
            policy
                .decide(None, Permission::Nothing, action, Object::Instance)
                .is_allowed()
        );
    }
}

#[test]
fn the_instance_is_for_admins() {
    let (policy, root, alice) = (policy(), user("github:root"), user("github:alice acme"));
    for action in Action::ALL {
        let decide = |user: &Option<User>| {
            let decision =
                policy.decide(user.as_ref(), Permission::Admin, action, Object::Instance);
            decision.is_allowed()
        };
        assert!(decide(&root));
        assert_eq!(decide(&alice), action == Action::See);
        assert_eq!(decide(&None), action == Action::See);
    }
}

#[rstest::rstest]
#[case("", Action::See, true, false)]
#[case("github:bob", Action::See, true, true)]
#[case("github:bob", Action::See, false, false)]
#[case("github:root", Action::See, true, false)]
#[case("github:alice acme", Action::Stop, false, false)]
#[case("github:alice acme", Action::Stop, true, true)]
fn forges_are_asked_only_if_it_matters(
    #[case] who: &str,
    #[case] action: Action,
    #[case] is_private: bool,
    #[case] depends: bool,
) {
    let owner = Owner {
        provider: Provider::Github,
        name: "acme",
    };
    let object = Object::Project {
        owner: Some(owner),
        is_private,
        author: None,
    };
    let user = user(who);
    assert_eq!(
        policy().depends_on_permission(user.as_ref(), action, object),
        depends
    );
}
