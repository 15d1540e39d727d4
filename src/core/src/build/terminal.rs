use std::env;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use super::log::{Log, Progress};

/// Deletes the line that the cursor is in.
const ERASE: &[u8] = b"\r\x1b[K";
/// Deletes all below the cursor.
const ERASE_BELOW: &str = "\x1b[J";
/// Lets long lines end at the edge of the screen instead of going on below it, and back.
const CLIP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
/// Columns and rows to assume of a terminal that does not tell.
const SIZE: (u16, u16) = (80, 24);

/// Text with, on a terminal, a few lines below it that tell how far things are.
#[derive(Debug)]
pub struct Terminal<W: Write> {
    out: W,
    /// Columns for the status lines; `None` if there are none.
    width: Option<usize>,
    height: usize,
    colour: bool,
    /// The status lines that are shown, as they were written.
    shown: String,
}

impl<W: Write + IsTerminal + AsFd> Terminal<W> {
    /// Writes to `out`, with colours and a status line if it is a terminal that can do that.
    pub fn new(out: W) -> Self {
        let capable = out.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (width, height) = size(&out);
        Self {
            width: capable.then_some(width),
            height,
            colour: capable && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            out,
            shown: String::new(),
        }
    }

    /// Columns and rows as they are now: people change the size of windows.
    pub fn measure(&mut self) -> (usize, usize) {
        let (width, height) = size(&self.out);
        self.width = self.width.map(|_| width);
        self.height = height;
        (width, height)
    }
}

fn size(out: impl AsFd) -> (usize, usize) {
    let size = tcgetwinsize(out).map_or(SIZE, |size| (size.ws_col, size.ws_row));
    let known = |number: u16, otherwise| usize::from(if number == 0 { otherwise } else { number });
    (known(size.0, SIZE.0), known(size.1, SIZE.1))
}

impl<W: Write> Terminal<W> {
    /// Columns of the terminal; `None` if it is none, or none that can do anything.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether text may be coloured.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.shown.is_empty() {
            return self.out.write_all(lines);
        }
        self.erase()?;
        self.out.write_all(lines)?;
        self.out.write_all(self.shown.as_bytes())
    }

    /// Shows `text` as the status line, none if it is empty; flushes.
    pub fn status(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            self.status_lines(&[])
        } else {
            self.status_lines(&[text.to_owned()])
        }
    }

    /// Shows status lines; flushes. No more than fit are shown.
    pub fn status_lines(&mut self, lines: &[String]) -> io::Result<()> {
        let Some(width) = self.width else {
            return self.out.flush();
        };
        // A line as wide as the terminal would make some of them scroll.
        let lines = lines.iter().take(self.height.saturating_sub(1).max(1));
        let lines: Vec<String> = lines
            .map(|line| line.chars().take(width - 1).collect())
            .collect();
        let mut text = lines.join("\n");
        if lines.len() > 1 {
            // Characters may be wider than one column.
            text = format!("{CLIP}{text}{WRAP}");
        }
        if text != self.shown {
            self.erase()?;
            self.out.write_all(text.as_bytes())?;
            self.shown = text;
        }
        self.out.flush()
    }

    /// Deletes the status lines; the cursor stands in the last of them.
    fn erase(&mut self) -> io::Result<()> {
        match self.shown.matches('\n').count() {
            0 => self.out.write_all(ERASE),
            above => write!(self.out, "\r\x1b[{above}A{ERASE_BELOW}"),
        }
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
            height: 3,
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
    fn several_status_lines_are_replaced_as_one() {
        let mut terminal = terminal(Some(5));
        let lines = ["1", "22", "3"].map(str::to_owned);
        terminal.status_lines(&lines).unwrap();
        terminal.write(b"text\n").unwrap();
        terminal.status("").unwrap();
        let written = String::from_utf8(std::mem::take(&mut terminal.out)).unwrap();
        let shown = format!("{CLIP}1\n22{WRAP}");
        let erased = "\r\x1b[1A\x1b[J";
        assert_eq!(
            written,
            format!("\r\x1b[K{shown}{erased}text\n{shown}{erased}")
        );
    }

    #[test]
    fn a_file_gets_no_status_line() {
        let mut terminal = terminal(None);
        terminal.status("1234567").unwrap();
        terminal.write(b"text\n").unwrap();
        assert_eq!(std::mem::take(&mut terminal.out), b"text\n");
    }
}
