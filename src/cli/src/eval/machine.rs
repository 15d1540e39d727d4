use std::io::{Write as _, stderr, stdout};
use std::ops::ControlFlow;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{Event, Summary};
use buildbot_nix_core::machine_line::{Line, encode};

use super::{Printer, human};

/// Machine lines on stdout; on stderr what a person wants to see in a log.
pub(super) struct Machine {
    /// Whether stdout has gone away.
    is_broken: bool,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { is_broken: false }
    }

    fn print(&mut self, line: &Line) -> ControlFlow<()> {
        let mut stdout = stdout().lock();
        let written = stdout
            .write_all(&encode(line))
            .and_then(|()| stdout.flush());
        if written.is_err() {
            self.is_broken = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Printer for Machine {
    fn event(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Line(line) => {
                if let Some(text) = human::log_text(&line) {
                    log(&text);
                }
                self.print(&line)
            }
            Event::Text(text) => {
                log(&text);
                ControlFlow::Continue(())
            }
            Event::Progress(_) | Event::Took { .. } => ControlFlow::Continue(()),
        }
    }

    fn end(&mut self, result: &Result<Summary, Error>) {
        match result {
            Ok(summary) => log(&human::summary_text(summary)),
            Err(error) if !self.is_broken => {
                let _ = self.print(&Line::Fatal {
                    message: error.to_string(),
                    hint: error.hint().map(str::to_owned),
                });
            }
            Err(_) => {}
        }
    }
}

/// A log that nobody reads any more is no reason to stop.
fn log(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}
