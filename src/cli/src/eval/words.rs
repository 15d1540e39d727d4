//! What is said of machine lines: in a log, on a terminal, in a list.

use std::fmt::Write as _;

use buildbot_nix_core::eval::Summary;
use buildbot_nix_core::machine_line::{CacheStatus, Failed, Line, Skipped, Start, Statistics};
use buildbot_nix_core::nix::System;
use buildbot_nix_core::report;

/// What a log shows of `line`, if anything.
pub(super) fn log_text(line: &Line) -> Option<String> {
    match line {
        Line::Start(start) => Some(start_text(start)),
        Line::Reused { from } => Some(reused_text(from.as_deref())),
        Line::Warning { message } => Some(warning_text(message)),
        Line::Failed(failed) => Some(failed_text(failed, false)),
        Line::Skipped(skipped) => Some(skipped_text(skipped)),
        Line::Repeated { message, count } => Some(repeated_text(message, *count)),
        Line::Statistics(statistics) => Some(statistics_text(statistics)),
        Line::Job(_)
        | Line::Done { .. }
        | Line::Fatal { .. }
        | Line::Outcome(_)
        | Line::Checkout(_)
        | Line::Uploaded(_)
        | Line::Unknown => None,
    }
}

pub(super) fn summary_text(summary: &Summary) -> String {
    format!(
        "{} attributes can be built, {} failed to evaluate",
        summary.jobs, summary.failed
    )
}

/// What is to be done about a job, in a few words.
pub(super) fn status_text(status: CacheStatus) -> &'static str {
    match status {
        CacheStatus::Local => "in the store",
        CacheStatus::Cached => "to fetch",
        CacheStatus::NotBuilt => "to build",
    }
}

pub(super) fn warning_text(message: &str) -> String {
    format!("warning: {message}")
}

/// How often something was warned of; of a long warning, the beginning tells which.
pub(super) fn repeated_text(message: &str, count: u64) -> String {
    let first = message.lines().next().unwrap_or_default();
    format!("warned {count} times: {first}")
}

pub(super) fn reused_text(from: Option<&str>) -> String {
    match from {
        Some(from) => format!("nothing has changed: reused from {}", safe(from)),
        None => "nothing has changed: reused from an earlier evaluation".to_owned(),
    }
}

pub(super) fn skipped_text(skipped: &Skipped) -> String {
    let system = safe(&skipped.system);
    match skipped.attributes {
        Some(1) => format!("{system}: 1 attribute skipped"),
        Some(number) => format!("{system}: {number} attributes skipped"),
        None => format!("{system}: skipped"),
    }
}

pub(super) fn failed_text(failed: &Failed, colour: bool) -> String {
    let (red, reset) = if colour {
        ("\x1b[31;1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let indented = failed.error.replace('\n', "\n  ");
    format!("{red}{}: failed{reset}\n  {indented}", safe(&failed.attr))
}

pub(super) fn statistics_text(statistics: &Statistics) -> String {
    let mut text = report::costs(statistics);
    for (cost, attr) in report::costliest(statistics) {
        let _ = write!(text, "\n  {cost:>10}  {}", safe(attr));
    }
    text
}

/// A name of the flake's author without what a terminal would act on.
pub(super) fn safe(name: &str) -> String {
    let escape = |character: char| {
        if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    name.chars().map(escape).collect()
}

fn start_text(start: &Start) -> String {
    let systems: Vec<&str> = start.systems.iter().map(System::as_str).collect();
    let systems = match systems.as_slice() {
        [] => "all systems".to_owned(),
        systems => systems.join(", "),
    };
    let version = match start.engine_version.as_str() {
        "unknown" => String::new(),
        version => format!(" {version}"),
    };
    format!(
        "evaluating {} for {systems} with {}{version}",
        safe(&start.attribute),
        start.engine
    )
}
