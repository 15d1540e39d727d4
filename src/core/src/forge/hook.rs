use std::fmt::Write as _;

use aws_lc_rs::hmac;

use crate::config::WebhookSettings;
use crate::secret::{Secret, SecretFileError, SecretPlaces};

/// What deliveries are signed with.
#[derive(Debug, Clone)]
pub struct HookSecrets {
    current: Secret<String>,
    previous: Option<Secret<String>>,
    is_per_repository: bool,
}

impl HookSecrets {
    /// Reads the files that `settings` name.
    pub fn load(
        settings: &WebhookSettings,
        places: &SecretPlaces,
    ) -> Result<Self, SecretFileError> {
        let previous = settings.previous_secret_file.as_ref();
        Ok(Self {
            current: settings.secret_file.read(places)?,
            previous: previous.map(|file| file.read(places)).transpose()?,
            is_per_repository: settings.per_repository,
        })
    }

    /// What the hook of repository number `id` is set to.
    pub fn of_repository(&self, id: u64) -> Secret<String> {
        if self.is_per_repository {
            derived(&self.current, id)
        } else {
            self.current.clone()
        }
    }

    /// What the App's own webhook is set to.
    pub fn of_app(&self) -> &Secret<String> {
        &self.current
    }

    /// What a delivery about repository number `id`, if it says one, may be signed with: until
    /// every hook has the new secret, some have an older one.
    pub fn accepted(&self, id: Option<u64>) -> Vec<Secret<String>> {
        let configured = [Some(&self.current), self.previous.as_ref()];
        let configured = configured.into_iter().flatten();
        let mut accepted: Vec<Secret<String>> = configured.clone().cloned().collect();
        if let Some(id) = id {
            accepted.extend(configured.map(|secret| derived(secret, id)));
        }
        accepted
    }
}

/// The secret of one repository, made from the configured one: who learns it can forge deliveries
/// of that repository and of no other.
fn derived(secret: &Secret<String>, id: u64) -> Secret<String> {
    Secret::new(digest(secret, &format!("webhook of repository {id}")))
}

fn digest(secret: &Secret<String>, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// How a hook should be.
#[derive(Debug)]
pub(super) struct WantedHook<'a> {
    pub(super) url: &'a str,
    pub(super) events: &'a [&'a str],
    pub(super) secret: &'a Secret<String>,
}

/// How a hook is, as far as its forge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExistingHook {
    pub(super) id: u64,
    pub(super) url: String,
    pub(super) is_active: bool,
    pub(super) is_json: bool,
    pub(super) verifies_tls: bool,
    pub(super) events: Vec<String>,
}

/// What has to be done for a hook to be as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HookStep {
    Nothing { id: u64 },
    Create,
    Update { id: u64 },
}

/// What became of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookChange {
    /// It was as it should be.
    Unchanged,
    /// There was none.
    Created,
    /// It was for other events, another address or another secret.
    Updated,
    /// There was one.
    Removed,
}

