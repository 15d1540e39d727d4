use std::collections::BTreeMap;

use serde::Serialize;

use super::read::WORKERS_MAX;
use super::table::{Read, Table};
use super::value;

/// When evaluations of one project give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EvalLimits {
    /// Evaluator processes of one evaluation; none = as the worker's machine allows.
    pub worker_count: Option<u32>,
    /// Memory of one evaluator process, MiB.
    pub max_memory_size: u64,
    /// One whole evaluation, seconds.
    pub timeout: u64,
    /// One attribute, seconds.
    pub attribute_timeout: u64,
    /// An evaluator that says nothing, seconds.
    pub max_silent_time: u64,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self {
            worker_count: None,
            max_memory_size: 4096,
            timeout: 3600,
            attribute_timeout: 600,
            max_silent_time: 1200,
        }
    }
}

/// The limits in `table`, with those of `default` where it says nothing.
pub(super) fn limits(table: &Table, default: &EvalLimits) -> Read<EvalLimits> {
    let worker_count = table.perhaps("eval_worker_count", value::count(1, WORKERS_MAX, ""));
    let max_memory_size = table.optional(
        "eval_max_memory_size",
        value::count(64, 1 << 24, "MiB"),
        default.max_memory_size,
    );
    let timeout = table.optional("eval_timeout", value::seconds, default.timeout);
    let attribute_timeout = table.optional(
        "eval_attribute_timeout",
        value::seconds,
        default.attribute_timeout,
    );
    let max_silent_time = table.optional(
        "eval_max_silent_time",
        value::seconds,
        default.max_silent_time,
    );
    Ok(EvalLimits {
        worker_count: worker_count?.or(default.worker_count),
        max_memory_size: max_memory_size?,
        timeout: timeout?,
        attribute_timeout: attribute_timeout?,
        max_silent_time: max_silent_time?,
    })
}

/// What `projects` says of single projects, by name.
pub(super) fn of_projects(
    table: &Table,
    default: Read<EvalLimits>,
) -> Read<BTreeMap<String, EvalLimits>> {
    // A wrong default is one problem: the projects are read with a stand-in for it.
    let default = default.unwrap_or_default();
    let projects = table.tables("projects", |name, project| {
        let limits = limits(project, &default);
        project.finish();
        Ok((name.to_owned(), limits?))
    })?;
    Ok(projects.into_iter().collect())
}
