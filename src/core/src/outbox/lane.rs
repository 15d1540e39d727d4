use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::back_off::back_off;
use super::{Time, Urgency};
use crate::forge::ForgeKind;

/// What [`Pace::per_window`] is for.
const WINDOW: Duration = Duration::from_secs(60);

/// How fast statuses may be sent in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests in any minute.
    pub per_minute: usize,
    /// How many of these are kept for [`Urgency::Verdict`].
    pub reserved: usize,
    /// Requests at the same time.
    pub in_flight: usize,
}

impl Pace {
    /// What a forge takes without complaint.
    ///
    /// GitHub allows 80 requests a minute that make content, and asks that they come one after
    /// the other (<https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
    /// Gitea and Forgejo have no such limit of their own.
    pub fn of(forge: ForgeKind) -> Self {
        match forge {
            ForgeKind::Github => Self {
                per_minute: 80,
                reserved: 20,
                in_flight: 1,
            },
            ForgeKind::Gitea => Self {
                per_minute: 600,
                reserved: 100,
                in_flight: 4,
            },
        }
    }

    fn allows(&self, urgency: Urgency) -> usize {
        match urgency {
            Urgency::Verdict => self.per_minute,
            Urgency::Detail | Urgency::Progress => self.per_minute.saturating_sub(self.reserved),
        }
    }
}

/// A row's place among those that wait: what came first goes first.
pub(super) type Place = u64;

/// Statuses of repositories that share a rate limit.
#[derive(Debug)]
pub(super) struct Lane {
    pace: Pace,
    repositories: BTreeMap<String, Repository>,
    /// When requests began, as far as that is less than a [`WINDOW`] ago.
    recent: VecDeque<Time>,
    in_flight: usize,
    pause: Pause,
    /// When it was served last, as a number that rises.
    served: u64,
    taken: u64,
}

/// Statuses of one repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    waiting: BTreeMap<Urgency, BTreeSet<Place>>,
    pause: Pause,
    served: u64,
}

/// Nothing is sent until then.
#[derive(Debug, Default)]
struct Pause {
    until: Time,
    /// Failures in a row.
    failures: u32,
}

impl Pause {
    fn failed(&mut self, who: &str, now: Time) {
        self.failures += 1;
        self.until = now + back_off(self.failures, &who);
    }
}

impl Lane {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            repositories: BTreeMap::new(),
            recent: VecDeque::new(),
            in_flight: 0,
            pause: Pause::default(),
            served: 0,
            taken: 0,
        }
    }

    /// How many the forge has taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn served(&self) -> u64 {
        self.served
    }

    pub(super) fn add(&mut self, repository: &str, urgency: Urgency, place: Place) {
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.waiting.entry(urgency).or_default().insert(place);
    }

    pub(super) fn remove(&mut self, repository: &str, urgency: Urgency, place: Place) {
        if let Some(repository) = self.repositories.get_mut(repository) {
            repository.remove(urgency, place);
        }
    }

    /// When the next status of this `urgency` may be sent, if one waits and nothing has to end
    /// before.
    pub(super) fn next_at(&self, urgency: Urgency) -> Option<Time> {
        if self.in_flight >= self.pace.in_flight {
            return None;
        }
        let repositories = self.repositories.values();
        let ready = repositories
            .filter(|repository| repository.first(urgency).is_some())
            .map(|repository| repository.pause.until)
            .min()?;
        Some(ready.max(self.pause.until).max(self.allowed_at(urgency)))
    }

    /// When the window has room for one more.
    fn allowed_at(&self, urgency: Urgency) -> Time {
        let allowed = self.pace.allows(urgency).max(1);
        let oldest = self.recent.len().checked_sub(allowed);
        let oldest = oldest.and_then(|oldest| self.recent.get(oldest));
        oldest.map_or(Time::ZERO, |began| *began + WINDOW)
    }

    /// Takes out the status of this `urgency` whose turn it is. Repositories take turns.
    pub(super) fn take(&mut self, urgency: Urgency, now: Time, turn: u64) -> Option<Place> {
        if self.next_at(urgency)? > now {
            return None;
        }
        let repositories = self.repositories.values_mut();
        let (place, repository) = repositories
            .filter(|repository| repository.pause.until <= now)
            .filter_map(|repository| Some((repository.first(urgency)?, repository)))
            .min_by_key(|(place, repository)| (repository.served, *place))?;
        repository.remove(urgency, place);
        repository.served = turn;
        self.served = turn;
        self.in_flight += 1;
        while self
            .recent
            .front()
            .is_some_and(|began| *began + WINDOW <= now)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        Some(place)
    }

    /// A request has ended, however.
    pub(super) fn landed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) fn succeeded(&mut self, repository: &str) {
        self.taken += 1;
        self.pause = Pause::default();
        if let Some(repository) = self.repositories.get_mut(repository) {
            repository.pause = Pause::default();
        }
    }

    /// The forge asks to be left alone for so long.
    pub(super) fn rest(&mut self, pause: Duration, now: Time) {
        self.pause.until = self.pause.until.max(now + pause);
    }

    /// The forge does not work.
    pub(super) fn is_broken(&mut self, who: &str, now: Time) {
        self.pause.failed(who, now);
    }

    /// It does, but not for this repository. Returns how often in a row.
    pub(super) fn repository_is_broken(&mut self, repository: &str, now: Time) -> u32 {
        let known = self.repositories.entry(repository.to_owned()).or_default();
        known.pause.failed(repository, now);
        known.pause.failures
    }

    /// Forgets repositories about which there is nothing to know.
    pub(super) fn forget(&mut self, repository: &str) {
        let idle = self.repositories.get(repository);
        if idle.is_some_and(|idle| idle.waiting.is_empty() && idle.pause.failures == 0) {
            self.repositories.remove(repository);
        }
    }
}

impl Repository {
    fn first(&self, urgency: Urgency) -> Option<Place> {
        self.waiting.get(&urgency)?.first().copied()
    }

    fn remove(&mut self, urgency: Urgency, place: Place) {
        if let Some(places) = self.waiting.get_mut(&urgency) {
            places.remove(&place);
            if places.is_empty() {
                self.waiting.remove(&urgency);
            }
        }
    }
}
