use std::collections::HashMap;
use std::io::{Stderr, Write as _, stderr, stdout};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use buildbot_nix_core::build::Terminal;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{Event, Progress, Summary};
use buildbot_nix_core::machine_line::{Failed, Job, Line};
use buildbot_nix_core::report;

use super::Printer;
use super::table::{Counts, Row, State, live, table};
use super::words::{
    failed_text, repeated_text, reused_text, safe, skipped_text, statistics_text, warning_text,
};

/// Results on stdout: on a terminal as a table in the end, else as lines as they come. On stderr
/// what the evaluator says and, if that is a terminal, what is going on below it.
pub(super) struct Human {
    terminal: Terminal<Stderr>,
    results: Results,
    counts: Counts,
    failed: Vec<Failed>,
    begun: Instant,
}

/// How results are printed.
enum Results {
    Lines,
    Table {
        rows: Vec<Row>,
        times: HashMap<String, Duration>,
        /// Columns of the terminal.
        width: usize,
        colour: bool,
    },
}

impl Human {
    pub(super) fn new() -> Self {
        let out = Terminal::new(stdout());
        let results = match out.width() {
            None => Results::Lines,
            Some(width) => Results::Table {
                rows: Vec::new(),
                times: HashMap::new(),
                width,
                colour: out.colour(),
            },
        };
        Self {
            terminal: Terminal::new(stderr()),
            results,
            counts: Counts::default(),
            failed: Vec::new(),
            begun: Instant::now(),
        }
    }

    fn line(&mut self, line: Line) -> ControlFlow<()> {
        match line {
            Line::Job(job) => self.job(&job),
            Line::Failed(failed) => {
                self.counts.add(State::Failed);
                if self.add_row(&failed.attr, State::Failed) {
                    let _ = self.log(&format!("{}: failed", safe(&failed.attr)));
                }
                self.failed.push(failed);
                ControlFlow::Continue(())
            }
            Line::Skipped(skipped) => self.print(&skipped_text(&skipped)),
            Line::Warning { message } => self.log(&warning_text(&message)),
            Line::Repeated { message, count } => self.log(&repeated_text(&message, count)),
            Line::Reused { from } => self.log(&reused_text(from.as_deref())),
            Line::Statistics(statistics) => match self.results {
                Results::Lines => self.log(&statistics_text(&statistics)),
                // The table has the times.
                Results::Table { .. } => self.log(&report::costs(&statistics)),
            },
            Line::Start(_)
            | Line::Done { .. }
            | Line::Fatal { .. }
            | Line::Outcome(_)
            | Line::Checkout(_)
            | Line::Uploaded(_)
            | Line::Unknown => ControlFlow::Continue(()),
        }
    }

    fn job(&mut self, job: &Job) -> ControlFlow<()> {
        let state = State::from(job.cache_status);
        self.counts.add(state);
        if self.add_row(&job.attr, state) {
            return ControlFlow::Continue(());
        }
        self.print(&format!("{}: {}", safe(&job.attr), state.text()))
    }

    /// Notes an attribute for the table; `false` if there is none.
    fn add_row(&mut self, attr: &str, state: State) -> bool {
        let Results::Table { rows, .. } = &mut self.results else {
            return false;
        };
        rows.push(Row {
            state,
            attr: attr.to_owned(),
            time: None,
        });
        true
    }

    fn progress(&mut self, progress: &Progress) {
        let (_, height) = self.terminal.measure();
        let lines = live(progress, self.counts, self.begun.elapsed(), height);
        let _ = self.terminal.status_lines(&lines);
    }

    /// Writes lines of results; what is going on has to go first, it may be on the same screen.
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

    fn print_results(&mut self, result: &Result<Summary, Error>) -> ControlFlow<()> {
        let mut is_coloured = false;
        if let Results::Table {
            rows,
            times,
            width,
            colour,
        } = &mut self.results
        {
            is_coloured = *colour;
            let mut rows = std::mem::take(rows);
            for row in &mut rows {
                row.time = times.get(&row.attr).copied();
            }
            if !rows.is_empty() {
                let text = table(rows, *width, is_coloured);
                self.print(text.trim_end())?;
            }
        }
        for failed in std::mem::take(&mut self.failed) {
            self.print(&failed_text(&failed, is_coloured))?;
        }
        if result.is_ok() {
            let counted = self.counts.text();
            let counted = if counted.is_empty() {
                "nothing to build"
            } else {
                &counted
            };
            self.print(counted)?;
        }
        ControlFlow::Continue(())
    }
}

impl Printer for Human {
    fn event(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Line(line) => return self.line(line),
            Event::Text(text) => return self.log(&text),
            Event::Progress(progress) => self.progress(&progress),
            Event::Took { attr, time } => {
                if let Results::Table { times, .. } = &mut self.results {
                    times.insert(attr, time);
                }
            }
            Event::Pause => {}
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self, result: &Result<Summary, Error>) {
        let _ = self.terminal.status("");
        // A reader that has gone away wants no more.
        let _ = self.print_results(result);
    }
}
