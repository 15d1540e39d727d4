use std::env;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use super::log::{Log, Progress};

/// Deletes the line that the cursor is in.
const ERASE: &[u8] = b"\r\x1b[K";
/// Width to assume of a terminal that does not tell.
const WIDTH: u16 = 80;

/// Text with, on a terminal, one line below it that tells how far things are.
#[derive(Debug)]
pub struct Terminal<W: Write> {
    out: W,
    /// Columns for the status line; `None` if there is none.
    width: Option<usize>,
    colour: bool,
    /// The status line that is shown.
    shown: String,
}

impl<W: Write + IsTerminal + AsFd> Terminal<W> {
    /// Writes to `out`, with colours and a status line if it is a terminal that can do that.
    pub fn new(out: W) -> Self {
        let capable = out.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let width = tcgetwinsize(&out).map_or(WIDTH, |size| size.ws_col);
        Self {
            width: capable.then_some(usize::from(if width == 0 { WIDTH } else { width })),
            colour: capable && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            out,
            shown: String::new(),
        }
    }
}

impl<W: Write> Terminal<W> {
    /// Whether text may be coloured.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.shown.is_empty() {
            return self.out.write_all(lines);
        }
        self.out.write_all(ERASE)?;
        self.out.write_all(lines)?;
        self.out.write_all(self.shown.as_bytes())
    }

    /// Shows `text` as the status line, none if it is empty; flushes.
    pub fn status(&mut self, text: &str) -> io::Result<()> {
        let Some(width) = self.width else {
            return self.out.flush();
        };
        // A line as wide as the terminal would make some of them scroll.
        let text: String = text.chars().take(width - 1).collect();
        if text != self.shown {
            self.out.write_all(ERASE)?;
            self.out.write_all(text.as_bytes())?;
            self.shown = text;
        }
        self.out.flush()
    }
}

impl<W: Write> Log for Terminal<W> {
    fn text(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write(lines)
    }

    fn tick(&mut self, progress: &Progress) -> io::Result<()> {
        self.status(&progress.to_string())
    }
}

impl<W: Write> Drop for Terminal<W> {
    fn drop(&mut self) {
        // Nobody is left who could be told that this fails.
        let _ = self.status("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(width: Option<usize>) -> Terminal<Vec<u8>> {
        Terminal {
            out: Vec::new(),
            width,
            colour: false,
            shown: String::new(),
        }
    }

    #[test]
    fn the_status_line_stays_below_the_text() {
        let mut terminal = terminal(Some(5));
        terminal.status("1234567").unwrap();
        terminal.write(b"text\n").unwrap();
        terminal.status("1234").unwrap();
        terminal.status("").unwrap();
        let written = String::from_utf8(std::mem::take(&mut terminal.out)).unwrap();
        assert_eq!(written.replace("\r\x1b[K", "<"), "<1234<text\n1234<");
    }

    #[test]
    fn a_file_gets_no_status_line() {
        let mut terminal = terminal(None);
        terminal.status("1234567").unwrap();
        terminal.write(b"text\n").unwrap();
        assert_eq!(std::mem::take(&mut terminal.out), b"text\n");
    }
}
