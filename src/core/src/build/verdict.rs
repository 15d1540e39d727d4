//! What became of a build, decided on what was counted and found, not on what was printed.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use super::activities::Finished;
use super::reason::{
    builder_end, is_disk_full, is_for_another_machine, is_out_of_memory, is_unreachable,
    is_word_of, signal_text,
};
use super::request::Request;
use crate::machine_line::BuildResult;
use crate::nix::DrvPath;
use crate::process::describe_exit;

/// What Nix measures and what we measure is never quite the same.
const TOLERANCE: Duration = Duration::from_millis(500);

/// Why Nix was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The caller wanted it.
    Stopped,
    /// [`Request::timeout`] was over.
    Timeout,
    /// [`Request::max_silent`] was over, and Nix did not notice.
    Silence,
}

/// Everything the verdict depends on.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request,
    pub(super) halt: Option<Halt>,
    pub(super) status: ExitStatus,
    /// Whether the store has every output; asked only if Nix did not end well.
    pub(super) outputs_valid: bool,
    /// Builders that ended without their outputs being there, oldest first.
    pub(super) failed: &'a [&'a Finished],
    /// Number of failed builders by Nix's own count.
    pub(super) failures: u64,
    /// Nix's errors, oldest first.
    pub(super) errors: &'a [&'a str],
}

/// The part of an outcome that has to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) result: BuildResult,
    pub(super) failed_drv: Option<DrvPath>,
    pub(super) message: Option<String>,
    /// Whether it may be different in a while, without anybody doing something about it.
    pub(super) may_pass: bool,
    /// Whether it was ended because of a limit of ours.
    pub(super) exceeded: bool,
}

impl Verdict {
    fn new(result: BuildResult, message: impl Into<Option<String>>) -> Self {
        Self {
            result,
            failed_drv: None,
            message: message.into(),
            may_pass: false,
            exceeded: false,
        }
    }

    pub(super) fn succeeded() -> Self {
        Self::new(BuildResult::Succeeded, None)
    }

    pub(super) fn cancelled() -> Self {
        Self::new(BuildResult::Cancelled, "stopped on request".to_owned())
    }

    /// The machine's fault, which may pass.
    pub(super) fn transient(message: String) -> Self {
        Self {
            may_pass: true,
            ..Self::unbuildable(message)
        }
    }

    /// The machine's fault, until somebody does something about it.
    pub(super) fn unbuildable(message: String) -> Self {
        Self::new(BuildResult::Transient, message)
    }
}

/// The verdict on a build for which Nix was run.
pub(super) fn decide(facts: &Facts) -> Verdict {
    if facts.status.success() {
        return Verdict::succeeded();
    }
    match facts.halt {
        Some(Halt::Stopped) => return Verdict::cancelled(),
        Some(Halt::Timeout) => {
            return limit_exceeded(facts, "took longer than", facts.request.timeout, TIMEOUT);
        }
        Some(Halt::Silence) => {
            return limit_exceeded(
                facts,
                "printed nothing for",
                facts.request.max_silent,
                MAX_SILENT,
            );
        }
        None => {}
    }
    if facts.outputs_valid {
        // The gc root could not be made, or a post-build hook of this machine failed.
        let message = format!(
            "all outputs are there, but `nix build` reported: {}",
            last_error(facts)
        );
        return Verdict::new(BuildResult::Succeeded, message);
    }
    if let Some(error) = facts.errors.iter().find(|error| is_disk_full(error)) {
        return Verdict::transient(format!(
            "no space left on this machine: {}",
            sentence(error)
        ));
    }
    // Nix counts what could not be fetched, and what is for another machine, as failed builds too.
    if facts.failures > 0 && !facts.failed.is_empty() {
        return builder_failed(facts);
    }
    let is_nobodys = |error: &&str| is_for_another_machine(error);
    let is_lasting = facts.errors.iter().any(is_nobodys)
        && !facts.errors.iter().any(|error| is_unreachable(error));
    if is_lasting {
        Verdict::unbuildable(nix_failed(facts))
    } else {
        Verdict::transient(nix_failed(facts))
    }
}

/// What to say about a gc root that could not be made.
pub(super) fn no_root(why: &str) -> String {
    format!("the build is fine, but its gc root could not be made: {why}")
}

const TIMEOUT: &str = "build_timeout";
const MAX_SILENT: &str = "build_max_silent_time";

/// A limit that Nix as a whole has exceeded.
fn limit_exceeded(facts: &Facts, what: &str, limit: Option<Duration>, setting: &str) -> Verdict {
    let who = facts.request.drv_path.name();
    let message = too_long(
        &format!("the build of `{who}`"),
        what,
        limit.unwrap_or_default(),
        setting,
    );
    let failed = facts
        .failed
        .first()
        .and_then(|failed| failed.drv.parse().ok());
    Verdict {
        failed_drv: failed.or_else(|| Some(facts.request.drv_path.clone())),
        exceeded: true,
        ..Verdict::new(BuildResult::Failed, message)
    }
}

