//! Who is who in the stream: which builders run, ran and failed. No text is made here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::event::{Field, activity};
use super::log::Progress;
use super::tail::Tail;

/// Levels of nested activities that are followed up to a build.
const DEPTH_MAX: usize = 8;
/// Memory for the last lines of builders that seem to have succeeded.
const TAILS_MAX: usize = 2 << 20;

/// A builder that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) drv: String,
    /// Short name, the prefix of its lines.
    pub(super) label: String,
    machine: String,
    since: Duration,
    last_line: Duration,
    tail: Tail,
}

/// A builder that has ended, one way or the other: Nix does not say which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) drv: String,
    pub(super) label: String,
    /// The remote builder that it ran on, as Nix calls it; empty for this machine.
    pub(super) machine: String,
    /// How long it ran.
    pub(super) ran: Duration,
    /// How long it had been silent at the end.
    pub(super) silent: Duration,
    /// Nix counted one more failure just before.
    pub(super) seems_failed: bool,
    /// Its last lines, as long as there is room for them.
    pub(super) tail: Tail,
}

/// What a meter of Nix shows.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    is_builds: bool,
    done: u64,
    expected: u64,
    failed: u64,
}

/// The state of the stream.
#[derive(Debug, Default)]
pub(super) struct Activities {
    running: HashMap<u64, Running>,
    parents: HashMap<u64, u64>,
    /// Labels of the post-build hooks that run.
    hooks: HashMap<u64, String>,
    meters: HashMap<u64, Meter>,
    finished: Vec<Finished>,
    /// Derivation by label, so that two derivations do not get the same.
    labels: HashMap<String, String>,
    /// Indices into `finished` whose tails may be dropped, oldest first.
    droppable: VecDeque<usize>,
    droppable_memory: usize,
    /// Failures that `finished` accounts for.
    failures_seen: u64,
}

impl Activities {
    /// Takes note of a new activity; returns whether people want to hear of it.
    pub(super) fn start(
        &mut self,
        id: u64,
        parent: u64,
        kind: u64,
        fields: &[Field],
        now: Duration,
    ) -> bool {
        self.parents.insert(id, parent);
        match kind {
            activity::BUILD => {
                let drv = fields.first().and_then(Field::text).unwrap_or_default();
                if let Some(same) = self.running_id(drv) {
                    // A remote builder reports the build that we started there once more.
                    self.parents.insert(id, same);
                    return false;
                }
                let label = self.label(drv);
                let machine = fields.get(1).and_then(Field::text).unwrap_or_default();
                let running = Running {
                    drv: drv.to_owned(),
                    label,
                    machine: machine.to_owned(),
                    since: now,
                    last_line: now,
                    tail: Tail::default(),
                };
                self.running.insert(id, running);
                true
            }
            activity::POST_BUILD_HOOK => {
                let drv = fields.first().and_then(Field::text).unwrap_or_default();
                let label = format!("{} (post-build hook)", short_name(full_name(drv)));
                self.hooks.insert(id, label);
                true
            }
            activity::BUILDS | activity::COPY_PATHS => {
                let is_builds = kind == activity::BUILDS;
                // Remote builders have meters too, and everything they count is counted here once
                // more. Those hang below an activity, and come later.
                let is_first = self
                    .meters
                    .values()
                    .all(|meter| meter.is_builds != is_builds);
                if is_first || parent == 0 {
                    let meter = Meter {
                        is_builds,
                        ..Meter::default()
                    };
                    self.meters.insert(id, meter);
                }
                true
            }
            _ => true,
        }
    }

    /// Takes note of the end of an activity.
    pub(super) fn stop(&mut self, id: u64, now: Duration) {
        self.parents.remove(&id);
        self.hooks.remove(&id);
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let failures: u64 = self.meters.values().map(|meter| meter.failed).sum();
        let seems_failed = failures > self.failures_seen;
        let memory = running.tail.memory();
        if seems_failed {
            self.failures_seen += 1;
        } else {
            self.droppable.push_back(self.finished.len());
            self.droppable_memory += memory;
        }
        self.finished.push(Finished {
            ran: now.saturating_sub(running.since),
            silent: now.saturating_sub(running.last_line),
            drv: running.drv,
            label: running.label,
            machine: running.machine,
            seems_failed,
            tail: running.tail,
        });
        self.drop_old_tails();
    }

