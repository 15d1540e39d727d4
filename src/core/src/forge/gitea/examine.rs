use serde::Deserialize;

use crate::forge::common::User;
use crate::forge::examine::{CONTEXTS, hook_findings};
use crate::forge::http::Call;
use crate::forge::{
    Examination, Fault, Finding, ForgeError, ForgeKind, ProjectExamination, ReportedStatus,
    Repository,
};

use super::Gitea;
use super::hooks::EVENTS;

impl Gitea {
    pub(super) async fn examine_access(&self) -> Examination {
        let mut examination = Examination {
            forge: ForgeKind::Gitea,
            url: self.settings.url.to_string(),
            token: None,
            findings: Vec::new(),
            projects: Vec::new(),
            left_out: Vec::new(),
        };
        if let Err(error) = self.examine_token(&mut examination).await {
            examination.findings.push(error.into());
        }
        if let Err(error) = self.secrets() {
            examination.findings.push(error.into());
        }
        if self.settings.git_token_file.is_none() && self.settings.ssh_private_key_file.is_none() {
            examination.findings.push(Finding::advice(
                "private repositories are fetched with a token that can also write to them",
                "make a token with the scope `read:repository` alone and name its file in \
                 `gitea.git_token_file`",
            ));
        }
        examination
    }

    async fn examine_token(&self, examination: &mut Examination) -> Result<(), ForgeError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let call = Call::get("ask for the version", self.api.http.url(&["version"]));
        let version: Version = self.api.read(&(), &call).await?;
        let call = Call::get("ask whose token it is", self.api.http.url(&["user"]));
        let user: User = self.api.read(&(), &call).await?;
        examination.token = Some(format!(
            "token of `{}`, version {}",
            user.login, version.version
        ));
        let call = Call::get(
            "list the organisations of the token's user",
            self.api.http.url(&["user", "orgs"]),
        );
        match self.api.send(&(), &call).await {
            Err(error) if error.fault == Fault::Auth => {
                examination.findings.push(Finding::advice(
                    "the token lacks the scope `read:organization`: members of organisations count \
                     as strangers",
                    "make a new token with it; those of before cannot be changed",
                ));
                Ok(())
            }
            other => other.map(drop),
        }
    }

    pub(super) async fn examine_repository(&self, repository: &Repository) -> ProjectExamination {
        let mut examination = ProjectExamination {
            full_name: repository.full_name.to_string(),
            token: "gitea.token_file".to_owned(),
            hook: None,
            last_delivery: None,
            last_status: None,
            findings: Vec::new(),
        };
        match self.existing_hooks(repository).await {
            Ok(hooks) => {
                let hook = hooks.iter().find(|hook| hook.url == self.hook_url);
                examination.findings = hook_findings(hook, &EVENTS, &self.hook_url);
                examination.hook =
                    hook.map(|hook| format!("{} ({})", hook.url, hook.events.join(", ")));
            }
            Err(error) => examination.findings.push(error.into()),
        }
        match self.last_status(repository).await {
            Ok(status) => examination.last_status = status,
            Err(error) => examination.findings.push(error.into()),
        }
        examination
    }

    async fn last_status(
        &self,
        repository: &Repository,
    ) -> Result<Option<ReportedStatus>, ForgeError> {
        #[derive(Deserialize)]
        struct WireStatus {
            context: String,
            status: String,
            updated_at: String,
        }
        let Some(head) = self.head(repository, &repository.default_branch).await? else {
            return Ok(None);
        };
        let mut url = self.api.url_in(repository, &["statuses", &head]);
        url.set_query(Some("sort=recentupdate&limit=50"));
        let call = Call::get(format!("read the statuses of `{repository}`"), url);
        let statuses: Vec<WireStatus> = self.api.read(&(), &call).await?;
        let ours = statuses
            .into_iter()
            .filter(|status| status.context.starts_with(CONTEXTS));
        let newest = ours.max_by(|left, right| left.updated_at.cmp(&right.updated_at));
        Ok(newest.map(|status| ReportedStatus {
            context: status.context,
            state: status.status,
            at: status.updated_at,
        }))
    }
}
