use std::path::PathBuf;
use std::time::Duration;

use super::queue::{Queue, Waiting};
use super::scratch::Scratch;
use super::target::Target;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::{capture, describe_exit};

/// Paths in one call of a tool, which looks up together what the cache has.
const BATCH_MAX: usize = 1000;
/// Calls in a row that fail before the cache counts as out of order.
const FAILURES_MAX: usize = 3;
/// What could not be uploaded for so long is let go: it holds back the garbage collector.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// The end of what a tool has said that is shown.
const SHOWN_MAX: usize = 4000;

/// What is to be uploaded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Where to.
    pub target: Target,
    /// With what the results refer to.
    pub closure: bool,
    /// Folder with secrets, files by the names in [`super::secret`].
    pub secrets: Option<PathBuf>,
    /// How often this has not gone to its end before. Calls take fewer paths then, so that one that
    /// the cache refuses does not hold up the others.
    pub attempt: u32,
    /// One call.
    pub timeout: Duration,
}

/// What [`upload`] has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// Paths that are there now, with what they refer to.
    pub uploaded: u64,
    /// Paths that still wait.
    pub waiting: u64,
    /// Paths that are not tried any more.
    pub dropped: u64,
    /// Why not all went well.
    pub message: Option<String>,
}

/// Uploads what waits in `queue`. `say` is told what is done, in whole lines.
///
/// An error means that nothing could be tried; a cache that does not take a path is no error.
pub fn upload(
    queue: &Queue,
    request: &UploadRequest,
    stop: &dyn Fn() -> bool,
    say: &mut dyn FnMut(&str),
) -> Result<Uploaded, Error> {
    let mut done = Uploaded::default();
    let mut waiting = queue.waiting()?;
    // What somebody has deleted in spite of the links cannot be uploaded.
    waiting.retain(|waiting| {
        let is_there = std::path::Path::new(waiting.path.as_str()).exists();
        if !is_there {
            let _ = waiting.remove();
        }
        is_there
    });
    if waiting.is_empty() {
        return Ok(done);
    }
    let scratch = Scratch::new(request.secrets.as_deref())?;
    let mut failures = 0;
    let mut left = waiting.as_slice();
    while !left.is_empty() && failures < FAILURES_MAX && !stop() {
        let (batch, behind) = left.split_at(left.len().min(batch_size(request.attempt)));
        left = behind;
        match push(request, batch, &scratch, say) {
            Ok(()) => {
                failures = 0;
                done.uploaded += batch.len() as u64;
                batch.iter().try_for_each(Waiting::remove)?;
            }
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(error) => {
                failures += 1;
                let message = scratch.redact(&error.to_string());
                say(&format!("{message}\n"));
                done.message = Some(message);
                let (old, young): (Vec<_>, Vec<_>) =
                    batch.iter().partition(|waiting| waiting.age > AGE_MAX);
                old.iter().try_for_each(|waiting| waiting.remove())?;
                done.dropped += old.len() as u64;
                done.waiting += young.len() as u64;
            }
        }
    }
    done.waiting += left.len() as u64;
    if stop() {
        return Err(Error::Stopped);
    }
    Ok(done)
}

/// A quarter of what was tried at once before, down to one.
fn batch_size(attempt: u32) -> usize {
    let shift = attempt.saturating_mul(2).min(usize::BITS - 1);
    (BATCH_MAX >> shift).max(1)
}

fn push(
    request: &UploadRequest,
    batch: &[Waiting],
    scratch: &Scratch,
    say: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let paths: Vec<StorePath> = batch.iter().map(|waiting| waiting.path.clone()).collect();
    let command = request.target.push(&paths, request.closure, scratch)?;
    let program = request.target.program();
    say(&format!("{program}: {} paths\n", paths.len()));
    for path in &paths {
        say(&format!("  {path}\n"));
    }
    let captured = capture(&command, b"", request.timeout).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Error::Nix {
            message: format!(
                "cannot run `{program}`: it is not on the PATH of this machine's worker"
            ),
            hint: Some(format!("install `{program}` there")),
        },
        // The command has a thousand paths.
        Error::Nix { .. } => Error::Nix {
            message: format!(
                "`{program}` was stopped after {} s",
                request.timeout.as_secs()
            ),
            hint: None,
        },
        other => other,
    })?;
    let said = String::from_utf8_lossy(&captured.stderr).into_owned()
        + &String::from_utf8_lossy(&captured.stdout);
    let said = scratch.redact(&crate::build::clean(&said, false));
    let said = end_of(said.trim());
    if !said.is_empty() {
        say(&format!("{said}\n"));
    }
    if captured.status.success() {
        return Ok(());
    }
    let how = describe_exit(captured.status);
    let last = said.lines().next_back().unwrap_or("it said nothing");
    Err(Error::Nix {
        message: format!("`{program}` ended with {how}: {last}"),
        hint: None,
    })
}

fn end_of(text: &str) -> &str {
    let begin = text.len().saturating_sub(SHOWN_MAX);
    let begin = (begin..=text.len()).find(|at| text.is_char_boundary(*at));
    begin
        .and_then(|begin| text.get(begin..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_to_one() {
        let sizes: Vec<usize> = (0..7).map(batch_size).collect();
        assert_eq!(sizes, [1000, 250, 62, 15, 3, 1, 1]);
        assert_eq!(batch_size(u32::MAX), 1);
    }

    #[test]
    fn the_end_of_a_text_is_whole() {
        assert_eq!(end_of("short"), "short");
        assert!(end_of(&"ü".repeat(5000)).len() <= SHOWN_MAX);
    }
}
