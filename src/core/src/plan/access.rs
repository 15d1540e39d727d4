use crate::auth::{Account, Action, Decision, Object, Owner, Provider, User};

use super::{MasterPlan, ProjectPlan};
use crate::forge::{ForgeKind, Permission};

impl MasterPlan {
    /// Whether `user` may do `action` to a project, or to the instance if that is None. `author`
    /// is who proposed what is built there.
    ///
    /// The forge's `permission` counts only if it [`depends`](Self::depends_on_permission) on it.
    pub fn rule(
        &self,
        user: Option<&User>,
        permission: Permission,
        action: Action,
        project: Option<&str>,
        author: Option<&Account>,
    ) -> Decision {
        let object = self.object(project, author);
        self.access.policy.decide(user, permission, action, object)
    }

    /// Whether that depends on what the project's forge says of the user.
    pub fn depends_on_permission(
        &self,
        user: Option<&User>,
        action: Action,
        project: Option<&str>,
        author: Option<&Account>,
    ) -> bool {
        let object = self.object(project, author);
        let policy = &self.access.policy;
        policy.depends_on_permission(user, action, object)
    }

    /// Whether only some may know of `project`.
    pub(super) fn is_hidden(&self, project: &ProjectPlan) -> bool {
        let repository = project.forge.as_ref();
        self.access.policy.hides_private && repository.is_some_and(|repository| repository.private)
    }

    fn object<'a>(&'a self, project: Option<&str>, author: Option<&'a Account>) -> Object<'a> {
        let Some(name) = project else {
            return Object::Instance;
        };
        let mut projects = self.projects.iter();
        let known = projects.find(|project| project.name.as_str() == name);
        Object::Project {
            owner: known
                .and_then(|project| project.forge.as_ref())
                .map(|repository| Owner {
                    provider: match repository.forge {
                        ForgeKind::Github => Provider::Github,
                        ForgeKind::Gitea => Provider::Gitea,
                    },
                    name: repository.full_name.owner(),
                }),
            // What is gone may have been private.
            is_private: known.is_none_or(|project| {
                let repository = project.forge.as_ref();
                repository.is_some_and(|repository| repository.private)
            }),
            author,
        }
    }
}
