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
        let mut by_id: BTreeMap<u64, &Repository> = BTreeMap::new();
        for repository in known {
            if self.unanswered.iter().any(|part| part.holds(repository)) {
                by_id.insert(repository.id, repository);
            }
        }
        for repository in &self.repositories {
            by_id.insert(repository.id, repository);
        }
        let mut repositories: Vec<Repository> = by_id.into_values().cloned().collect();
        repositories.sort_by(|left, right| left.full_name.cmp(&right.full_name));
        repositories
    }
}
