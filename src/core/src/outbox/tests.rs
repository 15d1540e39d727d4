use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{Key, Next, Outbox, Pace, Time, Urgency};
use crate::forge::{Fault, ForgeKind};

const MINUTE: Duration = Duration::from_secs(60);

fn key(repository: &str, sha: usize, context: &str) -> Key {
    Key {
        forge: ForgeKind::Github,
        repository: repository.to_owned(),
        sha: format!("{sha:040}"),
        context: context.to_owned(),
    }
}

/// A forge that takes what it is sent, at a simulated time.
#[derive(Default)]
struct Forge {
    now: Time,
    sent: Vec<(Time, Key)>,
}

impl Forge {
    /// Sends until nothing waits, or until `end`.
    fn serve(&mut self, outbox: &mut Outbox, end: Time, latency: Duration) {
        while self.now < end {
            if let Some(key) = outbox.take(self.now) {
                self.sent.push((self.now, key.clone()));
                self.now += latency;
                outbox.delivered(&key);
            } else {
                let Some(at) = outbox.next_at() else { return };
                self.now = self.now.max(at);
            }
        }
    }
}

/// Ten thousand updates at once, as a release branch of many repositories gives them. At 80 a
/// minute it takes two hours until the forge has all; what merge queues and people wait for is
/// there as soon as its number allows.
#[test]
fn final_states_come_first_through_a_limit_of_80_a_minute() {
    let mut outbox = Outbox::default();
    let mut verdicts = BTreeSet::new();
    for commit in 0..400 {
        let repository = format!("team/r{}", commit % 20);
        for attribute in 0..23 {
            let context = format!("buildbot/nix-build a{attribute}");
            outbox.put(key(&repository, commit, &context), Urgency::Detail);
        }
        let progress = key(&repository, 10_000 + commit, "buildbot/nix-eval");
        outbox.put(progress, Urgency::Progress);
        let verdict = key(&repository, commit, "buildbot/nix-build");
        verdicts.insert(verdict.clone());
        outbox.put(verdict, Urgency::Verdict);
    }
    assert_eq!(outbox.len(), 10_000);
    let mut forge = Forge::default();
    forge.serve(&mut outbox, MINUTE * 1000, Duration::from_millis(100));
    assert_eq!(forge.sent.len(), 10_000);

    let (first, rest) = forge.sent.split_at(verdicts.len());
    assert!(first.iter().all(|(_, key)| verdicts.contains(key)));
    assert!(first.last().unwrap().0 < MINUTE * 5);
    // Then details, of all repositories in turn; what only goes on comes last.
    let details = &rest[..rest.len() - 400];
    assert!(details.iter().all(|(_, key)| key.context.contains(" a")));
    let repositories: BTreeSet<&str> = details[..20]
        .iter()
        .map(|(_, key)| key.repository.as_str())
        .collect();
    assert_eq!(repositories.len(), 20);

    for (index, (began, _)) in forge.sent.iter().enumerate().skip(80) {
        assert!(*began >= forge.sent[index - 80].0 + MINUTE);
    }
    // 60 a minute for what is no verdict, so that there is room for one at any time.
    let took = forge.sent.last().unwrap().0;
    assert!(took < MINUTE * 9_600 / 60 + MINUTE * 6, "{took:?}");
}

#[test]
fn a_verdict_finds_room_in_a_full_minute() {
    let mut outbox = Outbox::default();
    for attribute in 0..500 {
        outbox.put(
            key("team/big", 1, &format!("a{attribute}")),
            Urgency::Detail,
        );
    }
    let mut forge = Forge::default();
    forge.serve(
        &mut outbox,
        Duration::from_secs(30),
        Duration::from_millis(10),
    );
    assert_eq!(forge.sent.len(), 60);
    let verdict = key("team/small", 2, "buildbot/nix-build");
    outbox.put(verdict.clone(), Urgency::Verdict);
    assert_eq!(outbox.take(Duration::from_secs(30)), Some(verdict));
}

#[test]
fn the_newest_state_wins_and_none_overtakes_another() {
    let mut outbox = Outbox::default();
    let status = key("team/site", 1, "buildbot/nix-eval");
    outbox.put(status.clone(), Urgency::Progress);
    outbox.put(status.clone(), Urgency::Verdict);
    assert_eq!(outbox.take(Time::ZERO), Some(status.clone()));
    // Newer ones while it is being sent: not at the same time, and once.
    outbox.put(status.clone(), Urgency::Progress);
    outbox.put(status.clone(), Urgency::Verdict);
    assert_eq!(outbox.take(Time::ZERO), None);
    assert_eq!(outbox.next_at(), None);
    outbox.delivered(&status);
    assert_eq!(outbox.take(Time::ZERO), Some(status.clone()));
    outbox.delivered(&status);
    assert!(outbox.is_empty());
    assert_eq!(outbox.take(MINUTE), None);
}