impl WantedHook<'_> {
    /// Says all that is wanted, the secret too, without showing it. It is kept where the secret
    /// is not.
    pub(super) fn fingerprint(&self, id: u64) -> String {
        let text = format!("hook {id} to {} for {}", self.url, self.events.join(" "));
        format!("{id} {}", digest(self.secret, &text))
    }

    /// What to do when there are `existing` hooks, and which of them are too many. `remembered` is
    /// the fingerprint of what was set last, because the forge does not show secrets.
    pub(super) fn compare(
        &self,
        existing: &[ExistingHook],
        remembered: Option<&str>,
    ) -> (HookStep, Vec<u64>) {
        let remembered_id = remembered
            .and_then(|text| text.split_once(' '))
            .and_then(|(id, _)| id.parse::<u64>().ok());
        let is_ours = |hook: &&ExistingHook| hook.url == self.url || Some(hook.id) == remembered_id;
        let mut ours: Vec<&ExistingHook> = existing.iter().filter(is_ours).collect();
        // The one we know first, then the oldest.
        ours.sort_by_key(|hook| (Some(hook.id) != remembered_id, hook.id));
        let Some((kept, extra)) = ours.split_first() else {
            return (HookStep::Create, Vec::new());
        };
        let is_right = kept.url == self.url
            && kept.is_active
            && kept.is_json
            && kept.verifies_tls
            && self
                .events
                .iter()
                .all(|event| kept.events.iter().any(|other| other == event))
            && remembered == Some(self.fingerprint(kept.id).as_str());
        let step = if is_right {
            HookStep::Nothing { id: kept.id }
        } else {
            HookStep::Update { id: kept.id }
        };
        (step, extra.iter().map(|hook| hook.id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(per_repository: bool) -> HookSecrets {
        HookSecrets {
            current: Secret::new("new".to_owned()),
            previous: Some(Secret::new("old".to_owned())),
            is_per_repository: per_repository,
        }
    }

    #[test]
    fn what_hooks_are_set_to_is_accepted_also_after_a_change_of_mode() {
        for per_repository in [false, true] {
            let secrets = secrets(per_repository);
            let accepted = secrets.accepted(Some(7));
            assert_eq!(accepted.len(), 4);
            for mode in [false, true] {
                assert!(accepted.contains(&self::secrets(mode).of_repository(7)));
            }
            assert!(!accepted.contains(&self::secrets(true).of_repository(8)));
            assert_eq!(secrets.accepted(None).len(), 2);
        }
        // Fixed: hooks have been set to it.
        insta::assert_snapshot!(
            secrets(true).of_repository(7).expose(),
            @"d392c7f8fbd969a1e0d13c52a83640cf31cd10be6ab51539ce058744877ab4f6"
        );
    }

    fn hook(id: u64, url: &str) -> ExistingHook {
        ExistingHook {
            id,
            url: url.to_owned(),
            is_active: true,
            is_json: true,
            verifies_tls: true,
            events: vec![
                "push".to_owned(),
                "pull_request".to_owned(),
                "star".to_owned(),
            ],
        }
    }

    #[test]
    fn hooks_are_changed_only_if_something_is_wrong() {
        let secret = Secret::new("new".to_owned());
        let wanted = WantedHook {
            url: "https://ci/",
            events: &["pull_request", "push"],
            secret: &secret,
        };
        let print = wanted.fingerprint(1);
        let one = hook(1, "https://ci/");
        let compare = |hooks: &[ExistingHook], print: Option<&str>| wanted.compare(hooks, print);
        let update = |id| (HookStep::Update { id }, vec![]);

        assert_eq!(compare(&[], None), (HookStep::Create, vec![]));
        assert_eq!(
            compare(&[hook(1, "https://other/")], None),
            (HookStep::Create, vec![])
        );
        assert_eq!(
            compare(std::slice::from_ref(&one), Some(&print)),
            (HookStep::Nothing { id: 1 }, vec![])
        );
        // Nobody knows which secret it has.
        assert_eq!(compare(std::slice::from_ref(&one), None), update(1));
        // Our own of yesterday, when the address was another one.
        assert_eq!(compare(&[hook(1, "https://old/")], Some(&print)), update(1));
        // The one that was remembered is gone.
        assert_eq!(compare(&[hook(2, "https://ci/")], Some(&print)), update(2));
        // Two would deliver everything twice.
        assert_eq!(
            compare(&[hook(0, "https://ci/"), one.clone()], Some(&print)),
            (HookStep::Nothing { id: 1 }, vec![0])
        );
        for change in [
            |hook: &mut ExistingHook| hook.is_active = false,
            |hook: &mut ExistingHook| hook.is_json = false,
            |hook: &mut ExistingHook| hook.verifies_tls = false,
            |hook: &mut ExistingHook| hook.events = vec!["push".to_owned()],
        ] {
            let mut wrong = one.clone();
            change(&mut wrong);
            assert_eq!(compare(&[wrong], Some(&print)), update(1));
        }
        let other = Secret::new("newer".to_owned());
        let rotated = WantedHook {
            secret: &other,
            ..wanted
        };
        assert_eq!(rotated.compare(&[one], Some(&print)), update(1));
    }
}
