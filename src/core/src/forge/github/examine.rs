use serde::{Deserialize, Serialize};

use crate::forge::examine::{CONTEXTS, hook_findings};
use crate::forge::http::Call;
use crate::forge::{
    Delivery, Examination, Finding, ForgeError, ForgeKind, ProjectExamination, ReportedStatus,
    Repository,
};

use super::Github;
use super::access::{Access, Needs};
use super::hooks::{CHECK_EVENT, EVENTS, existing};
use super::wire::{HookConfig, Installation, Permissions, WireHook, missing};

/// Permissions of the App, and what does not work without each.
const PERMISSIONS: [(&str, &str, &str); 7] = [
    ("metadata", "read", "no repository is found"),
    ("contents", "read", "private repositories cannot be fetched"),
    ("statuses", "write", "commits get no status"),
    (
        "checks",
        "write",
        "commits get no check runs, and so no word at all",
    ),
    (
        "repository_hooks",
        "write",
        "repositories get no webhook, so pushes and pull requests are not noticed",
    ),
    (
        "pull_requests",
        "read",
        "pull requests of private repositories whose event was lost are not found",
    ),
    (
        "members",
        "read",
        "members of organisations count as strangers",
    ),
];
/// Seconds by which clocks may differ before that is worth a word.
const SKEW: i64 = 30;

impl Github {
    pub(super) async fn examine_access(&self) -> Examination {
        let mut examination = Examination {
            forge: ForgeKind::Github,
            url: self.settings.url.to_string(),
            token: None,
            findings: Vec::new(),
            projects: Vec::new(),
            left_out: Vec::new(),
        };
        let examined = if self.is_app() {
            self.examine_app(&mut examination).await
        } else {
            self.examine_person(&mut examination).await
        };
        if let Err(error) = examined {
            examination.findings.push(error.into());
        }
        if let Err(error) = self.secrets() {
            examination.findings.push(error.into());
        }
        examination
    }

    async fn examine_app(&self, examination: &mut Examination) -> Result<(), ForgeError> {
        #[derive(Deserialize)]
        struct App {
            #[serde(default)]
            slug: Option<String>,
            #[serde(default)]
            permissions: Permissions,
            #[serde(default)]
            events: Vec<String>,
        }
        let call = Call::get("read the GitHub App", self.api.http.url(&["app"]));
        let reply = self.api.send(&Access::App, &call).await?;
        if let Some(date) = reply.date() {
            let ahead = self.api.http.clock.adjust(date);
            if ahead.abs() > SKEW {
                let (by, which) = (ahead.abs(), if ahead > 0 { "ahead of" } else { "behind" });
                examination.findings.push(Finding::advice(
                    format!("this machine's clock is {by} s {which} GitHub's"),
                    "synchronise it, e.g. with NTP",
                ));
            }
        }
        let app: App = reply.json(&call)?;
        let name = app.slug.unwrap_or_default();
        let installations = self.installations().await?;
        let names: Vec<String> = installations.iter().map(Installation::name).collect();
        examination.token = Some(format!(
            "GitHub App `{name}`, installed for {}",
            if names.is_empty() {
                "nobody".to_owned()
            } else {
                names.join(", ")
            }
        ));
        examination
            .findings
            .extend(self.lacking(&app.permissions).into_iter().map(|lacking| {
            Finding::problem(
                format!("the GitHub App lacks {lacking}"),
                "add it in the App's settings, and accept the change where the App is installed",
            )
        }));
        for installation in &installations {
            let account = installation.name();
            for lacking in self.lacking(&installation.permissions) {
                // What the App itself lacks is told already.
                if !self.lacking(&app.permissions).contains(&lacking) {
                    examination.findings.push(Finding::problem(
                        format!("`{account}` has not granted {lacking}"),
                        "who owns it has to accept the App's new permissions, in its settings \
                         under `GitHub Apps`",
                    ));
                }
            }
        }
        self.examine_submodules(examination).await;
        if self.settings.app_webhook || self.settings.check_runs {
            self.examine_app_hook(&app.events, examination).await?;
        }
        Ok(())
    }

