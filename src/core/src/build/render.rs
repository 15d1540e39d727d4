//! Events → readable text. Keeps what the verdict is made of on the way.

use std::collections::VecDeque;
use std::time::Duration;

use super::activities::Activities;
use super::event::{Event, Field, level, result};
use super::reason::without_builder_lines;
use super::text::{RESET, clean, shorten};

/// Store paths in a row that a message lists before the rest is only counted.
const LISTED_MAX: usize = 20;
/// Nix's errors that are kept for the verdict; with many failures the last ones sum them up.
const ERRORS_MAX: usize = 200;
/// Prefixes get one of these, so that builds that run at once can be told apart.
const PALETTE: [&str; 5] = [
    "\x1b[1;32m",
    "\x1b[1;33m",
    "\x1b[1;34m",
    "\x1b[1;35m",
    "\x1b[1;36m",
];

/// Turns the stream into text, line by line.
#[derive(Debug, Default)]
pub(super) struct Renderer {
    colour: bool,
    activities: Activities,
    out: Vec<u8>,
    /// Store paths in a row seen in messages.
    listed: usize,
    errors: VecDeque<String>,
}

impl Renderer {
    pub(super) fn new(colour: bool) -> Self {
        Self {
            colour,
            ..Self::default()
        }
    }

    /// The text made since the last [`Renderer::clear_text`]: whole lines.
    pub(super) fn text(&self) -> &[u8] {
        &self.out
    }

    pub(super) fn clear_text(&mut self) {
        self.out.clear();
    }

    pub(super) fn activities(&self) -> &Activities {
        &self.activities
    }

    /// Errors that Nix reported, without colours, oldest first.
    pub(super) fn errors(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(String::as_str)
    }

    /// Takes one event that came `now` after the beginning.
    pub(super) fn event(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Start {
                id,
                parent,
                kind,
                level,
                text,
                fields,
            } => {
                let news = self.activities.start(*id, *parent, *kind, fields, now);
                if news && *level <= level::INFO && !text.is_empty() {
                    self.message(text);
                }
            }
            Event::Stop { id } => self.activities.stop(*id, now),
            Event::Result { id, kind, fields } => self.result(*id, *kind, fields, now),
            Event::LongLine {
                id,
                kind,
                head,
                tail,
                left_out,
            } => {
                let line = format!("{head}{tail}");
                if matches!(*kind, result::BUILD_LOG_LINE | result::POST_BUILD_LOG_LINE) {
                    self.builder_line(*id, &shorten(&line, head.len(), *left_out), now);
                }
            }
            Event::Message { level, text } => {
                if *level == level::ERROR {
                    let text = without_builder_lines(text);
                    self.keep_error(&text);
                    self.message(&text);
                } else if *level <= level::INFO {
                    self.message(text);
                }
            }
            Event::Other { text, left_out } => {
                self.message(&shorten(text, text.len(), *left_out));
            }
            Event::Unknown => {}
        }
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self, now: Duration) {
        self.close_list();
        self.activities.stop_all(now);
    }

    fn result(&mut self, id: u64, kind: u64, fields: &[Field], now: Duration) {
        let text = fields.first().and_then(Field::text);
        match (kind, text) {
            (result::BUILD_LOG_LINE | result::POST_BUILD_LOG_LINE, Some(line)) => {
                self.builder_line(id, line, now);
            }
            (result::SET_PHASE, Some(phase)) => self.phase(id, phase),
            (result::PROGRESS, _) => self.activities.progress(id, fields),
            _ => {}
        }
    }

    fn builder_line(&mut self, id: u64, line: &str, now: Duration) {
        self.close_list();
        // Shortened first: cleaning would look at all of it.
        let line = shorten(line, 0, 0);
        let line = clean(&line, self.colour);
        let label = self.activities.line(id, &line, now).unwrap_or("nix");
        push_prefix(&mut self.out, label, self.colour);
        if !line.is_empty() {
            self.out.push(b' ');
            push_one_line(&mut self.out, &line);
        }
        self.out.push(b'\n');
    }

    fn phase(&mut self, id: u64, phase: &str) {
        self.close_list();
        let phase = shorten(phase, 0, 0);
        let phase = clean(&phase, false);
        let label = self.activities.label_of(id).unwrap_or("nix");
        push_prefix(&mut self.out, label, self.colour);
        self.out.extend_from_slice(" ── ".as_bytes());
        push_one_line(&mut self.out, &phase);
        self.out.extend_from_slice(" ──\n".as_bytes());
    }

    fn message(&mut self, text: &str) {
        if is_listed_path(text) {
            self.listed += 1;
            if self.listed > LISTED_MAX {
                return;
            }
        } else {
            self.close_list();
        }
        let text = clean(text, self.colour);
        for line in text.trim_end_matches('\n').split('\n') {
            self.out.extend_from_slice(shorten(line, 0, 0).as_bytes());
            self.out.push(b'\n');
        }
    }

    /// Says how many paths of a list were not shown.
    fn close_list(&mut self) {
        let more = self.listed.saturating_sub(LISTED_MAX);
        self.listed = 0;
        if more > 0 {
            let line = format!("  … and {more} more\n");
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    fn keep_error(&mut self, text: &str) {
        if self.errors.len() == ERRORS_MAX {
            self.errors.pop_front();
        }
        let text = clean(text, false);
        self.errors.push_back(shorten(&text, 0, 0).into_owned());
    }
}

/// Whether a message is one line of a list of paths that will be built or fetched.
fn is_listed_path(text: &str) -> bool {
    text.strip_prefix("  ")
        .is_some_and(|path| path.starts_with('/') && !path.contains(char::is_whitespace))
}

fn push_prefix(out: &mut Vec<u8>, label: &str, colour: bool) {
    if colour {
        let sum: usize = label.bytes().map(usize::from).sum();
        let code = PALETTE
            .get(sum % PALETTE.len())
            .copied()
            .unwrap_or_default();
        out.extend_from_slice(code.as_bytes());
    }
    out.extend_from_slice(label.as_bytes());
    out.push(b'>');
    if colour {
        out.extend_from_slice(RESET.as_bytes());
    }
}

/// Nix splits what builders print into lines, so a newline in one is somebody's trick.
fn push_one_line(out: &mut Vec<u8>, line: &str) {
    let mut pieces = line.split('\n');
    out.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        out.push(b' ');
        out.extend_from_slice(piece.as_bytes());
    }
}
