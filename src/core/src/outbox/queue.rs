use std::collections::{BTreeMap, HashMap};

use super::lane::{Lane, Pace, Place};
use super::{Key, Time, Urgency};
use crate::forge::{Fault, ForgeKind};

/// Requests at the same time, to all forges.
const IN_FLIGHT_MAX: usize = 4;
/// Times that a forge may say that it knows no such commit. It may not have it yet.
const MISSING_MAX: u32 = 5;
/// Times in a row that it may say so of anything in one repository, before all there counts as
/// missing.
const REPOSITORY_MISSING_MAX: u32 = 10;

/// Times that a forge may break down over a status while it takes others: what breaks it then is
/// the status.
const BREAKING_MAX: u32 = 20;

/// What becomes of a status that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is sent again.
    Again,
    /// It never is: the same would come of it.
    Never,
}

/// The statuses that are to be sent, and those that are being sent.
#[derive(Debug)]
pub struct Outbox {
    pace: fn(ForgeKind) -> Pace,
    lanes: BTreeMap<(ForgeKind, String), Lane>,
    waiting: HashMap<Key, Waiting>,
    by_place: HashMap<Place, Key>,
    flying: HashMap<Key, Flight>,
    failures: HashMap<Key, Failures>,
    next_place: Place,
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    urgency: Urgency,
    place: Place,
}

/// What came of the tries to send a status.
#[derive(Debug, Default)]
struct Failures {
    /// Times that the forge said that it knows no such commit.
    missing: u32,
    /// Times that it broke down, and had taken something since the time before.
    breaking: u32,
    /// [`Lane::taken`] when it broke down last.
    others_taken: Option<u64>,
}

#[derive(Debug)]
struct Flight {
    was: Waiting,
    /// Set if there is something newer to send.
    newer: Option<Urgency>,
}

/// What becomes of a status after its request.
#[derive(Debug, Clone, Copy)]
enum Landing {
    /// Nothing, if it has not changed.
    Ended,
    /// It is sent again, at its old place.
    InFront,
    /// It is sent again, after those that wait.
    Behind,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new(Pace::of)
    }
}

impl Outbox {
    /// An empty one, with the pace of each forge.
    pub fn new(pace: fn(ForgeKind) -> Pace) -> Self {
        Self {
            pace,
            lanes: BTreeMap::new(),
            waiting: HashMap::new(),
            by_place: HashMap::new(),
            flying: HashMap::new(),
            failures: HashMap::new(),
            next_place: 0,
            turn: 0,
        }
    }

    /// Number of statuses that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A status has changed and is to be sent. One that waits keeps its place; while an older one
    /// of the same key is being sent, it waits for the end of that.
    pub fn put(&mut self, key: Key, urgency: Urgency) {
        self.failures.remove(&key);
        if let Some(flight) = self.flying.get_mut(&key) {
            flight.newer = Some(urgency);
            return;
        }
        let place = match self.waiting.get(&key).copied() {
            Some(before) => {
                let lane = self.lane(&key);
                lane.remove(&key.repository, before.urgency, before.place);
                before.place
            }
            None => self.new_place(),
        };
        self.enqueue(key, Waiting { urgency, place });
    }

    /// The key of a status to be sent now, if there is one. Its row says what; the caller owes
    /// [`Outbox::delivered`], [`Outbox::dropped`] or [`Outbox::failed`].
    pub fn take(&mut self, now: Time) -> Option<Key> {
        if self.flying.len() >= IN_FLIGHT_MAX {
            return None;
        }
        self.turn += 1;
        let turn = self.turn;
        for urgency in Urgency::ALL {
            let lanes = self.lanes.values_mut();
            let ready = lanes
                .filter(|lane| lane.next_at(urgency).is_some_and(|at| at <= now))
                .min_by_key(|lane| lane.served());
            let Some(place) = ready.and_then(|lane| lane.take(urgency, now, turn)) else {
                continue;
            };
            let key = self.by_place.remove(&place)?;
            let was = self.waiting.remove(&key)?;
            let flight = Flight { was, newer: None };
            self.flying.insert(key.clone(), flight);
            return Some(key);
        }
        None
    }