    async fn examine_submodules(&self, examination: &mut Examination) {
        for name in &self.settings.common.submodules {
            let access = Access::Named {
                name: name.clone(),
                installation: None,
                needs: Needs::CONTENTS,
            };
            if let Err(error) = self.api.authority.for_git(&access).await {
                examination.findings.push(Finding::problem(
                    format!("submodule `{name}` cannot be fetched: {error}"),
                    "install the App for it, or take it out of `github.submodules`",
                ));
            }
        }
    }

    /// What is missing of the permissions, and what that breaks.
    fn lacking(&self, granted: &Permissions) -> Vec<String> {
        PERMISSIONS
            .iter()
            .filter(|(name, ..)| self.is_used(name))
            .filter(|(name, level, _)| !missing(granted, &[(*name, *level)]).is_empty())
            .map(|(name, level, breaks)| format!("`{name}: {level}`: {breaks}"))
            .collect()
    }

    /// Whether the settings need the permission `name`.
    fn is_used(&self, name: &str) -> bool {
        match name {
            "repository_hooks" => !self.settings.app_webhook,
            "statuses" => !self.settings.check_runs,
            "checks" => self.settings.check_runs,
            _ => true,
        }
    }

    async fn examine_app_hook(
        &self,
        events: &[String],
        examination: &mut Examination,
    ) -> Result<(), ForgeError> {
        let url = self.api.http.url(&["app", "hook", "config"]);
        let call = Call::get("read the webhook of the GitHub App", url);
        let config: HookConfig = self.api.read(&Access::App, &call).await?;
        if config.url != self.hooks.url {
            examination.findings.push(Finding::problem(
                format!(
                    "the webhook of the GitHub App delivers to `{}` instead of `{}`",
                    config.url, self.hooks.url
                ),
                "the next discovery sets it; if it was switched off, switch it on in the App's settings",
            ));
        }
        let of_app = self.settings.app_webhook.then_some(EVENTS);
        let of_checks = self.settings.check_runs.then_some(CHECK_EVENT);
        let missing: Vec<&str> = of_app
            .into_iter()
            .flatten()
            .chain(of_checks)
            .filter(|event| !events.iter().any(|other| other == event))
            .collect();
        if !missing.is_empty() {
            examination.findings.push(Finding::problem(
                format!(
                    "the GitHub App does not get the events {}",
                    missing.join(", ")
                ),
                "tick them in the App's settings, under `Permissions & events`",
            ));
        }
        Ok(())
    }