#[test]
fn owners_do_not_wait_for_each_other() {
    let mut outbox = Outbox::default();
    let (limited, other) = (key("one/a", 1, "c"), key("two/b", 2, "c"));
    outbox.put(limited.clone(), Urgency::Verdict);
    outbox.put(other.clone(), Urgency::Detail);
    assert_eq!(outbox.take(Time::ZERO), Some(limited.clone()));
    let fault = Fault::RateLimited(MINUTE);
    assert_eq!(outbox.failed(&limited, fault, Time::ZERO), Next::Again);
    assert_eq!(outbox.take(Time::ZERO), Some(other.clone()));
    outbox.delivered(&other);
    assert_eq!(outbox.next_at(), Some(MINUTE));
    assert_eq!(outbox.take(Duration::from_millis(59_999)), None);
    assert_eq!(outbox.take(MINUTE), Some(limited));
}

#[test]
fn an_outage_of_days_delays_and_loses_nothing() {
    let mut outbox = Outbox::default();
    for commit in 0..100 {
        outbox.put(
            key("team/site", commit, "buildbot/nix-build"),
            Urgency::Verdict,
        );
    }
    let outage = Duration::from_secs(3 * 24 * 3600);
    let (mut now, mut attempts) = (Time::ZERO, 0);
    while let Some(at) = outbox.next_at().filter(|at| *at < outage) {
        now = now.max(at);
        let key = outbox.take(now).unwrap();
        attempts += 1;
        assert_eq!(outbox.failed(&key, Fault::Unavailable, now), Next::Again);
    }
    // One every five minutes or so, whatever waits.
    assert!((600..900).contains(&attempts), "{attempts}");
    let mut forge = Forge {
        now: outage,
        ..Forge::default()
    };
    forge.serve(&mut outbox, outage * 2, Duration::from_millis(50));
    assert_eq!(forge.sent.len(), 100);
    assert!(forge.now < outage + MINUTE * 8, "{:?}", forge.now);
}

#[test]
fn a_repository_without_permission_does_not_hold_up_the_others() {
    let mut outbox = Outbox::default();
    let (closed, open) = (key("team/closed", 1, "c"), key("team/open", 2, "c"));
    outbox.put(closed.clone(), Urgency::Verdict);
    outbox.put(open.clone(), Urgency::Progress);
    assert_eq!(outbox.take(Time::ZERO), Some(closed.clone()));
    assert_eq!(outbox.failed(&closed, Fault::Auth, Time::ZERO), Next::Again);
    assert_eq!(outbox.take(Time::ZERO), Some(open));
}

#[test]
fn what_the_forge_refuses_is_not_sent_again() {
    let mut outbox = Outbox::default();
    let status = key("team/site", 1, "c");
    outbox.put(status.clone(), Urgency::Verdict);
    assert_eq!(outbox.take(Time::ZERO), Some(status.clone()));
    assert_eq!(
        outbox.failed(&status, Fault::Refused, Time::ZERO),
        Next::Never
    );
    assert_eq!(outbox.next_at(), None);
    // Something newer is something else.
    outbox.put(status.clone(), Urgency::Verdict);
    assert_eq!(outbox.take(Time::ZERO), Some(status));
}

/// Tries of each key until nothing is left, if `fault` says what comes of one.
fn tries(keys: &[Key], fault: impl Fn(&Key) -> Option<Fault>) -> BTreeMap<Key, u32> {
    let mut outbox = Outbox::default();
    for key in keys {
        outbox.put(key.clone(), Urgency::Detail);
    }
    let mut tries = BTreeMap::new();
    let mut now = Time::ZERO;
    while let Some(at) = outbox.next_at() {
        now = now.max(at);
        let key = outbox.take(now).unwrap();
        match fault(&key) {
            Some(fault) => drop(outbox.failed(&key, fault, now)),
            None => outbox.delivered(&key),
        }
        *tries.entry(key).or_default() += 1;
    }
    tries
}

