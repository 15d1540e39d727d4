use serde_json::{Value, json};

use crate::forge::hook::{ExistingHook, HookStep, WantedHook};
use crate::forge::http::{Call, Page};
use crate::forge::{Fault, ForgeError, HookChange, Repository};

use super::Gitea;
use super::wire::WireHook;

/// What is delivered. `pull_request` includes comments on pull requests.
pub(super) const EVENTS: [&str; 4] = ["delete", "pull_request", "push", "repository"];

impl Gitea {
    pub(super) async fn set_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError> {
        let secret = self.secrets()?.of_repository(repository.id);
        let wanted = WantedHook {
            url: &self.hook_url,
            events: &EVENTS,
            secret: &secret,
        };
        let existing = self.existing_hooks(repository).await?;
        let memory = &self.api.http.memory;
        let (step, extra) = wanted.compare(&existing, memory.hook(repository.id).as_deref());
        for id in extra {
            self.delete(repository, id).await?;
        }
        let (id, change) = match step {
            HookStep::Nothing { id } => (id, HookChange::Unchanged),
            HookStep::Create => {
                let doing = format!("create the webhook of `{repository}`");
                let mut body = shape(&wanted);
                body["type"] = json!("gitea");
                let call = Call::create(doing, self.api.url_in(repository, &["hooks"]), body);
                let made: WireHook = self.api.read(&(), &call).await?;
                (made.id, HookChange::Created)
            }
            HookStep::Update { id } => {
                let doing = format!("update webhook {id} of `{repository}`");
                let url = self.api.url_in(repository, &["hooks", &id.to_string()]);
                let call = Call::patch(doing, url, shape(&wanted));
                self.api.send(&(), &call).await?;
                (id, HookChange::Updated)
            }
        };
        memory.set_hook(repository.id, Some(wanted.fingerprint(id)));
        Ok(change)
    }

    pub(super) async fn delete_hook(
        &self,
        repository: &Repository,
    ) -> Result<HookChange, ForgeError> {
        let mut change = HookChange::Unchanged;
        for hook in self.existing_hooks(repository).await? {
            if hook.url == self.hook_url {
                self.delete(repository, hook.id).await?;
                change = HookChange::Removed;
            }
        }
        self.api.http.memory.set_hook(repository.id, None);
        Ok(change)
    }

    async fn delete(&self, repository: &Repository, id: u64) -> Result<(), ForgeError> {
        let url = self.api.url_in(repository, &["hooks", &id.to_string()]);
        let call = Call::delete(format!("delete webhook {id} of `{repository}`"), url);
        match self.api.send(&(), &call).await {
            Err(error) if error.fault != Fault::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn existing_hooks(
        &self,
        repository: &Repository,
    ) -> Result<Vec<ExistingHook>, ForgeError> {
        let mut url = self.api.url_in(repository, &["hooks"]);
        url.set_query(Some("limit=50"));
        let call = Call::get(format!("list the webhooks of `{repository}`"), url);
        let pages: Vec<Page<Vec<WireHook>>> = self.api.list(&(), &call).await?;
        let hooks = pages.into_iter().flat_map(|page| page.content);
        Ok(hooks.map(existing).collect())
    }
}

fn existing(hook: WireHook) -> ExistingHook {
    ExistingHook {
        id: hook.id,
        is_active: hook.active,
        is_json: hook.config.content_type == "json",
        // A setting of the instance, not of a hook.
        verifies_tls: true,
        url: hook.config.url,
        events: hook.events,
    }
}

fn shape(wanted: &WantedHook<'_>) -> Value {
    json!({
        "active": true,
        "events": wanted.events,
        // What is not said is set to nothing: all branches.
        "branch_filter": "*",
        "config": {
            "url": wanted.url,
            "content_type": "json",
            "secret": wanted.secret.expose(),
        },
    })
}
