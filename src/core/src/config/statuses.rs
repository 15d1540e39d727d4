use serde::Serialize;

use super::node::Value;
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed};

/// Forges bound contexts to 255 bytes, of which attributes need the most.
const PREFIX_LENGTH_MAX: usize = 50;
/// Attributes of a commit with a status of their own at most. Forges show them all on one page.
const LIMIT_MAX: u32 = 1000;

/// What forges are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusSettings {
    /// What all contexts begin with, before the slash.
    pub context_prefix: String,
    /// Attributes of one commit that have a status of their own, if they are not good.
    pub failed_build_report_limit: u32,
}

impl Default for StatusSettings {
    fn default() -> Self {
        Self {
            context_prefix: "buildbot".to_owned(),
            failed_build_report_limit: 47,
        }
    }
}

/// What the settings say of statuses.
pub(super) fn statuses(table: &Table) -> Read<StatusSettings> {
    let default = StatusSettings::default();
    let prefix = table.optional("status_context_prefix", prefix, default.context_prefix);
    let limit = table.optional(
        "failed_build_report_limit",
        value::count(0, LIMIT_MAX, ""),
        default.failed_build_report_limit,
    );
    Ok(StatusSettings {
        context_prefix: prefix?,
        failed_build_report_limit: limit?,
    })
}

fn prefix(value: &Value) -> Parsed<String> {
    let text = value::text(value)?;
    let is_plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/')
    };
    if text.len() <= PREFIX_LENGTH_MAX && text.chars().all(is_plain) && !text.ends_with('/') {
        return Ok(text);
    }
    Err(Mismatch::expected(format!(
        "up to {PREFIX_LENGTH_MAX} letters, digits, `-`, `_`, `.` and `/`, with no `/` at the end"
    )))
}
