use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::Notice;

use super::Repository;

/// What a forge said about which repositories are to be built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    /// Sorted by name.
    pub repositories: Vec<Repository>,
    /// Repositories that match the filters and are not built all the same.
    pub left_out: Vec<LeftOut>,
    /// What went wrong in parts, and what an admin should know.
    pub notices: Vec<Notice>,
    /// Parts of the forge that did not answer: nothing is known of their repositories, so the
    /// ones known before stay.
    pub unanswered: Vec<Part>,
}

/// A repository that is not built, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// `<owner>/<name>`.
    pub full_name: String,
    /// One sentence without a full stop.
    pub reason: String,
}

/// A part of a forge that is asked on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that the token can see.
    Everything,
    /// What one installation of the GitHub App can see.
    Installation(u64),
    /// The repository of this number.
    Repository(u64),
}

impl Part {
    fn holds(self, repository: &Repository) -> bool {
        match self {
            Self::Everything => true,
            Self::Installation(id) => repository.installation == Some(id),
            Self::Repository(id) => repository.id == id,
        }
    }
}

impl Discovery {
    /// The repositories to build, when those `known` before were from the same forge: what is new
    /// or changed, and what could not be asked after. Sorted by name.
    pub fn with_known(&self, known: &[Repository]) -> Vec<Repository> {
        self.with_known_at(known, jiff::Timestamp::now().as_second())
    }

    pub(super) fn with_known_at(&self, known: &[Repository], now: i64) -> Vec<Repository> {
        let known: BTreeMap<u64, &Repository> = known.iter().map(|it| (it.id, it)).collect();
        let is_unanswered = |it: &Repository| self.unanswered.iter().any(|part| part.holds(it));
        let kept = known
            .values()
            .filter(|repository| is_unanswered(repository));
        let mut by_id: BTreeMap<u64, Repository> = kept
            .map(|repository| (repository.id, (*repository).clone()))
            .collect();
        for repository in &self.repositories {
            let before = known.get(&repository.id);
            let before = before.filter(|before| before.full_name == repository.full_name);
            let named_at = before.map_or(Some(now), |before| before.named_at);
            let repository = Repository {
                named_at,
                ..repository.clone()
            };
            by_id.insert(repository.id, repository);
        }
        let mut repositories: Vec<Repository> = by_id.into_values().collect();
        repositories.sort_by(|left, right| left.full_name.cmp(&right.full_name));
        repositories
    }
}
