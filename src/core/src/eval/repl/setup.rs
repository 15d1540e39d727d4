use std::sync::Arc;

use super::super::budget::Groups;
use super::super::request::Limits;
use super::super::text::error_text;
use super::end::End;
use crate::error::Error;
use crate::nix::{AttrPath, System};
use crate::process::CommandSpec;

/// What all evaluators of one evaluation have in common.
#[derive(Debug)]
pub(in super::super) struct Setup {
    /// Starts a `nix repl` with the flake.
    pub(in super::super) command: CommandSpec,
    /// That command without what isolates it, which differs from run to run.
    pub(in super::super) plain: CommandSpec,
    /// The flake, for people.
    pub(in super::super) flake: String,
    /// The attribute whose children are jobs.
    pub(in super::super) root: AttrPath,
    /// Wanted systems; empty means all.
    pub(in super::super) systems: Vec<System>,
    /// When to give up.
    pub(in super::super) limits: Limits,
    /// Where the kernel enforces them, if it does.
    pub(in super::super) groups: Option<Arc<Groups>>,
}

impl Setup {
    /// The error of a flake that an evaluator could not load.
    pub(super) fn load_error(&self, end: End) -> Error {
        let flake = &self.flake;
        match end {
            End::Stopped => Error::Stopped,
            End::Complete { is_fine: false, .. } => Error::Eval {
                message: format!("cannot evaluate `{flake}`: it has an output called `builtins`"),
                hint: Some("rename that output; it hides Nix's own `builtins`".to_owned()),
            },
            // Nix says what is wrong and ends; the status adds nothing.
            End::Died {
                last_words: Some(words),
                ..
            } => Error::Eval {
                message: format!("cannot evaluate `{flake}`: {}", error_text(&words)),
                hint: None,
            },
            end => Error::Eval {
                message: format!(
                    "cannot evaluate `{flake}`: {}",
                    end.reason("the flake", self)
                ),
                hint: None,
            },
        }
    }

    /// The error of a root that could not be evaluated.
    pub(super) fn root_error(&self, end: End) -> Error {
        match end {
            End::Stopped => Error::Stopped,
            end => Error::Eval {
                message: format!(
                    "cannot evaluate `{}` of `{}`: {}",
                    self.root,
                    self.flake,
                    end.reason(&format!("`{}`", self.root), self)
                ),
                hint: None,
            },
        }
    }
}
