use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What earlier answers of a forge said, so that what did not change is not sent again, and which
/// hooks are as they should be, which the forge does not tell, because secrets are not shown.
///
/// To lose it costs requests and nothing else. It holds no secret.
#[derive(Debug, Default)]
pub(in crate::forge) struct Memory(Mutex<Kept>);

/// The content of a [`Memory`].
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(in crate::forge) struct Kept {
    /// By whose view of the forge, and URL.
    answers: BTreeMap<String, Answer>,
    /// Fingerprints of hooks, by number of the repository.
    hooks: BTreeMap<u64, String>,
}

/// An answer that can be asked for again on condition that it changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) etag: String,
    /// What was read of it, not all that was sent.
    pub(super) content: Value,
    pub(super) next: Option<String>,
    pub(super) last: Option<String>,
    pub(super) total: Option<u64>,
    /// When it was last of use, seconds since 1970.
    pub(super) used: i64,
}

/// Seconds after which an answer that nobody asked for is forgotten.
const UNUSED_MAX: i64 = 7 * 24 * 60 * 60;

impl Memory {
    pub(in crate::forge) fn new(kept: Kept) -> Self {
        Self(Mutex::new(kept))
    }

    /// Everything that is still of use at `now`.
    pub(in crate::forge) fn kept(&self, now: i64) -> Kept {
        let mut kept = self.lock();
        kept.answers
            .retain(|_, answer| now - answer.used < UNUSED_MAX);
        kept.clone()
    }

    pub(super) fn answer(&self, key: &str, now: i64) -> Option<Answer> {
        let mut kept = self.lock();
        let answer = kept.answers.get_mut(key)?;
        answer.used = now;
        Some(answer.clone())
    }

    pub(super) fn remember(&self, key: String, answer: Option<Answer>) {
        let mut kept = self.lock();
        match answer {
            Some(answer) => kept.answers.insert(key, answer),
            None => kept.answers.remove(&key),
        };
    }

    /// The fingerprint of the hook of repository number `id`, as last set.
    pub(in crate::forge) fn hook(&self, id: u64) -> Option<String> {
        self.lock().hooks.get(&id).cloned()
    }

    /// Notes that the hook of repository number `id` is now as `fingerprint` says.
    pub(in crate::forge) fn set_hook(&self, id: u64, fingerprint: Option<String>) {
        let mut kept = self.lock();
        match fingerprint {
            Some(fingerprint) => kept.hooks.insert(id, fingerprint),
            None => kept.hooks.remove(&id),
        };
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_until_it_is_old() {
        let memory = Memory::default();
        let answer = Answer {
            etag: "\"1\"".to_owned(),
            content: Value::from(1),
            next: None,
            last: None,
            total: None,
            used: 100,
        };
        memory.remember("a".to_owned(), Some(answer.clone()));
        memory.set_hook(7, Some("f".to_owned()));
        let bytes = serde_json::to_vec(&memory.kept(100)).unwrap();
        let again = Memory::new(serde_json::from_slice(&bytes).unwrap());
        assert_eq!(again.answer("a", 200).unwrap().content, answer.content);
        assert_eq!(again.hook(7).as_deref(), Some("f"));
        let old = Memory::new(again.kept(200 + UNUSED_MAX));
        assert!(old.answer("a", 0).is_none());
        assert_eq!(old.hook(7).as_deref(), Some("f"));
    }
}
