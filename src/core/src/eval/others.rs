use std::collections::BTreeMap;

use crate::machine_line::{LISTED_MAX, Skipped};
use crate::nix::AttrPath;

/// Attributes of systems that nobody asked for, by system.
#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<String, Other>);

#[derive(Debug)]
struct Other {
    /// `None` if it cannot be told.
    attributes: Option<u64>,
    /// Those that were looked at.
    listed: Vec<AttrPath>,
}

impl Others {
    /// Notes a whole system.
    pub(super) fn add_all(&mut self, system: String, attributes: Option<u64>) {
        let other = self.of(system);
        other.attributes = other
            .attributes
            .zip(attributes)
            .map(|(sum, more)| sum + more);
    }

    /// Notes an attribute that was looked at.
    pub(super) fn add(&mut self, system: String, path: AttrPath) {
        let other = self.of(system);
        other.attributes = other.attributes.map(|sum| sum + 1);
        if other.listed.len() < LISTED_MAX {
            other.listed.push(path);
        }
    }

    /// Notes what an earlier evaluation has found.
    pub(super) fn replay(&mut self, skipped: Skipped) {
        let other = Other {
            attributes: skipped.attributes,
            listed: skipped.attr_paths,
        };
        self.0.insert(skipped.system, other);
    }

    fn of(&mut self, system: String) -> &mut Other {
        self.0.entry(system).or_insert(Other {
            attributes: Some(0),
            listed: Vec::new(),
        })
    }

    /// All, as lines say it.
    pub(super) fn skipped(&self) -> impl Iterator<Item = Skipped> {
        self.0.iter().map(|(system, other)| {
            // Evaluators find them in any order.
            let mut attr_paths = other.listed.clone();
            attr_paths.sort_unstable();
            Skipped {
                system: system.clone(),
                attributes: other.attributes,
                attr_paths,
            }
        })
    }

    /// Why there is nothing to build.
    pub(super) fn nothing_found(&self) -> String {
        if self.0.is_empty() {
            return "there is nothing to build: the attribute is empty".to_owned();
        }
        let systems: Vec<String> = self.0.keys().map(|system| format!("`{system}`")).collect();
        format!(
            "there is nothing to build for the systems asked for; the flake has {}",
            systems.join(", ")
        )
    }
}
