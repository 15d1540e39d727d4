//! Handshake and questions over any stream.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufReader, Read, Write};

use super::wire::{Answer, Request};
use super::{DaemonError, message};
use crate::nix::{DrvPath, StorePath};

const MAGIC_CLIENT: u64 = 0x6e69_7863;
const MAGIC_DAEMON: u64 = 0x6478_696f;

const MAJOR: u64 = 1;
/// The newest version whose handshake is known. Newer daemons speak it too.
const MINOR: u64 = 38;
/// Of Nix 2.4. Older ones have other forms of what is sent here.
const MINOR_MIN: u64 = 32;

const ADD_TO_STORE: u64 = 7;
const ADD_TEMP_ROOT: u64 = 11;
const SET_OPTIONS: u64 = 19;
const QUERY_VALID_PATHS: u64 = 31;
const QUERY_MISSING: u64 = 40;

/// Questions that are sent before their answers are read.
const QUESTIONS_AHEAD: usize = 100;

/// What is to be valid. Displays as the protocol writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A path. What it could be built from is not looked at.
    Path(StorePath),
    /// All outputs of a derivation.
    Outputs(DrvPath),
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{path}"),
            Self::Outputs(drv) => write!(formatter, "{drv}!*"),
        }
    }
}

/// What would have to be done for what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Derivations that would be built.
    pub will_build: HashSet<StorePath>,
    /// Paths that would be fetched.
    pub will_substitute: HashSet<StorePath>,
    /// Paths that can neither be built nor fetched.
    pub unknown: HashSet<StorePath>,
}

/// A stream on which the handshake is done.
#[derive(Debug)]
pub(super) struct Connection<S: Read> {
    stream: BufReader<S>,
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Answer` is not general enough in its lifetime"
)]
impl<S: Read + Write> Connection<S> {
    /// Agrees on a version.
    pub(super) fn open(stream: S) -> Result<Self, DaemonError> {
        let mut connection = Self {
            stream: BufReader::with_capacity(64 << 10, stream),
        };
        let hello = Request::default()
            .number(MAGIC_CLIENT)
            .number(MAJOR << 8 | MINOR);
        connection.send(&hello)?;
        let minor = connection.answer(|answer| {
            if answer.number()? != MAGIC_DAEMON {
                return Err(DaemonError::odd("it does not begin like a Nix daemon's"));
            }
            let version = answer.number()?;
            let (major, minor) = (version >> 8, version & 0xff);
            if major == MAJOR && minor >= MINOR_MIN {
                Ok(minor.min(MINOR))
            } else {
                Err(DaemonError::Version { major, minor })
            }
        })?;
        connection.agree(minor)?;
        Ok(connection)
    }

    fn agree(&mut self, minor: u64) -> Result<(), DaemonError> {
        if minor >= 38 {
            // No features of our own.
            self.send(&Request::default().number(0))?;
            self.answer(|answer| answer.skip_texts())?;
        }
        // Two options that mean nothing any more.
        self.send(&Request::default().number(0).number(0))?;
        self.answer(|answer| {
            if minor >= 33 {
                // Nix's version.
                answer.text()?;
            }
            if minor >= 35 {
                // Whether it trusts us.
                answer.number()?;
            }
            message::skip(answer)
        })
    }

    /// Those of `paths` that are valid.
    pub(super) fn valid_paths(
        &mut self,
        paths: &[&StorePath],
    ) -> Result<HashSet<StorePath>, DaemonError> {
        let request = Request::default()
            .number(QUERY_VALID_PATHS)
            .texts(paths.iter().map(|path| path.as_str()))
            // Do not fetch them.
            .number(0);
        self.ask(&request, |answer| answer.paths())
    }

    /// Keeps `paths` from the garbage collector as long as the connection lasts, also from one that
    /// runs already. Whether they are there is another question.
    pub(super) fn add_temp_roots(&mut self, paths: &[&StorePath]) -> Result<(), DaemonError> {
        // One question each: some are sent ahead, as many as pipes hold with their answers.
        for batch in paths.chunks(QUESTIONS_AHEAD) {
            let request = batch.iter().fold(Request::default(), |request, path| {
                request.number(ADD_TEMP_ROOT).text(path.as_str())
            });
            self.send(&request)?;
            for _ in batch {
                self.answer(|answer| {
                    message::skip(answer)?;
                    answer.number()
                })?;
            }
        }
        Ok(())
    }

    /// Adds a file called `name` that holds `text` and refers to `references`, all of which have to
    /// be valid. The same file has the same path.
    pub(super) fn add_text(
        &mut self,
        name: &str,
        text: &str,
        references: &[&StorePath],
    ) -> Result<StorePath, DaemonError> {
        let request = Request::default()
            .number(ADD_TO_STORE)
            .text(name)
            // How its path is made, as for derivations.
            .text("text:sha256")
            .texts(references.iter().map(|path| path.as_str()))
            // Do not repair.
            .number(0)
            .framed(text.as_bytes());
        self.ask(&request, |answer| {
            let path = answer.path()?;
            // Who built it, its hash, references, time, size, origin, signatures, content address.
            answer.text()?;
            answer.text()?;
            answer.skip_texts()?;
            answer.number()?;
            answer.number()?;
            answer.number()?;
            answer.skip_texts()?;
            answer.text()?;
            Ok(path)
        })
    }

    /// What would have to be done so that all of `wanted` is valid.
    pub(super) fn missing(&mut self, wanted: &[Wanted]) -> Result<Missing, DaemonError> {
        let targets: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let request = Request::default()
            .number(QUERY_MISSING)
            .texts(targets.iter().map(String::as_str));
        self.ask(&request, |answer| {
            let missing = Missing {
                will_build: answer.paths()?,
                will_substitute: answer.paths()?,
                unknown: answer.paths()?,
            };
            // Sizes of the download and of what is in it.
            answer.number()?;
            answer.number()?;
            Ok(missing)
        })
    }

    /// From now on substituters that do not work are left out instead of making a question fail.
    /// All options are sent together, so those that do not matter for questions have some value;
    /// substituters are on.
    pub(super) fn leave_out_broken_substituters(&mut self) -> Result<(), DaemonError> {
        let request = Request::default()
            .number(SET_OPTIONS)
            // Keep failed builds; go on after one; fall back.
            .number(0)
            .number(0)
            .number(1)
            // Verbosity: errors. Jobs, longest silence, obsolete, verbosity of builds, twice
            // obsolete, cores.
            .number(0)
            .number(1)
            .number(0)
            .number(1)
            .number(0)
            .number(0)
            .number(0)
            .number(1)
            // Substituters; no further options.
            .number(1)
            .number(0);
        self.ask(&request, |_| Ok(()))
    }

    /// The stream, which carries nothing between two questions.
    pub(super) fn stream_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    fn ask<T>(
        &mut self,
        request: &Request,
        read: impl FnOnce(&mut Answer<'_, BufReader<S>>) -> Result<T, DaemonError>,
    ) -> Result<T, DaemonError> {
        self.send(request)?;
        self.answer(|answer| {
            message::skip(answer)?;
            read(answer)
        })
    }

    fn send(&mut self, request: &Request) -> Result<(), DaemonError> {
        Ok(self.stream.get_mut().write_all(request.bytes())?)
    }

    fn answer<T>(
        &mut self,
        read: impl FnOnce(&mut Answer<'_, BufReader<S>>) -> Result<T, DaemonError>,
    ) -> Result<T, DaemonError> {
        read(&mut Answer::from(&mut self.stream))
    }
}