    /// Takes note of a meter's new state.
    pub(super) fn progress(&mut self, id: u64, fields: &[Field]) {
        if let Some(meter) = self.meters.get_mut(&id) {
            let number = |index: usize| fields.get(index).and_then(Field::number).unwrap_or(0);
            meter.done = number(0);
            meter.expected = number(1);
            meter.failed = number(3);
        }
    }

    /// Takes note of a line of activity `id`; returns who printed it, if that is known.
    pub(super) fn line(&mut self, id: u64, line: &str, now: Duration) -> Option<&str> {
        if let Some(label) = self.hooks.get(&id) {
            return Some(label);
        }
        let build = self.build_of(id)?;
        let running = self.running.get_mut(&build)?;
        running.last_line = now;
        running.tail.push(line);
        Some(&running.label)
    }

    /// The label of the builder that activity `id` belongs to.
    pub(super) fn label_of(&self, id: u64) -> Option<&str> {
        let build = self.build_of(id)?;
        self.running
            .get(&build)
            .map(|running| running.label.as_str())
    }

    /// Builders that ended, oldest first.
    pub(super) fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// The builder that has been running for longest.
    pub(super) fn oldest_running(&self) -> Option<&Running> {
        self.running.values().min_by_key(|running| running.since)
    }

    /// Moves what still runs to [`Activities::finished`]: the stream has ended.
    pub(super) fn stop_all(&mut self, now: Duration) {
        let mut ids: Vec<u64> = self.running.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.stop(id, now);
        }
    }

    /// How far everything is.
    pub(super) fn snapshot(&self, elapsed: Duration) -> Progress {
        let mut progress = Progress {
            elapsed,
            ..Progress::default()
        };
        for meter in self.meters.values() {
            if meter.is_builds {
                progress.built += meter.done;
                progress.to_build += meter.expected;
            } else {
                progress.fetched += meter.done;
                progress.to_fetch += meter.expected;
            }
        }
        let mut running: Vec<&Running> = self.running.values().collect();
        running.sort_by_key(|running| running.since);
        progress.running = running
            .iter()
            .map(|running| running.label.clone())
            .collect();
        progress
    }

    /// Number of builders that failed, as Nix counts.
    pub(super) fn failures(&self) -> u64 {
        self.meters
            .values()
            .filter(|meter| meter.is_builds)
            .map(|meter| meter.failed)
            .sum()
    }

    /// Number of paths that were fetched.
    pub(super) fn fetched(&self) -> u64 {
        self.snapshot(Duration::ZERO).fetched
    }

    fn running_id(&self, drv: &str) -> Option<u64> {
        let same = |(_, running): &(&u64, &Running)| running.drv == drv;
        self.running.iter().find(same).map(|(id, _)| *id)
    }

    fn build_of(&self, id: u64) -> Option<u64> {
        let mut id = id;
        for _ in 0..DEPTH_MAX {
            if self.running.contains_key(&id) {
                return Some(id);
            }
            id = *self.parents.get(&id)?;
        }
        None
    }

    /// The derivation's name without version, unless another derivation has that already.
    fn label(&mut self, drv: &str) -> String {
        let name = full_name(drv);
        let short = short_name(name);
        let owner = self
            .labels
            .entry(short.to_owned())
            .or_insert_with(|| drv.to_owned());
        if owner == drv { short } else { name }.to_owned()
    }

    fn drop_old_tails(&mut self) {
        while self.droppable_memory > TAILS_MAX {
            let Some(index) = self.droppable.pop_front() else {
                return;
            };
            if let Some(finished) = self.finished.get_mut(index) {
                self.droppable_memory -= finished.tail.memory();
                finished.tail = Tail::default();
            }
        }
    }
}

