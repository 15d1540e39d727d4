//! Whose build gets the next slot of a machine.
//!
//! Pure. A *source* is a run, or a build that somebody asked for by hand; it is in the queue while
//! it may have something to build.

mod priority;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub use priority::Priority;

/// Of so many slots, one goes to the lowest priority that waits, so that nothing waits for ever.
pub const SHARE_OF_THE_LOWEST: usize = 4;

/// The sources that wait for slots: by priority, then the projects in turn, then the runs of a
/// project in turn.
#[derive(Debug, Default)]
pub struct Turns {
    waiting: BTreeMap<Priority, VecDeque<ProjectTurns>>,
    /// What waits, and where.
    places: HashMap<usize, Priority>,
    given: usize,
}

#[derive(Debug)]
struct ProjectTurns {
    project: String,
    sources: VecDeque<usize>,
}

impl Turns {
    /// `source` may have something to build, and its turn comes after that of all its equals. One
    /// that waits already keeps its place.
    pub fn add(&mut self, source: usize, priority: Priority, project: &str) {
        if self.places.contains_key(&source) {
            return;
        }
        self.places.insert(source, priority);
        let projects = self.waiting.entry(priority).or_default();
        if let Some(known) = projects.iter_mut().find(|known| known.project == project) {
            known.sources.push_back(source);
        } else {
            projects.push_back(ProjectTurns {
                project: project.to_owned(),
                sources: VecDeque::from([source]),
            });
        }
    }

    /// `source` will have nothing to build any more.
    pub fn remove(&mut self, source: usize) {
        let Some(priority) = self.places.remove(&source) else {
            return;
        };
        if let Some(projects) = self.waiting.get_mut(&priority) {
            for project in projects.iter_mut() {
                project.sources.retain(|other| *other != source);
            }
            projects.retain(|project| !project.sources.is_empty());
        }
        self.waiting.retain(|_, projects| !projects.is_empty());
    }

    /// Takes the source out of the queue whose turn it is. If it has something to build, tell so
    /// with [`Turns::given`].
    pub fn take(&mut self) -> Option<usize> {
        let for_the_lowest = self.given % SHARE_OF_THE_LOWEST == SHARE_OF_THE_LOWEST - 1;
        let mut class = if for_the_lowest {
            self.waiting.first_entry()?
        } else {
            self.waiting.last_entry()?
        };
        let projects = class.get_mut();
        let mut turn = projects.pop_front()?;
        let source = turn.sources.pop_front();
        if !turn.sources.is_empty() {
            projects.push_back(turn);
        }
        if projects.is_empty() {
            class.remove();
        }
        self.places.remove(&source?);
        source
    }

    /// A slot was given to what [`Turns::take`] returned.
    pub fn given(&mut self) {
        self.given = self.given.wrapping_add(1);
    }
}
