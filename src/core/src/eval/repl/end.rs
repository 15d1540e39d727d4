use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::super::breach::Breach;
use super::super::text::error_text;
use super::Setup;
use crate::process::describe_exit;

/// How a request ended.
#[derive(Debug)]
pub(super) enum End {
    /// The evaluator is ready for another.
    Complete {
        /// The last error said during the request.
        error: Option<String>,
        /// Whether the mark inside it came.
        is_fine: bool,
    },
    /// The process ended.
    Died {
        status: Option<ExitStatus>,
        last_words: Option<String>,
    },
    /// It ran into a limit. The process is gone.
    Over(Breach),
    /// Nobody wants to know any more. The process is gone.
    Stopped,
}

impl End {
    /// Why `what`, which was in hand, has no result.
    pub(super) fn reason(&self, what: &str, setup: &Setup) -> String {
        match self {
            Self::Complete { error, .. } => match error {
                Some(error) => error_text(error),
                None => "the evaluator gave no result and no error".to_owned(),
            },
            Self::Died { status, last_words } => {
                let how = status.map_or_else(|| "no status".to_owned(), describe_exit);
                let words = last_words.as_deref().map(error_text);
                match words {
                    // Nobody who is killed once fails for it.
                    _ if self.is_kill() => format!(
                        "the evaluator of {what} ended with {how} each time: something else killed \
                         it, perhaps the kernel because memory was short; see \
                         `eval_worker_count` and `concurrent_evaluations`"
                    ),
                    Some(words) => format!("the evaluator ended with {how}:\n{words}"),
                    None => format!("the evaluator ended with {how}, without a word"),
                }
            }
            Self::Over(breach) => breach.text(what, &setup.limits),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// Whether the attribute in hand may have been the victim of what came before it in a process
    /// that is not `is_fresh`, or of someone outside such as the kernel's out-of-memory killer.
    pub(super) fn may_be_innocent(&self, is_fresh: bool) -> bool {
        match self {
            Self::Over(Breach::Memory(_)) => !is_fresh,
            _ => self.is_kill(),
        }
    }

    /// Whether something else killed the process.
    pub(super) fn is_kill(&self) -> bool {
        let Self::Died { status, .. } = self else {
            return false;
        };
        status.is_some_and(|status| status.signal() == Some(signal_hook::consts::SIGKILL))
    }
}