/// The name in a derivation's path, which comes from another process and is checked by nobody.
fn full_name(drv: &str) -> &str {
    let base = drv.rsplit('/').next().unwrap_or_default();
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

/// `name` up to its version, which by Nix's rule begins at the first dash without a letter behind
/// it.
fn short_name(name: &str) -> &str {
    let dash = name.match_indices('-').find(|(index, _)| {
        let next = name.as_bytes().get(index + 1);
        next.is_some_and(|byte| !byte.is_ascii_alphabetic())
    });
    dash.and_then(|(index, _)| name.get(..index))
        .filter(|short| !short.is_empty())
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn start_build(activities: &mut Activities, id: u64, parent: u64, drv: &str) -> bool {
        let fields = [Field::Text(Cow::Borrowed(drv))];
        activities.start(id, parent, activity::BUILD, &fields, Duration::ZERO)
    }

    fn failed(count: u64) -> [Field<'static>; 4] {
        [0, 9, 0, count].map(Field::Number)
    }

    #[test]
    fn labels_are_short_and_tell_derivations_apart() {
        let mut activities = Activities::default();
        for (id, drv, label) in [
            (1, "/nix/store/a-hello-2.12.drv", "hello"),
            (2, "/nix/store/b-hello-1.0.drv", "hello-1.0"),
            (3, "/nix/store/c-gtk+-3.drv", "gtk+"),
            (4, "/nix/store/d-x-y.drv", "x-y"),
            (5, "garbage", "garbage"),
        ] {
            assert!(start_build(&mut activities, id, 0, drv));
            assert_eq!(activities.label_of(id), Some(label));
        }
    }

    #[test]
    fn a_remote_builders_report_is_the_same_build() {
        let mut activities = Activities::default();
        assert!(start_build(&mut activities, 1, 0, "/s/a-x.drv"));
        activities.start(5, 0, activity::BUILDS, &[], SECOND);
        // The far side has meters of its own.
        activities.start(2, 1, activity::BUILDS, &[], SECOND);
        activities.progress(2, &failed(7));
        assert_eq!(activities.failures(), 0);
        assert!(!start_build(&mut activities, 3, 2, "/s/a-x.drv"));
        assert_eq!(activities.line(3, "far away", SECOND), Some("x"));
        activities.stop(3, SECOND);
        assert_eq!(activities.finished().len(), 0);
        activities.stop(1, SECOND * 3);
        let finished = &activities.finished()[0];
        assert_eq!((finished.ran, finished.silent), (SECOND * 3, SECOND * 2));
        assert_eq!(finished.tail.total(), 1);
    }

    #[test]
    fn failures_belong_to_the_build_that_ends_next() {
        let mut activities = Activities::default();
        activities.start(9, 0, activity::BUILDS, &[], SECOND);
        start_build(&mut activities, 1, 0, "/s/a-x.drv");
        start_build(&mut activities, 2, 0, "/s/b-y.drv");
        activities.progress(9, &failed(0));
        activities.stop(1, SECOND);
        activities.progress(9, &failed(1));
        activities.stop(2, SECOND);
        let seem: Vec<bool> = activities
            .finished()
            .iter()
            .map(|f| f.seems_failed)
            .collect();
        assert_eq!(seem, [false, true]);
        assert_eq!(activities.failures(), 1);
    }

    #[test]
    fn memory_for_tails_is_bounded() {
        let mut activities = Activities::default();
        for id in 1..2000 {
            start_build(&mut activities, id, 0, &format!("/s/{id}-x.drv"));
            for _ in 0..30 {
                activities.line(id, &"x".repeat(1000), SECOND);
            }
            activities.stop(id, SECOND);
        }
        let memory: usize = activities.finished().iter().map(|f| f.tail.memory()).sum();
        assert!(memory <= TAILS_MAX, "{memory}");
        assert_eq!(activities.finished().last().unwrap().tail.total(), 30);
    }
}
