//! What nix-eval-jobs says beside its results.
//!
//! Its workers write Nix's plain log, whatever format was asked for, and each error a second time
//! there, in full.

use std::collections::HashMap;

use super::super::found::Found;
use super::super::log::LogLine;
use super::super::text::error_text;

/// Bytes of errors that wait for a result with the same.
const HELD_MAX: usize = 4 << 20;
/// What Nix warns of when it loads a flake, and the second line of it.
const UNTRUSTED: &str = "ignoring untrusted flake configuration setting ";
const UNTRUSTED_HINT: &str = "Pass '--accept-flake-config' to trust it";

/// Passes on what is said, but for errors that are results too.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// An error whose last line may not have come yet.
    error: Option<String>,
    /// A warning that may have a second line.
    warning: Option<String>,
    /// Errors that have been said and are no result yet, by their words.
    held: HashMap<String, Vec<String>>,
    held_size: usize,
    /// How often errors are results that have not been said yet, by their words.
    expected: HashMap<String, usize>,
    /// Whether more was done than evaluating. For which attribute cannot be told.
    pub(super) is_active: bool,
}

impl Said {
    /// Takes one line of the log.
    pub(super) fn hear(&mut self, line: LogLine, tell: &mut dyn FnMut(Found)) {
        match (line, &mut self.error, &mut self.warning) {
            (LogLine::Nothing, ..) => {}
            (LogLine::Activity(text), Some(error), _) if text.starts_with(' ') => {
                error.push('\n');
                error.push_str(&text);
            }
            (LogLine::Activity(text), _, Some(warning)) if text == UNTRUSTED_HINT => {
                warning.push('\n');
                warning.push_str(&text);
            }
            (line, ..) => {
                self.close(tell);
                self.begin(line, tell);
            }
        }
    }

    /// `error` is the result of an attribute.
    pub(super) fn is_result(&mut self, error: &str) {
        // Some downloads that fail leave no other trace.
        self.is_active |= error.contains("unable to download '");
        let words = words(error);
        match self.held.get_mut(&words).and_then(Vec::pop) {
            Some(said) => self.held_size -= said.len(),
            None => *self.expected.entry(words).or_default() += 1,
        }
    }

    /// To be called when nothing more is said.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(Found)) {
        self.close(tell);
        let held = std::mem::take(&mut self.held);
        held.into_values()
            .flatten()
            .for_each(|error| tell(Found::Text(error)));
    }

    fn begin(&mut self, line: LogLine, tell: &mut dyn FnMut(Found)) {
        match line {
            LogLine::Error(text) => self.error = Some(text),
            LogLine::Warning(text) => self.warning = Some(text),
            LogLine::Activity(text) => {
                self.is_active = true;
                if !text.is_empty() {
                    tell(Found::Text(text));
                }
            }
            LogLine::Notice(text) | LogLine::Text(text) => tell(Found::Text(text)),
            LogLine::Nothing => {}
        }
    }

    /// What was being said is complete.
    fn close(&mut self, tell: &mut dyn FnMut(Found)) {
        if let Some(warning) = self.warning.take() {
            tell(if warning.starts_with(UNTRUSTED) {
                Found::LoadWarning(warning)
            } else {
                Found::Warning(warning)
            });
        }
        let Some(error) = self.error.take() else {
            return;
        };
        let words = words(&error_text(&error));
        if let Some(expected) = self.expected.get_mut(&words).filter(|it| **it > 0) {
            *expected -= 1;
        } else if self.held_size + error.len() > HELD_MAX {
            tell(Found::Text(error));
        } else {
            self.held_size += error.len();
            self.held.entry(words).or_default().push(error);
        }
    }
}

/// The text without what may be between words: a tabulator is spaces in a result.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::log::parse_plain;
    use super::*;

    /// Hears lines and results, which begin with `=`, and returns what was passed on.
    fn told(text: &str) -> (Vec<Found>, bool) {
        let (mut said, mut told) = (Said::default(), Vec::new());
        for line in text.lines() {
            match line.strip_prefix('=') {
                Some(error) => said.is_result(&error.replace('~', "\n")),
                None => said.hear(parse_plain(line.as_bytes()), &mut |found| told.push(found)),
            }
        }
        said.end(&mut |found| told.push(found));
        (told, said.is_active)
    }

    fn text(text: &str) -> Found {
        Found::Text(text.to_owned())
    }

    #[test]
    fn an_error_that_is_a_result_is_not_passed_on() {
        let said = "\u{1b}[31;1merror:\u{1b}[0m\n       … while\n\n       \u{1b}[31;1merror:\u{1b}[0m a\tb";
        let result = "=error:~       … while~~       error: a        b";
        for order in [format!("{said}\n{result}"), format!("{result}\n{said}")] {
            assert_eq!(told(&order), (vec![], false), "{order}");
            // Another like it is.
            let (told, is_active) = told(&format!("{order}\n{said}"));
            assert_eq!(told, [text("error:\n       … while\n       error: a\tb")]);
            assert!(!is_active);
        }
    }

    #[test]
    fn whatever_is_more_than_evaluating_is_noticed() {
        for line in [
            "building '/nix/store/x.drv'...",
            "unpacking 'http://x' into the Git cache...",
            "fatal: unable to access 'http://x/'",
        ] {
            assert_eq!(told(line), (vec![text(line)], true));
        }
        let retried = "warning: unable to download 'http://x': 500; retrying in 20 ms";
        assert_eq!(told(retried), (vec![text(retried)], true));
        let failed = "error: unable to download 'http://x': HTTP error 404";
        assert_eq!(told(&format!("{failed}\n={failed}")), (vec![], true));
        assert!(!told("trace: x\nwarning: y\nerror: z\n=error: z").1);
    }

    #[test]
    fn warnings_have_the_form_that_nix_itself_gives_them() {
        let warning = |text: &str| Found::Warning(text.to_owned());
        let (told, is_active) = told(
            "warning: ignoring untrusted flake configuration setting 'x'.\n\
             Pass '--accept-flake-config' to trust it\n\
             trace: evaluation warning: old\n\
             evaluation warning: new\n\
             trace: evaluating",
        );
        let untrusted = "ignoring untrusted flake configuration setting 'x'.\n\
                         Pass '--accept-flake-config' to trust it";
        assert_eq!(
            told,
            [
                Found::LoadWarning(untrusted.to_owned()),
                warning("old"),
                warning("new"),
                text("trace: evaluating"),
            ]
        );
        assert!(!is_active);
    }
}
