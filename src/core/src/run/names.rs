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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What an evaluation has found, as far as names matter. Comparing takes a while for many, and is
/// done while the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    names: Names,
    /// Attributes below which nothing can be seen, or that are for another system.
    hiding: Vec<AttrPath>,
    /// Whether all for other systems are among these.
    is_complete: bool,
}

impl Run {
    /// What this evaluation has found; `None` if it did not go to its end.
    pub fn present(&self) -> Option<Present> {
        let start = self.start.as_ref()?;
        if !self.evaluated || self.cancelled || self.fatal.is_some() {
            return None;
        }
        let paths = self.attributes.iter().map(|it| &it.attr_path);
        let failed = self.attributes.iter().filter(|it| it.job.is_none());
        let failed = failed.map(|it| &it.attr_path);
        let skipped = self.skipped.iter().flat_map(|it| &it.attr_paths);
        let mut lists = self.skipped.iter().map(|it| it.attr_paths.len());
        Some(Present {
            names: Names {
                attribute: start.attribute.clone(),
                flake_dir: start.flake_dir.clone(),
                systems: start.systems.clone(),
                paths: paths.cloned().collect(),
            },
            hiding: skipped.chain(failed).cloned().collect(),
            is_complete: lists.all(|length| length < LISTED_MAX),
        })
    }

    /// Notes what [`Present::compare`] has found out.
    pub fn set_lost(&mut self, lost: Option<Lost>) {
        self.lost = lost;
    }

    /// Attributes that are gone since the last evaluation of the branch, if that was looked at.
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }
}

impl Present {
    /// What is to be kept until the next evaluation, and what is gone since the last one of
    /// `branch`, which had the attributes `before`.
    ///
    /// Not gone is what failed to evaluate, what is below such, and what is for another system
    /// now. If other attributes or systems are evaluated than before, nothing is.
    pub fn compare(self, before: Option<&Names>, branch: &str) -> (Names, Option<Lost>) {
        let mut lost = None;
        let mut hidden = Vec::new();
        if let Some(before) = before.filter(|before| before.is_comparable(&self.names)) {
            let gone;
            (hidden, gone) = self.missing(before);
            // The list of what is for other systems has an end.
            if self.is_complete && !gone.is_empty() {
                lost = Some(Lost {
                    branch: branch.to_owned(),
                    attrs: gone.iter().map(ToString::to_string).collect(),
                });
            }
        }
        let mut names = self.names;
        names.paths.extend(hidden);
        names.paths.sort_unstable();
        names.paths.dedup();
        (names, lost)
    }

    /// What of `before` is not there: what cannot be seen, and what is gone.
    fn missing(&self, before: &Names) -> (Vec<AttrPath>, Vec<AttrPath>) {
        // Sets too: an attribute that has become one is still there.
        let mut seen: HashSet<&[String]> = HashSet::with_capacity(2 * self.names.paths.len());
        for path in &self.names.paths {
            let mut path = path.components();
            while seen.insert(path)
                && let Some((_, above)) = path.split_last()
            {
                path = above;
            }
        }
        let hiding: HashSet<&[String]> = self.hiding.iter().map(AttrPath::components).collect();
        let is_hidden = |path: &AttrPath| {
            let path = path.components();
            (1..=path.len()).any(|length| path.get(..length).is_some_and(|it| hiding.contains(it)))
        };
        let missing = before.paths.iter();
        let missing = missing.filter(|path| !seen.contains(path.components()));
        missing.cloned().partition(is_hidden)
    }
}
