use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::activities::Finished;
use super::derivation::Outputs;
use super::request::Request;
use super::verdict::Verdict;
use crate::machine_line::{BuildResult, Outcome};
use crate::nix::{DrvPath, StorePath};

/// Derivations that were built, of which a log lists the time.
const LISTED_MAX: usize = 50;
/// Failed derivations whose last lines are repeated at the end of the log.
pub(super) const TAILS_MAX: usize = 3;

/// The outcome with what is known without the stream.
pub(super) fn assemble(request: &Request, verdict: Verdict, outputs: &Outputs) -> Outcome {
    // Some outputs of a failed build may exist; nobody should use them.
    let shown = outputs
        .iter()
        .filter(|_| verdict.result == BuildResult::Succeeded);
    Outcome {
        result: verdict.result,
        drv_path: request.drv_path.clone(),
        outputs: shown
            .filter_map(|(name, path)| Some((name.clone(), path.clone()?)))
            .collect(),
        failed_drv: verdict.failed_drv,
        message: verdict.message,
        may_pass: verdict.may_pass,
        exceeded: verdict.exceeded,
        seconds: 0.0,
        built: 0,
        substituted: 0,
    }
}

/// One row of what `nix build --json` prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default)]
    outputs: BTreeMap<String, Option<String>>,
}

/// Fills in the paths that only the build gave, from what `nix build --json` printed.
pub(super) fn complete(outputs: &mut Outputs, stdout: &[u8], drv: &DrvPath) {
    let store = drv.as_str().rsplit_once('/').map_or("", |(store, _)| store);
    let rows: Vec<Row> = serde_json::from_slice(stdout).unwrap_or_default();
    for (name, path) in rows.into_iter().flat_map(|row| row.outputs) {
        let Some(path) = path else { continue };
        // Nix's newer JSON formats leave the store's directory away.
        let path = if path.starts_with('/') {
            path
        } else {
            format!("{store}/{path}")
        };
        if let Ok(path) = StorePath::try_from(path) {
            outputs.entry(name).or_default().get_or_insert(path);
        }
    }
}

/// The last lines of a derivation that failed, to be repeated where people look first.
pub(super) fn tail(failed: &Finished) -> String {
    let tail = &failed.tail;
    let shown = tail.lines().len() as u64;
    let label = &failed.label;
    let mut text = match (shown, tail.total()) {
        (0, _) => format!("\n── {label} failed; its builder printed nothing ──\n"),
        (shown, total) if shown < total => {
            format!("\n── {label} failed; the last {shown} of {total} lines of its builder ──\n")
        }
        _ => format!("\n── {label} failed; what its builder printed ──\n"),
    };
    for line in tail.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// What was built, and how long that took: the longest first.
pub(super) fn timings(finished: &[Finished]) -> String {
    let mut text = String::new();
    // A builder alone has the time of the whole build.
    if finished.len() < 2 {
        return text;
    }
    let mut longest: Vec<&Finished> = finished.iter().collect();
    longest.sort_by_key(|finished| std::cmp::Reverse(finished.ran));
    text.push_str("\n── time of builders ──\n");
    for finished in longest.iter().take(LISTED_MAX) {
        let seconds = finished.ran.as_secs_f64();
        let _ = write!(text, "  {seconds:>8.1} s  {}", finished.label);
        if !finished.machine.is_empty() {
            let _ = write!(text, " on {}", finished.machine);
        }
        text.push('\n');
    }
    if let Some(more @ 1..) = longest.len().checked_sub(LISTED_MAX) {
        let _ = writeln!(text, "  … and {more} more");
    }
    text
}

/// A build that went well in a few words.
pub fn short(outcome: &Outcome) -> String {
    let seconds = outcome.seconds;
    if outcome.built == 0 && outcome.substituted == 0 {
        return "was there already".to_owned();
    }
    let mut parts = Vec::new();
    if outcome.built > 0 {
        parts.push(format!("{} built", outcome.built));
    }
    if outcome.substituted > 0 {
        parts.push(format!("{} fetched", outcome.substituted));
    }
    format!("{} in {seconds:.1} s", parts.join(", "))
}

/// The paths of a build that went well, for the end of its log.
pub fn listing(outcome: &Outcome) -> String {
    let mut text = String::new();
    let width = outcome.outputs.keys().map(String::len).max().unwrap_or(0);
    for (name, path) in &outcome.outputs {
        let _ = writeln!(text, "  {name:<width$}  {path}");
    }
    text
}

/// An outcome as one line for people.
pub fn summary(outcome: &Outcome) -> String {
    let name = outcome.drv_path.name();
    let seconds = outcome.seconds;
    let mut text = match outcome.result {
        BuildResult::Succeeded if outcome.built == 0 && outcome.substituted == 0 => {
            format!("`{name}` was there already ({seconds:.1} s)")
        }
        BuildResult::Succeeded => format!(
            "`{name}` succeeded in {seconds:.1} s, {} built, {} fetched",
            outcome.built, outcome.substituted
        ),
        BuildResult::Failed => format!("`{name}` failed after {seconds:.1} s"),
        BuildResult::Transient => format!("`{name}` could not be built here ({seconds:.1} s)"),
        BuildResult::Cancelled => format!("`{name}` was cancelled after {seconds:.1} s"),
    };
    if let Some(message) = &outcome.message {
        let _ = write!(text, ": {message}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-multi.drv";
    const OUT: &str = "/nix/store/00000000000000000000000000000000-multi";

    #[test]
    fn floating_outputs_get_their_paths_from_nix() {
        let known: StorePath = OUT.parse().unwrap();
        let mut outputs = Outputs::from([
            ("dev".to_owned(), Some(known.clone())),
            ("out".to_owned(), None),
        ]);
        let base = known.base_name();
        let stdout = format!(
            r#"[{{"drvPath":"{DRV}","outputs":{{"out":"{base}-1","dev":"/x","lib":null}},"startTime":0}}]"#
        );
        complete(&mut outputs, stdout.as_bytes(), &DRV.parse().unwrap());
        let out = format!("{OUT}-1").parse().unwrap();
        let expected = [
            ("dev".to_owned(), Some(known)),
            ("out".to_owned(), Some(out)),
        ];
        assert_eq!(outputs, Outputs::from(expected));
        complete(&mut outputs, b"no JSON", &DRV.parse().unwrap());
    }

    #[test]
    fn outcomes_are_one_line() {
        let mut outcome = assemble(
            &Request::new(DRV.parse().unwrap()),
            Verdict::succeeded(),
            &Outputs::new(),
        );
        assert_eq!(summary(&outcome), "`multi` was there already (0.0 s)");
        outcome.built = 2;
        outcome.seconds = 61.26;
        assert_eq!(
            summary(&outcome),
            "`multi` succeeded in 61.3 s, 2 built, 0 fetched"
        );
        outcome.result = BuildResult::Failed;
        outcome.message = Some("the builder of `multi` ended with exit status 1".to_owned());
        assert_eq!(
            summary(&outcome),
            "`multi` failed after 61.3 s: the builder of `multi` ended with exit status 1"
        );
    }
}
