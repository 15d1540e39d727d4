//! What another evaluation of the same would find: taking it down, and handing it over again.

use std::time::Instant;

use super::Assembler;
use crate::daemon::DaemonError;
use crate::error::Error;
use crate::machine_line::Line;
use crate::nix::DrvPath;
use crate::reuse::Remembered;

impl Assembler<'_> {
    /// Hands over what an earlier evaluation found, if its derivations are still there. They are
    /// held until this evaluation ends before links are made, so that no collection takes any.
    pub(in super::super) fn replay(&mut self, result: Remembered) -> Result<bool, Error> {
        let drvs = drvs(&result.lines);
        let held = self.statuses.hold(result.manifest.as_ref(), &drvs);
        let held = match held {
            Ok(Some(held)) => held,
            Err(DaemonError::Stopped) => return Err(Error::Stopped),
            // A store that does not answer is the evaluation's to complain of.
            Ok(None) | Err(_) => return Ok(false),
        };
        self.lasting = None;
        self.is_replayed = true;
        self.line(Line::Reused { from: result.label });
        self.keep(&held.iter().collect::<Vec<_>>());
        let mut jobs = Vec::new();
        for line in result.lines {
            match line {
                Line::Job(job) => jobs.push(job),
                Line::Warning { message } => self.warn(message),
                Line::Repeated { message, count } => self.warnings.set_count(&message, count),
                Line::Skipped(skipped) => self.others.replay(skipped),
                other => self.line(other),
            }
        }
        self.look_up(jobs)?;
        Ok(true)
    }

    /// Takes all that is worth remembering, once everything has been found. Nothing that was found
    /// waits for this.
    pub(in super::super) fn take_lasting(&mut self) -> Result<Option<Remembered>, Error> {
        self.flush(Instant::now())?;
        self.hand_over_all()?;
        self.pause();
        let Some(mut lines) = self.lasting.take() else {
            return Ok(None);
        };
        lines.extend(self.others.skipped().map(Line::Skipped));
        lines.extend(self.warnings.repeated());
        Ok(Some(Remembered {
            label: None,
            // Without it every derivation is looked for when the result is used again.
            manifest: self.statuses.manifest(&drvs(&lines)).ok().flatten(),
            lines,
        }))
    }
}

/// The derivations of all jobs.
fn drvs(lines: &[Line]) -> Vec<&DrvPath> {
    let drvs = lines.iter().filter_map(|line| match line {
        Line::Job(job) => Some(&job.drv_path),
        _ => None,
    });
    drvs.collect()
}