fn too_long(who: &str, what: &str, limit: Duration, setting: &str) -> String {
    let seconds = limit.as_secs_f64();
    format!("{who} {what} {seconds} s, the limit; raise `{setting}` if it needs more")
}

fn builder_failed(facts: &Facts) -> Verdict {
    let wanted = facts.request.drv_path.as_str();
    // One that failed for good says more than those that may pass.
    let for_good = facts
        .failed
        .iter()
        .filter(|failed| !may_pass(facts, failed));
    let for_good: Vec<&Finished> = for_good.copied().collect();
    let candidates = if for_good.is_empty() {
        facts.failed
    } else {
        for_good.as_slice()
    };
    let own = candidates.iter().find(|failed| failed.drv == wanted);
    let Some(failed) = own.or(candidates.first()) else {
        return Verdict::new(BuildResult::Failed, last_error(facts));
    };
    let name = failed
        .drv
        .parse::<DrvPath>()
        .map_or(failed.label.clone(), |drv| drv.name().to_owned());
    let who = if failed.drv == wanted {
        format!("the builder of `{name}`")
    } else {
        format!("the builder of the dependency `{name}`")
    };
    let mut message = why(facts, failed, &who);
    match facts.failed.len() {
        0 | 1 => {}
        2 => message.push_str(", and another derivation failed"),
        more => {
            let _ = write!(message, ", and {} other derivations failed", more - 1);
        }
    }
    if for_good.is_empty() {
        return Verdict::transient(message);
    }
    Verdict {
        failed_drv: failed.drv.parse().ok(),
        exceeded: exceeded(facts, failed).is_some(),
        ..Verdict::new(BuildResult::Failed, message)
    }
}

/// The limit that a builder has exceeded, and its setting.
fn exceeded(facts: &Facts, failed: &Finished) -> Option<(&'static str, Duration, &'static str)> {
    let limit =
        |time: Duration, limit: Option<Duration>| limit.filter(|limit| time + TOLERANCE >= *limit);
    let silence = limit(failed.silent, facts.request.max_silent);
    let time = limit(failed.ran, facts.request.timeout);
    silence
        .map(|limit| ("printed nothing for", limit, MAX_SILENT))
        .or_else(|| time.map(|limit| ("took longer than", limit, TIMEOUT)))
}

/// What Nix says of one derivation.
fn errors_about<'f>(facts: &Facts<'f>, failed: &'f Finished) -> impl Iterator<Item = &'f str> {
    let errors = facts.errors.iter().copied();
    errors.filter(|error| error.contains(&failed.drv))
}

/// Whether a builder that failed was the victim of its machine.
fn may_pass(facts: &Facts, failed: &Finished) -> bool {
    exceeded(facts, failed).is_none()
        && (is_lost(facts, failed) || errors_about(facts, failed).any(is_out_of_memory))
}

/// Whether the connection to the remote builder that it ran on broke.
fn is_lost(facts: &Facts, failed: &Finished) -> bool {
    let machine = failed.machine.as_str();
    let mut errors = facts.errors.iter();
    !machine.is_empty() && !errors.any(|error| is_word_of(error, machine, &failed.drv))
}

/// Why one builder failed.
fn why(facts: &Facts, failed: &Finished, who: &str) -> String {
    if let Some((what, limit, setting)) = exceeded(facts, failed) {
        return too_long(who, what, limit, setting);
    }
    if is_lost(facts, failed) {
        let machine = &failed.machine;
        return format!("the connection to `{machine}` broke while {who} ran there");
    }
    let Some(error) = errors_about(facts, failed).next() else {
        return format!("{who} failed and Nix does not say why");
    };
    match builder_end(error) {
        Some(end) => format!("{who} {end}"),
        None => sentence(error),
    }
}

/// Nix ended without a builder having failed: it could not even try.
fn nix_failed(facts: &Facts) -> String {
    if let Some(signal) = facts.status.signal() {
        return format!("`nix build` was killed by {}", signal_text(signal));
    }
    let mut errors = facts.errors.iter();
    let why = match errors.find(|error| is_unreachable(error)) {
        Some(error) => sentence(error),
        None => last_error(facts),
    };
    format!("`nix build` could not build on this machine: {why}")
}

fn last_error(facts: &Facts) -> String {
    match facts.errors.last() {
        Some(error) => sentence(error),
        None => format!(
            "it ended with {} and no error message",
            describe_exit(facts.status)
        ),
    }
}

/// An error of Nix as one line.
fn sentence(error: &str) -> String {
    let error = error.trim().trim_start_matches("error:");
    error.split_whitespace().collect::<Vec<_>>().join(" ")
}
