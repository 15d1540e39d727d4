use std::io::{Write, stderr};
use std::ops::ControlFlow;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{Event, Summary};
use buildbot_nix_core::machine_line::{Line, encode};

use super::{Printer, words};

/// Bytes that are held back at most. Many lines at once cost the worker, which sends them on, a
/// fraction of what as many single ones do.
const HELD_MAX: usize = 64 << 10;

/// Machine lines on `stdout`; on stderr what a person wants to see in a log.
pub(super) struct Machine<W> {
    stdout: W,
    /// What is not written yet.
    held: Vec<u8>,
    /// Whether stdout has gone away.
    is_broken: bool,
}

impl<W: Write> Machine<W> {
    pub(super) fn new(stdout: W) -> Self {
        Self {
            stdout,
            held: Vec::new(),
            is_broken: false,
        }
    }

    fn print(&mut self, line: &Line) -> ControlFlow<()> {
        self.held.extend(encode(line));
        if self.held.len() < HELD_MAX {
            return ControlFlow::Continue(());
        }
        self.let_go()
    }

    fn let_go(&mut self) -> ControlFlow<()> {
        if self.held.is_empty() {
            return ControlFlow::Continue(());
        }
        let held = std::mem::take(&mut self.held);
        let written = self.stdout.write_all(&held);
        if written.and_then(|()| self.stdout.flush()).is_err() {
            self.is_broken = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl<W: Write> Printer for Machine<W> {
    fn event(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Line(line) => {
                if let Some(text) = words::log_text(&line) {
                    log(&text);
                }
                self.print(&line)
            }
            Event::Text(text) => {
                log(&text);
                ControlFlow::Continue(())
            }
            Event::Pause => self.let_go(),
            Event::Progress(_) | Event::Took { .. } => ControlFlow::Continue(()),
        }
    }

    fn end(&mut self, result: &Result<Summary, Error>) {
        match result {
            Ok(summary) => log(&words::summary_text(summary)),
            Err(error) if !self.is_broken => {
                let _ = self.print(&Line::fatal(error));
            }
            Err(_) => {}
        }
        let _ = self.let_go();
    }
}

/// A log that nobody reads any more is no reason to stop.
fn log(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(message: &str) -> Event {
        Event::Line(Line::Warning {
            message: message.to_owned(),
        })
    }

    #[test]
    fn lines_leave_together_when_there_is_a_pause() {
        let mut machine = Machine::new(Vec::new());
        let _ = machine.event(warning("a"));
        let _ = machine.event(warning("b"));
        assert_eq!(machine.stdout, b"");
        let _ = machine.event(Event::Pause);
        let lines = machine.stdout.split(|byte| *byte == b'\n');
        assert_eq!(lines.filter(|line| !line.is_empty()).count(), 2);
    }

    #[test]
    fn what_is_much_does_not_wait_for_a_pause() {
        let mut machine = Machine::new(Vec::new());
        let _ = machine.event(warning(&"x".repeat(HELD_MAX)));
        assert!(machine.stdout.len() > HELD_MAX);
    }
}
