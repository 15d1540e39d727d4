//! Who may log in, and what users may do.

use buildbot_nix_core::auth::login::{self, LoginSettings};
use buildbot_nix_core::error::Error;
use pyo3::prelude::*;

use crate::auth::{self, Action, Ruling, User};
use crate::boundary;
use crate::forge_rows::Permission;
use crate::login::Logins;

use super::Plan;

#[pymethods]
impl Plan {
    #[getter]
    fn login_providers(&self) -> Vec<&'static str> {
        let providers = self.plan().access.providers.iter();
        providers.map(|provider| provider.as_str()).collect()
    }

    #[getter]
    fn session_lifetime(&self) -> u32 {
        self.plan().access.session_lifetime
    }

    #[getter]
    fn hides_private(&self) -> bool {
        self.plan().access.policy.hides_private
    }

    fn logins(&self, python: Python<'_>) -> PyResult<Option<Logins>> {
        boundary::call(python, || {
            let settings = LoginSettings::of(self.loaded.settings(), self.loaded.places())?;
            let logins = settings.map(login::Logins::new).transpose()?;
            Ok::<_, Error>(logins.map(Logins))
        })
    }

    #[pyo3(signature = (user, permission, action, project, author))]
    fn rule(
        &self,
        user: Option<&User>,
        permission: Permission,
        action: Action,
        project: Option<&str>,
        author: Option<&str>,
    ) -> Ruling {
        let author = author.and_then(auth::account);
        let user = user.map(|user| &user.0);
        let (permission, action) = (permission.into(), action.into());
        let plan = self.plan();
        plan.rule(user, permission, action, project, author.as_ref())
            .into()
    }

    #[pyo3(signature = (user, action, project, author))]
    fn depends_on_permission(
        &self,
        user: Option<&User>,
        action: Action,
        project: Option<&str>,
        author: Option<&str>,
    ) -> bool {
        let author = author.and_then(auth::account);
        let user = user.map(|user| &user.0);
        self.plan()
            .depends_on_permission(user, action.into(), project, author.as_ref())
    }
}