    /// When [`Outbox::take`] may give something, if not only the end of a request changes that.
    pub fn next_at(&self) -> Option<Time> {
        if self.flying.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let lanes = self.lanes.values();
        lanes
            .flat_map(|lane| Urgency::ALL.map(|urgency| lane.next_at(urgency)))
            .flatten()
            .min()
    }

    /// The forge has it.
    pub fn delivered(&mut self, key: &Key) {
        self.failures.remove(key);
        self.lane(key).succeeded(&key.repository);
        self.land(key, Landing::Ended);
    }

    /// There was nothing to send: its row is gone, or the forge has it already.
    pub fn dropped(&mut self, key: &Key) {
        self.failures.remove(key);
        self.land(key, Landing::Ended);
    }

    /// The forge has not taken it, or could not be asked.
    pub fn failed(&mut self, key: &Key, fault: Fault, now: Time) -> Next {
        let owner = key.lane().1.to_owned();
        let lane = self.lane(key);
        let next = match fault {
            Fault::RateLimited(pause) => {
                lane.rest(pause, now);
                Next::Again
            }
            Fault::Unavailable => {
                lane.is_broken(&owner, now);
                let taken = Some(lane.taken());
                let known = self.failures.entry(key.clone()).or_default();
                if known.others_taken.is_some() && known.others_taken != taken {
                    known.breaking += 1;
                }
                known.others_taken = taken;
                if known.breaking >= BREAKING_MAX {
                    Next::Never
                } else {
                    Next::Again
                }
            }
            // An admin corrects the token; the next repository may have another one.
            Fault::Auth => {
                lane.repository_is_broken(&key.repository, now);
                Next::Again
            }
            Fault::NotFound => {
                let in_a_row = lane.repository_is_broken(&key.repository, now);
                let known = self.failures.entry(key.clone()).or_default();
                known.missing += 1;
                if known.missing >= MISSING_MAX || in_a_row >= REPOSITORY_MISSING_MAX {
                    Next::Never
                } else {
                    Next::Again
                }
            }
            Fault::Refused => Next::Never,
        };
        if next == Next::Never {
            self.failures.remove(key);
        }
        let again = match (next, fault) {
            (Next::Never, _) => Landing::Ended,
            // A limit is nobody's fault.
            (Next::Again, Fault::RateLimited(_)) => Landing::InFront,
            // Should it be what breaks the forge, the others are not to wait for it.
            (Next::Again, _) => Landing::Behind,
        };
        self.land(key, again);
        next
    }

    /// A request has ended.
    fn land(&mut self, key: &Key, landing: Landing) {
        let Some(flight) = self.flying.remove(key) else {
            return;
        };
        self.lane(key).landed();
        let urgency = match landing {
            Landing::Ended => flight.newer,
            Landing::InFront | Landing::Behind => Some(flight.newer.unwrap_or(flight.was.urgency)),
        };
        let Some(urgency) = urgency else {
            self.lane(key).forget(&key.repository);
            return;
        };
        let place = match landing {
            Landing::Behind => self.new_place(),
            Landing::Ended | Landing::InFront => flight.was.place,
        };
        self.enqueue(key.clone(), Waiting { urgency, place });
    }

    fn enqueue(&mut self, key: Key, waiting: Waiting) {
        let lane = self.lane(&key);
        lane.add(&key.repository, waiting.urgency, waiting.place);
        self.by_place.insert(waiting.place, key.clone());
        self.waiting.insert(key, waiting);
    }

    fn new_place(&mut self) -> Place {
        self.next_place += 1;
        self.next_place
    }

    fn lane(&mut self, key: &Key) -> &mut Lane {
        let (forge, owner) = key.lane();
        let pace = self.pace;
        self.lanes
            .entry((forge, owner.to_owned()))
            .or_insert_with(|| Lane::new(pace(forge)))
    }
}
