//! Attributes that were there in an earlier evaluation and are not any more.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Run;
use crate::machine_line::LISTED_MAX;
use crate::nix::{AttrPath, System};

/// The attributes of an evaluation that went to its end, as they are kept until the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// What was evaluated; with anything else there is nothing to compare.
    attribute: String,
    flake_dir: String,
    systems: Vec<System>,
    /// Sorted.
    pub(super) paths: Vec<AttrPath>,
}

/// Attributes that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The branch whose last evaluation had them.
    pub branch: String,
    /// Their names for people.
    pub attrs: Vec<String>,
}

impl Names {
    /// What [`Names::to_text`] has written; `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// To be kept.
    pub fn to_text(&self) -> String {
        // Strings and lists of them can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn is_comparable(&self, other: &Self) -> bool {
        self.attribute == other.attribute
            && self.flake_dir == other.flake_dir
            && self.systems == other.systems
    }
}

impl Run {
    /// The attributes of this evaluation; `None` if it did not go to its end.
    ///
    /// `before` are those of the last evaluation of `branch`. What is gone since is noted in
    /// [`Run::lost`]: not what failed to evaluate, nor what is below such, nor what is for another
    /// system now. If other attributes or systems are evaluated than before, nothing is.
    pub fn compare(&mut self, before: Option<&Names>, branch: &str) -> Option<Names> {
        let start = self.start.as_ref()?;
        if !self.evaluated || self.cancelled || self.fatal.is_some() {
            return None;
        }
        let jobs = self.attributes.iter().filter_map(|it| it.job.as_ref());
        let jobs = jobs.map(|job| &job.attr_path);
        let mut now = Names {
            attribute: start.attribute.clone(),
            flake_dir: start.flake_dir.clone(),
            systems: start.systems.clone(),
            paths: jobs.chain(&self.failed).cloned().collect(),
        };
        if let Some(before) = before.filter(|before| before.is_comparable(&now)) {
            let (hidden, gone) = self.missing(before, &now.paths);
            now.paths.extend(hidden);
            self.lost = (!gone.is_empty()).then(|| Lost {
                branch: branch.to_owned(),
                attrs: gone.iter().map(ToString::to_string).collect(),
            });
        }
        now.paths.sort_unstable();
        now.paths.dedup();
        Some(now)
    }

    /// What of `before` is not in `now`: what cannot be seen, and what is gone.
    fn missing(&self, before: &Names, now: &[AttrPath]) -> (Vec<AttrPath>, Vec<AttrPath>) {
        // Sets too: an attribute that has become one is still there.
        let mut seen: HashSet<&[String]> = HashSet::with_capacity(2 * now.len());
        for path in now {
            let mut path = path.components();
            while seen.insert(path)
                && let Some((_, above)) = path.split_last()
            {
                path = above;
            }
        }
        let skipped = self.skipped.iter().flat_map(|it| &it.attr_paths);
        let covers: HashSet<&[String]> = skipped
            .chain(&self.failed)
            .map(AttrPath::components)
            .collect();
        let is_covered = |path: &AttrPath| {
            let path = path.components();
            (1..=path.len()).any(|length| path.get(..length).is_some_and(|it| covers.contains(it)))
        };
        let missing = before.paths.iter();
        let missing = missing.filter(|path| !seen.contains(path.components()));
        let (hidden, gone): (Vec<AttrPath>, Vec<AttrPath>) = missing.cloned().partition(is_covered);
        // The list of what is for other systems has an end.
        let is_listed = |paths: &[AttrPath]| paths.len() < LISTED_MAX;
        if self.skipped.iter().all(|it| is_listed(&it.attr_paths)) {
            (hidden, gone)
        } else {
            (hidden, Vec::new())
        }
    }

    /// Attributes that are gone since the last evaluation of the branch, after [`Run::compare`].
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }
}
