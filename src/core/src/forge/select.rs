use std::collections::BTreeMap;
use std::future::Future;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::RepositoryFilters;
use crate::plan::Notice;

use super::{Discovery, ForgeError, ForgeKind, LeftOut, Part, Repository};

/// A thing of a list, or something that the forge sent in its place: one odd thing must not cost
/// the others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Item<T> {
    Known(T),
    Odd(Value),
}

/// A repository with what decides whether it is built.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) repository: Repository,
    /// Why it cannot be built, if so.
    pub(super) obstacle: Option<String>,
}

/// Repositories that were listed, and whether the list can be trusted to be complete.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<Item<T>>,
    pub(super) is_complete: bool,
}

/// What one pass over the pages of a list gave.
#[derive(Debug)]
pub(super) struct Pass<T> {
    pub(super) items: Vec<Item<T>>,
    /// How many each page says there are, if they do.
    pub(super) totals: Vec<u64>,
}

/// Passes over a list until it keeps still.
const PASSES_MAX: usize = 3;

/// Lists until nothing changed in between.
///
/// When something is removed from a list while its pages are read, what comes after moves up, and
/// may do so past the page that is read next. The forge says how long the list is: if that
/// changed, or fewer came, it is read again. What any pass gave counts.
pub(super) async fn settled<T, Reading>(
    read: impl Fn() -> Reading,
    id: impl Fn(&T) -> u64,
) -> Result<Listed<T>, ForgeError>
where
    Reading: Future<Output = Result<Pass<T>, ForgeError>>,
{
    let mut known = BTreeMap::new();
    let mut odd = Vec::new();
    for _ in 0..PASSES_MAX {
        let pass = read().await?;
        let mut seen = std::collections::BTreeSet::new();
        odd.clear();
        for item in pass.items {
            match item {
                Item::Known(thing) => {
                    seen.insert(id(&thing));
                    known.insert(id(&thing), Item::Known(thing));
                }
                Item::Odd(value) => odd.push(Item::Odd(value)),
            }
        }
        let count = (seen.len() + odd.len()) as u64;
        let is_still = pass.totals.iter().all(|total| *total <= count)
            && pass.totals.windows(2).all(|pair| pair[0] == pair[1]);
        if is_still {
            return Ok(Listed {
                items: known.into_values().chain(odd).collect(),
                is_complete: true,
            });
        }
    }
    Ok(Listed {
        items: known.into_values().chain(odd).collect(),
        is_complete: false,
    })
}

/// Sorts `candidates` into those that are built and those that are asked for but cannot be.
pub(super) fn select(
    candidates: Vec<Candidate>,
    filters: &RepositoryFilters,
    discovery: &mut Discovery,
) {
    for Candidate {
        repository,
        obstacle,
    } in candidates
    {
        if !filters.wants(repository.full_name.as_str(), &repository.topics) {
            continue;
        }
        match obstacle {
            None => discovery.repositories.push(repository),
            Some(reason) => discovery.left_out.push(LeftOut {
                full_name: repository.full_name.to_string(),
                reason,
            }),
        }
    }
}

/// Notes that an item is no repository as we know them. If it is one that is built, it stays.
pub(super) fn note_odd(forge: ForgeKind, value: &Value, discovery: &mut Discovery) {
    let name = value.get("full_name").and_then(Value::as_str);
    let id = value.get("id").and_then(Value::as_u64);
    discovery.unanswered.extend(id.map(Part::Repository));
    discovery.notices.push(Notice {
        about: format!("{forge}:{}", name.unwrap_or("?").escape_debug()),
        text: format!(
            "looked over: {} describes it in a way that this version does not understand",
            forge.title()
        ),
    });
}

/// Sorted, each repository once.
pub(super) fn in_order(mut discovery: Discovery) -> Discovery {
    discovery
        .repositories
        .sort_by(|left, right| left.full_name.cmp(&right.full_name));
    discovery
        .repositories
        .dedup_by_key(|repository| repository.id);
    discovery
        .left_out
        .sort_by(|left, right| left.full_name.cmp(&right.full_name));
    discovery.notices.sort();
    discovery
}
