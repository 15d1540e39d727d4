use std::collections::BTreeMap;

use serde::Serialize;

use super::table::{Read, Table};
use super::value;

/// What is deleted some day, and after how many days if nobody says otherwise.
const KINDS: [(&str, u32); 8] = [
    ("builds", 365),
    ("deliveries", 7),
    ("failures", 7),
    ("heads", 90),
    ("job_sets", 14),
    ("logs", 90),
    ("sessions", 1),
    ("statuses", 90),
];

/// The longest that anything is kept, days.
const DAYS_MAX: u32 = 3650;

const DAY: u64 = 24 * 60 * 60;

/// How long the master keeps what it has in its database, days by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Retention(BTreeMap<&'static str, u32>);

impl Default for Retention {
    fn default() -> Self {
        Self(KINDS.into_iter().collect())
    }
}

impl Retention {
    /// Seconds by kind.
    pub fn seconds(&self) -> BTreeMap<&'static str, u64> {
        let days = self.0.iter();
        days.map(|(kind, days)| (*kind, u64::from(*days) * DAY))
            .collect()
    }
}

/// What `retention` says.
pub(super) fn retention(table: &Table) -> Read<Retention> {
    let Some(table) = table.table("retention")? else {
        return Ok(Retention::default());
    };
    let days = KINDS.map(|(kind, default)| {
        let days = table.optional(kind, value::count(1, DAYS_MAX, "days"), default);
        days.map(|days| (kind, days))
    });
    table.finish();
    let days: Read<_> = days.into_iter().collect();
    Ok(Retention(days?))
}