#[test]
fn a_commit_that_is_gone_is_given_up() {
    let keys = [key("team/site", 1, "c"), key("team/site", 2, "c")];
    let tries = tries(&keys, |key| (key == &keys[0]).then_some(Fault::NotFound));
    assert_eq!(tries.into_values().collect::<Vec<_>>(), [5, 1]);
}

#[test]
fn what_breaks_a_forge_that_works_is_given_up() {
    let mut outbox = Outbox::default();
    let bad = key("team/site", 1, "c");
    outbox.put(bad.clone(), Urgency::Detail);
    let (mut now, mut tries) = (Time::ZERO, 0);
    while let Some(at) = outbox.next_at() {
        now = now.max(at);
        let key = outbox.take(now).unwrap();
        if key == bad {
            tries += 1;
            let next = outbox.failed(&key, Fault::Unavailable, now);
            assert_eq!(next == Next::Never, tries == 21);
            if next == Next::Again {
                outbox.put(self::key("team/other", tries, "c"), Urgency::Verdict);
            }
        } else {
            outbox.delivered(&key);
        }
    }
    assert_eq!(tries, 21);
}

#[test]
fn a_repository_that_is_gone_is_given_up_as_a_whole() {
    let keys: Vec<Key> = (0..100).map(|sha| key("team/gone", sha, "c")).collect();
    let tries = tries(&keys, |_| Some(Fault::NotFound));
    assert_eq!(tries.len(), 100);
    assert!(tries.values().sum::<u32>() < 120);
}

/// Something that happens to an outbox.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, Urgency),
    Wait(u16),
    End(usize, Option<Fault>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let urgency = prop::sample::select(Urgency::ALL.to_vec());
    let fault = prop::sample::select(vec![
        None,
        None,
        Some(Fault::Auth),
        Some(Fault::NotFound),
        Some(Fault::RateLimited(Duration::from_secs(7))),
        Some(Fault::Unavailable),
        Some(Fault::Refused),
    ]);
    let step = prop_oneof![
        (0..12u8, urgency).prop_map(|(key, urgency)| Step::Put(key, urgency)),
        (0..5000u16).prop_map(Step::Wait),
        (any::<usize>(), fault).prop_map(|(flight, fault)| Step::End(flight, fault)),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever happens: one request a status at a time, no more than allowed, and in the end the
    /// forge has all that it did not refuse since it changed last.
    #[test]
    fn every_status_arrives(steps in steps()) {
        let pace = |_| Pace { per_minute: 8, reserved: 2, in_flight: 2 };
        let mut outbox = Outbox::new(pace);
        let owners = ["one/a", "one/b", "two/c"];
        let key_of = |number: u8| {
            let owner = owners[usize::from(number) % owners.len()];
            key(owner, usize::from(number), "c")
        };
        let mut unsent = BTreeSet::new();
        let mut flying: Vec<Key> = Vec::new();
        let mut began: Vec<(Time, String)> = Vec::new();
        let mut now = Time::ZERO;
        let mut take = |outbox: &mut Outbox, flying: &mut Vec<Key>, now: Time, unsent: &mut BTreeSet<Key>| {
            while let Some(key) = outbox.take(now) {
                assert!(!flying.contains(&key));
                unsent.remove(&key);
                let owner = key.repository[..3].to_owned();
                let recent = began.iter().filter(|(at, by)| *by == owner && *at + MINUTE > now);
                assert!(recent.count() < 8);
                began.push((now, owner));
                flying.push(key);
            }
        };
        for step in steps {
            match step {
                Step::Put(number, urgency) => {
                    unsent.insert(key_of(number));
                    outbox.put(key_of(number), urgency);
                }
                Step::Wait(milliseconds) => now += Duration::from_millis(milliseconds.into()),
                Step::End(which, fault) if !flying.is_empty() => {
                    let key = flying.remove(which % flying.len());
                    match fault {
                        None => outbox.delivered(&key),
                        Some(fault) => {
                            if outbox.failed(&key, fault, now) == Next::Again {
                                unsent.insert(key);
                            }
                        }
                    }
                }
                Step::End(..) => {}
            }
            take(&mut outbox, &mut flying, now, &mut unsent);
        }
        for _ in 0..1000 {
            for key in std::mem::take(&mut flying) {
                outbox.delivered(&key);
            }
            if let Some(at) = outbox.next_at() {
                now = now.max(at);
            }
            take(&mut outbox, &mut flying, now, &mut unsent);
        }
        prop_assert!(unsent.is_empty() && flying.is_empty() && outbox.is_empty());
    }
}
