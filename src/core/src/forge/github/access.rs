use crate::forge::{FullName, Repository};

/// Permissions of a GitHub App that a call needs, each with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needs(pub(super) &'static [(&'static str, &'static str)]);

impl Needs {
    pub(super) const METADATA: Self = Self(&[("metadata", "read")]);
    pub(super) const HOOKS: Self = Self(&[("metadata", "read"), ("repository_hooks", "write")]);
    pub(super) const STATUSES: Self = Self(&[("statuses", "write")]);
    pub(super) const CHECKS: Self = Self(&[("checks", "write")]);
    pub(super) const CONTENTS: Self = Self(&[("contents", "read")]);
    pub(super) const PULL_REQUESTS: Self = Self(&[("metadata", "read"), ("pull_requests", "read")]);
    pub(super) const MEMBERS: Self = Self(&[("members", "read")]);
}

/// Who a call is made as, and what for.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// The App itself.
    App,
    /// An installation, for all of its repositories.
    Installation { id: u64, needs: Needs },
    /// One repository.
    Repository {
        id: u64,
        name: FullName,
        installation: Option<u64>,
        needs: Needs,
    },
    /// One repository that was never asked after, by its name.
    Named {
        name: FullName,
        installation: Option<u64>,
        needs: Needs,
    },
}

impl Access {
    /// The one repository that it is about, if it is about one.
    pub(super) fn name(&self) -> Option<&FullName> {
        match self {
            Self::Repository { name, .. } | Self::Named { name, .. } => Some(name),
            Self::App | Self::Installation { .. } => None,
        }
    }

    pub(super) fn repository(repository: &Repository, needs: Needs) -> Self {
        Self::Repository {
            id: repository.id,
            name: repository.full_name.clone(),
            installation: repository.installation,
            needs,
        }
    }

    /// The installation that `repository` is reached through, if there is one.
    pub(super) fn owner(repository: &Repository, needs: Needs) -> Self {
        match repository.installation {
            Some(id) => Self::Installation { id, needs },
            None => Self::repository(repository, needs),
        }
    }
}