    async fn examine_person(&self, examination: &mut Examination) -> Result<(), ForgeError> {
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        let call = Call::get("ask whose token it is", self.api.http.url(&["user"]));
        let reply = self.api.send(&Access::App, &call).await?;
        let user: User = reply.json(&call)?;
        let scopes = reply.text("x-oauth-scopes").map(str::to_owned);
        examination.token = Some(format!("personal access token of `{}`", user.login));
        examination.findings.push(Finding::advice(
            "a personal access token can do everywhere what its user can, and fetches with it",
            "use a GitHub App, whose tokens are for one repository and one hour",
        ));
        let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
            examination.findings.push(Finding::advice(
                "GitHub does not tell what a fine-grained token may do",
                "it needs, for every repository: Contents and Pull requests read, Commit statuses \
                 and Webhooks write",
            ));
            return Ok(());
        };
        let has = |any: &[&str]| scopes.split(',').any(|scope| any.contains(&scope.trim()));
        for (any, breaks) in [
            (
                &["repo"][..],
                "commits get no status and private repositories are not found",
            ),
            (
                &["admin:repo_hook", "write:repo_hook"],
                "repositories get no webhook, so pushes and pull requests are not noticed",
            ),
            (
                &["read:org", "write:org", "admin:org"],
                "members of organisations count as strangers",
            ),
        ] {
            if !has(any) {
                examination.findings.push(Finding::problem(
                    format!("the token lacks the scope `{}`: {breaks}", any[0]),
                    "add it to the token on GitHub, under Developer settings",
                ));
            }
        }
        if let Some(end) = reply.text("github-authentication-token-expiration") {
            examination.findings.push(Finding::advice(
                format!("the token expires at {end}"),
                "put a new one into the file before",
            ));
        }
        Ok(())
    }

    pub(super) async fn examine_repository(&self, repository: &Repository) -> ProjectExamination {
        let mut examination = ProjectExamination {
            full_name: repository.full_name.to_string(),
            token: match repository.installation {
                Some(id) => format!("installation {id} of the GitHub App"),
                None => "personal access token".to_owned(),
            },
            hook: None,
            last_delivery: None,
            last_status: None,
            findings: Vec::new(),
        };
        if self.settings.app_webhook {
            examination.hook = Some(format!("{} (the App's)", self.hooks.url));
        } else if let Err(error) = self.examine_hook(repository, &mut examination).await {
            examination.findings.push(error.into());
        }
        match self.last_status(repository).await {
            Ok(status) => examination.last_status = status,
            Err(error) => examination.findings.push(error.into()),
        }
        examination
    }

    async fn examine_hook(
        &self,
        repository: &Repository,
        examination: &mut ProjectExamination,
    ) -> Result<(), ForgeError> {
        #[derive(Deserialize)]
        struct WireDelivery {
            delivered_at: String,
            event: String,
            status_code: u16,
        }
        let access = Access::owner(repository, Needs::HOOKS);
        let hooks = self.wire_hooks(repository, &access).await?;
        let hook: Option<WireHook> = hooks
            .into_iter()
            .find(|hook| hook.config.url == self.hooks.url);
        let Some(hook) = hook else {
            examination.findings = hook_findings(None, &EVENTS, &self.hooks.url);
            return Ok(());
        };
        let id = hook.id.to_string();
        let hook = existing(hook);
        examination.findings = hook_findings(Some(&hook), &EVENTS, &self.hooks.url);
        examination.hook = Some(format!("{} ({})", hook.url, hook.events.join(", ")));
        let mut url = self.api.url_in(repository, &["hooks", &id, "deliveries"]);
        url.set_query(Some("per_page=1"));
        let call = Call::get(format!("list the deliveries of `{repository}`"), url);
        let deliveries: Vec<WireDelivery> = self.api.read(&access, &call).await?;
        if let Some(last) = deliveries.into_iter().next() {
            examination
                .findings
                .extend(delivery_finding(last.status_code));
            examination.last_delivery = Some(Delivery {
                at: last.delivered_at,
                event: last.event,
                answer: last.status_code,
            });
        }
        Ok(())
    }

    async fn last_status(
        &self,
        repository: &Repository,
    ) -> Result<Option<ReportedStatus>, ForgeError> {
        #[derive(Serialize, Deserialize)]
        struct Combined {
            statuses: Vec<WireStatus>,
        }
        #[derive(Serialize, Deserialize)]
        struct WireStatus {
            context: String,
            state: String,
            updated_at: String,
        }
        let Some(head) = self.head(repository, &repository.default_branch).await? else {
            return Ok(None);
        };
        let mut url = self.api.url_in(repository, &["commits", &head, "status"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get(format!("read the statuses of `{repository}`"), url);
        let access = Access::repository(repository, Needs::STATUSES);
        let combined: Combined = self.api.read(&access, &call).await?;
        let ours = combined
            .statuses
            .into_iter()
            .filter(|status| status.context.starts_with(CONTEXTS));
        let newest = ours.max_by(|left, right| left.updated_at.cmp(&right.updated_at));
        Ok(newest.map(|status| ReportedStatus {
            context: status.context,
            state: status.state,
            at: status.updated_at,
        }))
    }
}

/// What our answer to the newest delivery shows.
fn delivery_finding(answer: u16) -> Option<Finding> {
    let (text, hint) = match answer {
        200..=299 => return None,
        0 => (
            "GitHub got no answer to the newest event".to_owned(),
            "can GitHub reach this address, and is its certificate good?",
        ),
        401 | 403 => (
            format!("the newest event was refused with {answer}, as one with a wrong signature"),
            "the next discovery sets the secret of the webhook; until then, redeliver it by hand",
        ),
        404 => (
            "the newest event was answered with 404".to_owned(),
            "is `webhook_base_url` the address under which the master's web server is seen?",
        ),
        _ => (
            format!("the newest event was answered with {answer}"),
            "the master's log says why",
        ),
    };
    Some(Finding::problem(text, hint))
}
