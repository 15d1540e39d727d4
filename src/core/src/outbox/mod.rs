//! Stage: outbox. In: which statuses a forge does not have yet, what came of sending one. Out: which
//! one to send now, and when to ask again.
//!
//! Pure: the time is passed in, and what a status says is no concern of it. The statuses
//! themselves are rows of a database, in which a newer one takes the place of an older one; so this
//! can be made again from the rows at any time, and whatever waits is the newest.

mod back_off;
mod lane;
mod queue;
#[cfg(test)]
mod tests;

pub use lane::Pace;
pub use queue::{Next, Outbox};

use std::time::Duration;

use crate::forge::ForgeKind;

/// What tells a status from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose.
    pub forge: ForgeKind,
    /// `<owner>/<name>`.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// What reports, e.g. `buildbot/nix-eval`.
    pub context: String,
}

impl Key {
    /// Rate limits are those of an owner: an installation of an App is one.
    fn lane(&self) -> (ForgeKind, &str) {
        let owner = self.repository.split('/').next().unwrap_or_default();
        (self.forge, owner)
    }
}

/// Which statuses go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// What a run comes to: people and merge queues wait for it.
    Verdict,
    /// How a single attribute ended.
    Detail,
    /// That something goes on. Soon to be replaced by how it ended.
    Progress,
}

impl Urgency {
    const ALL: [Self; 3] = [Self::Verdict, Self::Detail, Self::Progress];
}

/// A time, as what has passed since some fixed one.
pub type Time = Duration;
