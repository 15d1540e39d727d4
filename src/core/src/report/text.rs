use std::fmt::Write as _;

use crate::run::{Attribute, Finding, Outcome, Run, Tally};

/// Lines of one reason that a list shows; the whole is in the log of the attribute.
const REASON_LINES: usize = 12;

/// What the run comes to in a few words: `3 failed, 12 built, 480 already there`. Failures first.
pub fn short(run: &Run) -> String {
    let Tally {
        waiting,
        running,
        already_there,
        built,
        failed,
        failed_before,
        evaluation_failed,
        dependency_failed,
        cancelled,
    } = run.tally();
    let mut parts = Vec::new();
    if run.fatal().is_some() {
        parts.push("evaluation failed".to_owned());
    }
    for (number, word) in [
        (evaluation_failed, "failed to evaluate"),
        (failed, "failed"),
        (failed_before, "failed before"),
        (dependency_failed, "with a failed dependency"),
        (cancelled, "cancelled"),
        (running, "running"),
        (waiting, "waiting"),
        (built, "built"),
        (already_there, "already there"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    if parts.is_empty() {
        parts.push("nothing to build".to_owned());
    }
    parts.join(", ")
}

/// The whole run as plain text, failures first: for a terminal and for logs.
pub fn text(run: &Run) -> String {
    let mut page = String::new();
    if let Some(fatal) = run.fatal() {
        let _ = writeln!(page, "✗ the evaluation failed: {}", fatal.message);
        if let Some(hint) = &fatal.hint {
            let _ = writeln!(page, "  hint: {hint}");
        }
    }
    for attribute in bad(run) {
        let (word, reason) = verdict(&attribute.outcome);
        let _ = writeln!(page, "✗ {} {word}", attribute.attr);
        for line in shortened(&reason) {
            let _ = writeln!(page, "    {line}");
        }
        if let Some(url) = &attribute.url {
            let _ = writeln!(page, "    {url}");
        }
    }
    for warning in run.warnings() {
        let _ = writeln!(page, "⚠ {warning}");
    }
    for skipped in run.skipped() {
        let _ = match skipped.attributes {
            Some(1) => writeln!(
                page,
                "· 1 attribute of {} is not for this instance",
                skipped.system
            ),
            Some(number) => writeln!(
                page,
                "· {number} attributes of {} are not for this instance",
                skipped.system
            ),
            None => writeln!(page, "· {} is not for this instance", skipped.system),
        };
    }
    let mark = match run.finding() {
        Finding::Succeeded => "✓",
        Finding::Failed => "✗",
        Finding::Cancelled => "·",
    };
    let _ = writeln!(page, "{mark} {}", short(run));
    page
}

/// The attributes that make the run fail: what was really tried before what only follows from it.
pub(super) fn bad(run: &Run) -> Vec<&Attribute> {
    let rank = |attribute: &Attribute| match attribute.outcome {
        Outcome::Failed { .. } | Outcome::Broken { .. } => Some(0),
        Outcome::FailedBefore { .. } => Some(1),
        Outcome::EvaluationFailed { .. } => Some(2),
        Outcome::DependencyFailed { .. } => Some(3),
        _ => None,
    };
    let mut bad: Vec<&Attribute> = run
        .attributes()
        .iter()
        .filter(|attribute| rank(attribute).is_some())
        .collect();
    bad.sort_by_key(|attribute| rank(attribute));
    bad
}

/// The outcome as words and, where there is one, its reason.
pub(super) fn verdict(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Waiting => ("waits", String::new()),
        Outcome::Running => ("runs", String::new()),
        Outcome::Elsewhere => ("waits", "another evaluation builds it".to_owned()),
        Outcome::AlreadyThere => ("was already there", String::new()),
        Outcome::Built { how } => ("was built", how.clone().unwrap_or_default()),
        Outcome::Failed { message } => ("failed", message.clone()),
        Outcome::Broken { message } => ("could not be built here", message.clone()),
        Outcome::FailedBefore { when, url } => (
            "failed before",
            format!("at {when}, and was not tried again: {url}"),
        ),
        Outcome::EvaluationFailed { error } => ("failed to evaluate", error.clone()),
        Outcome::DependencyFailed { cause } => {
            ("was not built", format!("it needs {cause}, which failed"))
        }
        Outcome::Cancelled { why } => ("was cancelled", why.clone().unwrap_or_default()),
    }
}

/// The first and last lines of a long reason. Nix puts the outermost frame first and the error
/// itself last, so the end matters most.
pub(super) fn shortened(reason: &str) -> Vec<String> {
    let lines: Vec<&str> = reason.lines().collect();
    if lines.len() <= REASON_LINES {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let tail = lines.len() - (REASON_LINES - 2);
    let mut kept: Vec<String> = lines
        .iter()
        .take(1)
        .map(|line| (*line).to_owned())
        .collect();
    kept.push(format!("… {} lines left out …", tail - 1));
    kept.extend(lines.iter().skip(tail).map(|line| (*line).to_owned()));
    kept
}
