use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Stderr, Write as _, stderr, stdout};
use std::ops::ControlFlow;

use buildbot_nix_core::build::Terminal;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{Event, Summary};
use buildbot_nix_core::machine_line::{CacheStatus, Failed, Job, Line, Skipped, Start, Statistics};
use buildbot_nix_core::nix::System;
use buildbot_nix_core::report;

use super::Printer;

/// A list on stdout, failures last; what the evaluator says, and how far it is, on stderr.
pub(super) struct Human {
    terminal: Terminal<Stderr>,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<Failed>,
}

const TO_BUILD: &str = "to build";
const CACHED: &str = "to fetch";
const IN_STORE: &str = "in the store";

impl Human {
    pub(super) fn new() -> Self {
        Self {
            terminal: Terminal::new(stderr()),
            counts: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    fn line(&mut self, line: Line) -> ControlFlow<()> {
        match line {
            Line::Job(job) => {
                let status = match job.cache_status {
                    CacheStatus::Local => IN_STORE,
                    CacheStatus::Cached => CACHED,
                    CacheStatus::NotBuilt => TO_BUILD,
                };
                *self.counts.entry(status).or_default() += 1;
                self.print(&job_text(&job, status))
            }
            Line::Failed(failed) => {
                self.failed.push(failed);
                ControlFlow::Continue(())
            }
            Line::Skipped(skipped) => self.print(&skipped_text(&skipped)),
            Line::Warning { message } => self.log(&format!("warning: {message}")),
            Line::Reused { from } => self.log(&reused_text(from.as_deref())),
            Line::Repeated { message, count } => self.log(&repeated_text(&message, count)),
            Line::Statistics(statistics) => self.log(&statistics_text(&statistics)),
            Line::Start(_)
            | Line::Done { .. }
            | Line::Fatal { .. }
            | Line::Outcome(_)
            | Line::Checkout(_)
            | Line::Unknown => ControlFlow::Continue(()),
        }
    }

    /// Writes a line of the list; the status line has to go first, it may be on the same screen.
    fn print(&mut self, text: &str) -> ControlFlow<()> {
        let _ = self.terminal.status("");
        let mut stdout = stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn log(&mut self, text: &str) -> ControlFlow<()> {
        let _ = self.terminal.write(format!("{text}\n").as_bytes());
        ControlFlow::Continue(())
    }

    fn print_failures(&mut self) -> ControlFlow<()> {
        let colour = self.terminal.colour();
        for failed in std::mem::take(&mut self.failed) {
            self.print(&failed_text(&failed, colour))?;
        }
        ControlFlow::Continue(())
    }
}

impl Printer for Human {
    fn event(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Line(line) => self.line(line),
            Event::Text(text) => self.log(&text),
            Event::Progress(progress) => {
                let failed = match self.failed.len() {
                    0 => String::new(),
                    failed => format!(", {failed} failed"),
                };
                let _ = self.terminal.status(&format!("{progress}{failed}"));
                ControlFlow::Continue(())
            }
            Event::Pause | Event::Took { .. } => ControlFlow::Continue(()),
        }
    }

    fn end(&mut self, result: &Result<Summary, Error>) {
        if self.print_failures().is_break() {
            return;
        }
        if let Ok(summary) = result {
            let mut parts: Vec<String> = [TO_BUILD, CACHED, IN_STORE]
                .iter()
                .filter_map(|status| Some(format!("{} {status}", self.counts.get(status)?)))
                .collect();
            if summary.failed > 0 {
                parts.push(format!("{} failed", summary.failed));
            }
            if parts.is_empty() {
                parts.push("nothing to build".to_owned());
            }
            let _ = self.print(&parts.join(", "));
        }
    }
}

/// What a log shows of `line`, if anything.
pub(super) fn log_text(line: &Line) -> Option<String> {
    match line {
        Line::Start(start) => Some(start_text(start)),
        Line::Reused { from } => Some(reused_text(from.as_deref())),
        Line::Warning { message } => Some(format!("warning: {message}")),
        Line::Failed(failed) => Some(failed_text(failed, false)),
        Line::Skipped(skipped) => Some(skipped_text(skipped)),
        Line::Repeated { message, count } => Some(repeated_text(message, *count)),
        Line::Statistics(statistics) => Some(statistics_text(statistics)),
        Line::Job(_)
        | Line::Done { .. }
        | Line::Fatal { .. }
        | Line::Outcome(_)
        | Line::Checkout(_)
        | Line::Unknown => None,
    }
}

pub(super) fn summary_text(summary: &Summary) -> String {
    format!(
        "{} attributes can be built, {} failed to evaluate",
        summary.jobs, summary.failed
    )
}

fn start_text(start: &Start) -> String {
    let systems: Vec<&str> = start.systems.iter().map(System::as_str).collect();
    let systems = match systems.as_slice() {
        [] => "all systems".to_owned(),
        systems => systems.join(", "),
    };
    format!(
        "evaluating {} for {systems} with {} {}",
        safe(&start.attribute),
        start.engine,
        start.engine_version
    )
}

fn reused_text(from: Option<&str>) -> String {
    match from {
        Some(from) => format!("nothing has changed: reused from {}", safe(from)),
        None => "nothing has changed: reused from an earlier evaluation".to_owned(),
    }
}

/// How often something was warned of; of a long warning, the beginning tells which.
fn repeated_text(message: &str, count: u64) -> String {
    let first = message.lines().next().unwrap_or_default();
    format!("warned {count} times: {first}")
}

fn statistics_text(statistics: &Statistics) -> String {
    let mut text = report::costs(statistics);
    for (cost, attr) in report::costliest(statistics) {
        let _ = write!(text, "\n  {cost:>10}  {}", safe(attr));
    }
    text
}

fn job_text(job: &Job, status: &str) -> String {
    format!("{}: {status}", safe(&job.attr))
}

fn skipped_text(skipped: &Skipped) -> String {
    let system = safe(&skipped.system);
    match skipped.attributes {
        Some(1) => format!("{system}: 1 attribute skipped"),
        Some(number) => format!("{system}: {number} attributes skipped"),
        None => format!("{system}: skipped"),
    }
}

fn failed_text(failed: &Failed, colour: bool) -> String {
    let (red, reset) = if colour {
        ("\x1b[31;1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let indented = failed.error.replace('\n', "\n  ");
    format!("{red}{}: failed{reset}\n  {indented}", safe(&failed.attr))
}

/// A name of the flake's author without what a terminal would act on.
fn safe(name: &str) -> String {
    let escape = |character: char| {
        if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    name.chars().map(escape).collect()
}
