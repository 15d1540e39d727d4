//! A limit that was reached → what is said of it: which attribute, and which number to raise.

use std::time::Duration;

use super::{Limits, Progress};

/// A limit that an evaluator ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// One attribute took too long.
    Time,
    /// The evaluator said nothing for too long.
    Silence,
    /// It used so many MiB.
    Memory(u64),
}

impl Breach {
    /// What is said of `what`, an attribute or something else that is evaluated.
    pub(super) fn text(self, what: &str, limits: &Limits) -> String {
        match self {
            Self::Time => format!(
                "evaluating {what} was stopped after {0}; if it needs longer, raise \
                 `eval_attribute_timeout` (`--attribute-timeout`), which is {0}",
                seconds(limits.attribute)
            ),
            Self::Silence => format!(
                "evaluating {what} was stopped because the evaluator had said nothing for {0}; if \
                 it needs longer, raise `eval_max_silent_time` (`--max-silent`), which is {0}",
                seconds(limits.silence)
            ),
            Self::Memory(used) => format!(
                "evaluating {what} was stopped because it used {used} MiB of memory; if it needs \
                 as much, raise `eval_max_memory_size` (`--max-memory`), which is {} MiB and \
                 allows half as much again for one attribute",
                limits.memory
            ),
        }
    }
}

/// Message and hint for an evaluation that took longer than `limit` as a whole.
pub(super) fn total(limit: Duration, progress: &Progress) -> (String, String) {
    let in_hand: Vec<String> = (progress.current.iter())
        .map(|current| format!("`{}`", current.attr_path))
        .collect();
    let place = match in_hand.as_slice() {
        [] if progress.finished == 0 => ", before it was done with any attribute".to_owned(),
        [] => String::new(),
        names => format!(", when it was at {}", names.join(", ")),
    };
    (
        format!("the evaluation was stopped after {}{place}", seconds(limit)),
        format!(
            "if it needs longer, raise `eval_timeout` (`--timeout`), which is {}",
            seconds(limit)
        ),
    )
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::eval::Current;
    use crate::nix::AttrPath;

    #[test]
    fn what_was_reached_and_what_to_raise() {
        let limits = Limits::default();
        let text = |breach: Breach| breach.text("`x86_64-linux.a`", &limits);
        assert_snapshot!(text(Breach::Time), @"evaluating `x86_64-linux.a` was stopped after 600 s; if it needs longer, raise `eval_attribute_timeout` (`--attribute-timeout`), which is 600 s");
        assert_snapshot!(text(Breach::Silence), @"evaluating `x86_64-linux.a` was stopped because the evaluator had said nothing for 1200 s; if it needs longer, raise `eval_max_silent_time` (`--max-silent`), which is 1200 s");
        assert_snapshot!(text(Breach::Memory(6200)), @"evaluating `x86_64-linux.a` was stopped because it used 6200 MiB of memory; if it needs as much, raise `eval_max_memory_size` (`--max-memory`), which is 4096 MiB and allows half as much again for one attribute");
        let current = |name| Current {
            attr_path: AttrPath::new([name]),
            time: Duration::ZERO,
        };
        let mut progress = Progress::default();
        let limit = Duration::from_secs(60);
        assert_snapshot!(total(limit, &progress).0, @"the evaluation was stopped after 60 s, before it was done with any attribute");
        progress.current = vec![current("a"), current("b.c")];
        let (message, hint) = total(limit, &progress);
        assert_snapshot!(message, @r#"the evaluation was stopped after 60 s, when it was at `a`, `"b.c"`"#);
        assert_snapshot!(hint, @"if it needs longer, raise `eval_timeout` (`--timeout`), which is 60 s");
        progress = Progress {
            finished: 1,
            ..Progress::default()
        };
        assert_snapshot!(total(limit, &progress).0, @"the evaluation was stopped after 60 s");
    }
}
