use std::fmt::Write as _;

use crate::forge::Permission;

use super::{Account, Action, Admin, Membership, Object, Owner, Policy, Provider, User};

/// The rights that each kind of user has by default, as a table in Markdown: what
/// `docs/authentication.md` shows is what [`Policy::decide`] says.
pub fn rights_table() -> String {
    let owner = Owner {
        provider: Provider::Github,
        name: "acme",
    };
    let policy = Policy {
        admins: vec![Admin {
            provider: None,
            login: "admin".to_owned(),
        }],
        authors_may_restart: true,
        hides_private: true,
        ..Policy::default()
    };
    let stranger = user("stranger", &[]);
    let users = [
        ("not logged in", None, Permission::Nothing),
        ("logged in", Some(stranger.clone()), Permission::Nothing),
        (
            "author of the pull request",
            Some(user("author", &[])),
            Permission::Read,
        ),
        (
            "member of the owner",
            Some(user("member", &["acme"])),
            Permission::Write,
        ),
        ("admin", Some(user("admin", &[])), Permission::Nothing),
    ];
    let author = account("author");
    let objects = [
        ("a public repository", false),
        ("a private repository", true),
    ];
    let mut table = String::from("| may | of |");
    for (name, ..) in &users {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n| --- | --- |");
    table.push_str(&" --- |".repeat(users.len()));
    let mut row = |action: Action, of: &str, object: Object<'_>| {
        let _ = write!(table, "\n| {} | {of} |", action.as_str());
        for (_, user, permission) in &users {
            let decision = policy.decide(user.as_ref(), *permission, action, object);
            table.push_str(if decision.is_allowed() {
                " yes |"
            } else {
                " no |"
            });
        }
    };
    for action in Action::ALL {
        if matches!(action, Action::Reload | Action::Operate) {
            row(action, "the instance", Object::Instance);
            continue;
        }
        for (of, is_private) in objects {
            let object = Object::Project {
                owner: Some(owner),
                is_private,
                author: Some(&author),
            };
            row(action, of, object);
        }
        let polled = Object::Project {
            owner: None,
            is_private: false,
            author: None,
        };
        row(action, "a polled repository", polled);
    }
    table.push('\n');
    table
}

fn account(login: &str) -> Account {
    Account {
        provider: Provider::Github,
        login: login.to_owned(),
    }
}

fn user(login: &str, organisations: &[&str]) -> User {
    let memberships = organisations.iter().map(|name| Membership {
        provider: Provider::Github,
        name: (*name).to_owned(),
    });
    User {
        account: account(login),
        id: String::new(),
        memberships: memberships.collect(),
    }
}
