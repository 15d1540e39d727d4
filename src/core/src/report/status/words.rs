//! What statuses say of themselves, in one line for people.

/// What something that goes on says of itself.
pub(super) const STARTED: &str = "Build started.";
/// What a pull request says of itself that is not built before a member agrees.
pub(super) const HELD: &str = "Waiting for approval: a member comments /build, or builds it here.";
/// What something good says of itself.
pub(super) const DONE: &str = "Build done.";

/// What of `text` says what is wrong. Nix begins it with a word, and puts where that was before it
/// or behind it; in other texts it is the first line.
pub(super) fn reason_of(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = |line: &'_ str| {
        line.find("error: ")
            .map(|at| line.split_at(at).1.to_owned())
    };
    let reason = lines().rev().find_map(error);
    let reason = reason.or_else(|| lines().next().map(str::to_owned));
    reason.unwrap_or_else(|| "See its log.".to_owned())
}

/// What something that was stopped says of itself.
pub(super) fn cancelled(reason: &str) -> String {
    format!("Cancelled: {}", reason_of(reason))
}
