//! What `check` says.

use std::fmt::Write as _;
use std::io::stdout;
use std::time::Duration;

use buildbot_nix_core::build::{Terminal, clean};
use buildbot_nix_core::eval::Progress;
use buildbot_nix_core::report;
use buildbot_nix_core::run::{Outcome, Run, Tally};

use crate::Exit;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31;1m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// The whole result on stdout, failures first.
pub(super) fn print_report(run: &Run) {
    let mut terminal = Terminal::new(stdout());
    // Names and errors in it come from the flake.
    let page = report::text(run);
    let page = clean(&page, false);
    let colour = terminal.colour();
    for line in page.lines() {
        // A reader that went away is no error.
        let _ = terminal.write(format!("{}\n", coloured(line, colour)).as_bytes());
    }
}

/// How the command ends for `run`.
pub(super) fn exit(run: &Run) -> Exit {
    let is = |test: fn(&Outcome) -> bool| {
        run.attributes()
            .iter()
            .any(|attribute| test(&attribute.outcome))
    };
    let is_bad = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Failed { .. }
                | Outcome::FailedBefore { .. }
                | Outcome::EvaluationFailed { .. }
        )
    };
    if run.fatal().is_some() || is(is_bad) {
        Exit::Negative
    } else if is(|outcome| matches!(outcome, Outcome::Broken { .. })) {
        Exit::Machine
    } else if is(|outcome| matches!(outcome, Outcome::Cancelled { .. })) {
        Exit::Stopped
    } else {
        Exit::Success
    }
}

/// `line` in the colour of the mark that it begins with.
pub(super) fn coloured(line: &str, colour: bool) -> String {
    let code = match line.chars().next() {
        Some('✓') => GREEN,
        Some('✗') => RED,
        Some('⚠') => YELLOW,
        _ => "",
    };
    if colour && !code.is_empty() {
        format!("{code}{line}{RESET}")
    } else {
        line.to_owned()
    }
}

/// The status line.
pub(super) fn status(
    tally: &Tally,
    evaluating: Option<&Progress>,
    running: &[String],
    elapsed: Duration,
) -> String {
    let mut text = format!("[{} s", elapsed.as_secs());
    let known = tally.waiting + tally.running + tally.built;
    for (number, word) in [
        (tally.bad(), "failed"),
        (tally.built, "built"),
        (known, "to build"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    if let Some(progress) = evaluating.filter(|progress| progress.finished > 0) {
        let _ = write!(text, ", {progress}");
    }
    text.push_str("] ");
    text.push_str(&running.join(", "));
    clean(&text, false).into_owned()
}
