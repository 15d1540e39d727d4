//! On which machine an evaluation runs, and with it all its builds.
//!
//! Pure. Every project has a *home*: the machine that has its clone, what it fetched, what was
//! remembered of its evaluations, and most of what they need. An evaluation goes there unless it
//! would have to wait, or its builds would, and another machine is free.

use std::cmp::Ordering;

use nix_derivation::{HashAlgorithm, hash_bytes};

/// What a machine is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<'n> {
    /// What the machine is called.
    pub name: &'n str,
    /// Builds that it may run at once.
    pub slots: usize,
    /// Builds that it runs.
    pub builds: usize,
    /// Evaluations that it may run at once.
    pub places: usize,
    /// Evaluations that it runs, those included that wait there for a place.
    pub evaluations: usize,
}

/// The machine for an evaluation of `project`, as its number among `machines`.
///
/// It is the one with the fewest evaluations that wait for a place; of these one with free build
/// slots; of these the project's home; of these the one that evaluates least. All in proportion to
/// what the machine may do at once.
pub fn choose(project: &str, machines: &[Load<'_>]) -> Option<usize> {
    let home = home(project, machines);
    let numbers = 0..machines.len();
    numbers.min_by(|one, other| {
        let order = machines.get(*one).zip(machines.get(*other));
        order.map_or(Ordering::Equal, |(one, other)| compare(one, other, home))
    })
}

fn compare(one: &Load<'_>, other: &Load<'_>, home: Option<&str>) -> Ordering {
    let waiting = |load: &Load<'_>| (load.evaluations + 1).saturating_sub(load.places);
    let is_full = |load: &Load<'_>| load.builds >= load.slots;
    let is_strange = |load: &Load<'_>| home != Some(load.name);
    ratio(waiting(one), one.places)
        .total_cmp(&ratio(waiting(other), other.places))
        .then(is_full(one).cmp(&is_full(other)))
        .then(is_strange(one).cmp(&is_strange(other)))
        .then(ratio(one.evaluations, one.places).total_cmp(&ratio(other.evaluations, other.places)))
        .then(one.name.cmp(other.name))
}

#[expect(clippy::cast_precision_loss, reason = "these are small numbers")]
fn ratio(number: usize, of: usize) -> f64 {
    number as f64 / of.max(1) as f64
}

/// The machine of a project by rendezvous hashing: nobody has to remember it, machines have
/// projects in proportion to their slots, and if one comes or goes only projects that move there
/// or were there have another home.
fn home<'n>(project: &str, machines: &[Load<'n>]) -> Option<&'n str> {
    let score = |load: &Load<'_>| ratio(load.slots, 1) / -draw(project, load.name).ln();
    let best = machines
        .iter()
        .max_by(|one, other| score(one).total_cmp(&score(other)));
    best.map(|load| load.name)
}

/// A number between 0 and 1, neither included, that looks random and is always the same.
#[expect(clippy::cast_precision_loss, reason = "it need not be exact")]
fn draw(project: &str, machine: &str) -> f64 {
    let hash = hash_bytes(
        HashAlgorithm::Sha256,
        format!("{machine}\0{project}").as_bytes(),
    );
    let number = hash.digest_as_bytes().iter().take(4);
    let number = number.fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    (f64::from(number) + 0.5) / (u64::from(u32::MAX) + 1) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rstest::rstest;

    use super::*;

    const IDLE: Load<'_> = Load {
        name: "one",
        slots: 8,
        builds: 0,
        places: 2,
        evaluations: 0,
    };

    /// Names of machines that are the home of some of a thousand projects, and of how many.
    fn homes(machines: &[Load<'_>]) -> HashMap<String, usize> {
        let mut homes = HashMap::new();
        for number in 0..1000 {
            let home = home(&format!("owner/p{number}"), machines).unwrap();
            *homes.entry(home.to_owned()).or_default() += 1;
        }
        homes
    }

    /// `owner/e` has its home on `two` of these.
    #[rstest]
    #[case::home("two", [(0, 0), (0, 0)])]
    #[case::home_though_it_works("two", [(0, 0), (1, 7)])]
    #[case::no_place_at_home("one", [(1, 0), (2, 0)])]
    #[case::no_slot_at_home("one", [(1, 0), (0, 8)])]
    #[case::no_slot_anywhere("two", [(0, 9), (1, 8)])]
    #[case::no_place_anywhere("two", [(2, 0), (2, 0)])]
    #[case::fewer_wait_elsewhere("one", [(2, 8), (3, 0)])]
    #[case::an_evaluation_waits_longer_than_builds("one", [(0, 9), (2, 0)])]
    fn it_goes_home_unless_it_would_wait(
        #[case] expected: &str,
        #[case] loads: [(usize, usize); 2],
    ) {
        let [one, two] = loads;
        let load = |name, (evaluations, builds)| Load {
            name,
            builds,
            evaluations,
            ..IDLE
        };
        let machines = [load("one", one), load("two", two)];
        assert_eq!(home("owner/e", &machines), Some("two"));
        let chosen = choose("owner/e", &machines).unwrap();
        assert_eq!(machines[chosen].name, expected);
    }

    #[test]
    fn of_strangers_the_least_busy_is_taken() {
        let mut machines = ["one", "two", "three"].map(|name| Load { name, ..IDLE });
        let home = home("owner/a", &machines).unwrap();
        for load in &mut machines {
            load.evaluations = if load.name == home { 2 } else { 1 };
        }
        let last = machines.iter().rposition(|load| load.name != home).unwrap();
        machines[last].places = 4;
        assert_eq!(choose("owner/a", &machines), Some(last));
        assert_eq!(choose("owner/a", &[]), None);
    }

    #[test]
    fn machines_have_projects_in_proportion_to_their_slots() {
        let large = Load {
            name: "large",
            slots: 24,
            ..IDLE
        };
        let homes = homes(&[IDLE, large]);
        let share = homes["large"];
        assert!((700..800).contains(&share), "{share}");
    }

    #[test]
    fn only_projects_of_a_machine_that_goes_move() {
        let machines = ["one", "two", "three"].map(|name| Load { name, ..IDLE });
        for number in 0..100 {
            let project = format!("owner/p{number}");
            let before = home(&project, &machines).unwrap();
            let after = home(&project, &machines[..2]).unwrap();
            assert!(before == "three" || before == after, "{project}");
        }
    }
}
