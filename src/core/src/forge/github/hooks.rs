use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::forge::hook::{ExistingHook, HookStep, WantedHook};
use crate::forge::http::{Call, Page};
use crate::forge::{Fault, ForgeError, HookChange, Repository};

use super::Github;
use super::access::{Access, Needs};
use super::wire::{HookConfig, WireHook};

/// What is delivered. Deletions of branches are pushes.
pub(super) const EVENTS: [&str; 5] = [
    "issue_comment",
    "merge_group",
    "pull_request",
    "push",
    "repository",
];

/// What the App is told alone, for the Re-run button.
pub(super) const CHECK_EVENT: &str = "check_run";

/// How long the App's own hook counts as looked at: about a discovery.
const APP_HOOK_LASTS: Duration = Duration::from_secs(60);

/// Stands for the App's own hook where those of repositories are kept by number.
const APP: u64 = 0;

impl Github {
    pub(super) async fn set_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError> {
        if self.settings.app_webhook {
            return self.set_app_hook().await;
        }
        let secret = self.secrets()?.of_repository(repository.id);
        let wanted = WantedHook {
            url: &self.hooks.url,
            events: &EVENTS,
            secret: &secret,
        };
        // All repositories of an installation need one; a token for each would double the requests.
        let access = Access::owner(repository, Needs::HOOKS);
        let existing = self.existing_hooks(repository, &access).await?;
        let memory = &self.api.http.memory;
        let (step, extra) = wanted.compare(&existing, memory.hook(repository.id).as_deref());
        for id in extra {
            self.delete(repository, id, &access).await?;
        }
        let (id, change) = match step {
            HookStep::Nothing { id } => (id, HookChange::Unchanged),
            HookStep::Create => {
                let doing = format!("create the webhook of `{repository}`");
                let url = self.api.url_in(repository, &["hooks"]);
                let mut body = shape(&wanted);
                body["name"] = json!("web");
                let call = Call::create(doing, url, body);
                let made: WireHook = self.api.read(&access, &call).await?;
                (made.id, HookChange::Created)
            }
            HookStep::Update { id } => {
                let doing = format!("update webhook {id} of `{repository}`");
                let url = self.api.url_in(repository, &["hooks", &id.to_string()]);
                let call = Call::patch(doing, url, shape(&wanted));
                self.api.send(&access, &call).await?;
                (id, HookChange::Updated)
            }
        };
        memory.set_hook(repository.id, Some(wanted.fingerprint(id)));
        if self.settings.check_runs {
            match self.set_app_hook().await {
                // The App has none, and so no button either.
                Err(error) if error.fault != Fault::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(change)
    }

    pub(super) async fn delete_hook(
        &self,
        repository: &Repository,
    ) -> Result<HookChange, ForgeError> {
        let mut change = HookChange::Unchanged;
        if self.settings.app_webhook {
            return Ok(change);
        }
        let access = Access::owner(repository, Needs::HOOKS);
        for hook in self.existing_hooks(repository, &access).await? {
            if hook.url == self.hooks.url {
                self.delete(repository, hook.id, &access).await?;
                change = HookChange::Removed;
            }
        }
        self.api.http.memory.set_hook(repository.id, None);
        Ok(change)
    }

    async fn delete(
        &self,
        repository: &Repository,
        id: u64,
        access: &Access,
    ) -> Result<(), ForgeError> {
        let url = self.api.url_in(repository, &["hooks", &id.to_string()]);
        let call = Call::delete(format!("delete webhook {id} of `{repository}`"), url);
        match self.api.send(access, &call).await {
            Err(error) if error.fault != Fault::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn existing_hooks(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<Vec<ExistingHook>, ForgeError> {
        let hooks = self.wire_hooks(repository, access).await?;
        Ok(hooks.into_iter().map(existing).collect())
    }

    pub(super) async fn wire_hooks(
        &self,
        repository: &Repository,
        access: &Access,
    ) -> Result<Vec<WireHook>, ForgeError> {
        let mut url = self.api.url_in(repository, &["hooks"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get(format!("list the webhooks of `{repository}`"), url);
        let pages: Vec<Page<Vec<WireHook>>> = self.api.list(access, &call).await?;
        Ok(pages.into_iter().flat_map(|page| page.content).collect())
    }

    /// The App has one hook for all. Its events are set where the App is.
    async fn set_app_hook(&self) -> Result<HookChange, ForgeError> {
        let secrets = self.secrets()?;
        let wanted = WantedHook {
            url: &self.hooks.url,
            events: &[],
            secret: secrets.of_app(),
        };
        let print = wanted.fingerprint(APP);
        let mut of_app = self.hooks.of_app.lock().await;
        let lasts =
            |(at, before): &(Instant, String)| at.elapsed() < APP_HOOK_LASTS && *before == print;
        if of_app.as_ref().is_some_and(lasts) {
            return Ok(HookChange::Unchanged);
        }
        let url = self.api.http.url(&["app", "hook", "config"]);
        let call = Call::get("read the webhook of the GitHub App", url.clone());
        let config: HookConfig = self.api.read(&Access::App, &call).await?;
        let hook = existing(WireHook {
            id: APP,
            active: true,
            events: Vec::new(),
            config,
        });
        let memory = &self.api.http.memory;
        // Whatever its address was: there is only this one.
        let hook = ExistingHook {
            is_active: hook.url == self.hooks.url,
            url: self.hooks.url.clone(),
            ..hook
        };
        let (step, _) = wanted.compare(&[hook], memory.hook(APP).as_deref());
        if matches!(step, HookStep::Nothing { .. }) {
            *of_app = Some((Instant::now(), print));
            return Ok(HookChange::Unchanged);
        }
        let body = shape(&wanted)["config"].clone();
        let call = Call::patch("update the webhook of the GitHub App", url, body);
        self.api.send(&Access::App, &call).await?;
        memory.set_hook(APP, Some(print.clone()));
        *of_app = Some((Instant::now(), print));
        Ok(HookChange::Updated)
    }
}

pub(super) fn existing(hook: WireHook) -> ExistingHook {
    ExistingHook {
        id: hook.id,
        is_active: hook.active,
        is_json: hook.config.content_type == "json",
        verifies_tls: hook.config.verifies_tls(),
        url: hook.config.url,
        events: hook.events,
    }
}

fn shape(wanted: &WantedHook<'_>) -> Value {
    json!({
        "active": true,
        "events": wanted.events,
        "config": {
            "url": wanted.url,
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": wanted.secret.expose(),
        },
    })
}
