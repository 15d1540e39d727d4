use super::leases::Lease;
use super::machine::Machine;
use crate::eval::Limits;

/// Most evaluators that are used if nobody says how many.
const WORKERS_MAX: usize = 4;
/// Evaluations together leave a quarter of the memory to the rest of the machine, builds above all.
const PARTS: u64 = 4;

/// What one evaluation gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Share {
    /// Evaluator processes, at least one.
    pub(in super::super) evaluators: usize,
    /// MiB above which one of them is replaced between two attributes.
    pub(in super::super) memory: u64,
}

/// What an evaluation with `limits` gets of `machine`, on which it runs beside `others`.
/// `own_use` is the memory that its own evaluators have now, MiB.
///
/// All evaluations get the same. What somebody asked for (`limits.workers`) is given.
pub(super) fn share(machine: Machine, limits: &Limits, own_use: u64, others: &[Lease]) -> Share {
    let memory = machine.available.map(|available| {
        let used: u64 = others.iter().map(|lease| lease.used).sum();
        let all = (available + own_use + used) / PARTS * (PARTS - 1);
        let promised: u64 = others.iter().filter_map(|lease| lease.promised).sum();
        let flexible = others.iter().filter(|lease| lease.promised.is_none());
        all.saturating_sub(promised) / (flexible.count() as u64 + 1)
    });
    let by_memory = memory.map_or(usize::MAX, |memory| {
        usize::try_from(memory / limits.memory.max(1)).unwrap_or(usize::MAX)
    });
    let by_cores = machine.cores.div_ceil(others.len() + 1);
    let automatic = by_cores.min(WORKERS_MAX).min(by_memory);
    let evaluators = limits.workers.unwrap_or(automatic).max(1);
    let each = memory.map_or(limits.memory, |memory| memory / evaluators as u64);
    Share {
        evaluators,
        // One that is replaced all the time would only load the flake.
        memory: each.clamp(limits.memory.div_ceil(2), limits.memory.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;

    const ALONE: &[(u64, Option<u64>)] = &[];

    /// `others` are memory used and promised. The machines are in `tests/fixtures/machines`.
    #[rstest]
    #[case::cores_decide("plain", 2, None, 4096, ALONE, (2, 4096))]
    #[case::no_more_than_four("plain", 64, None, 1024, ALONE, (4, 1024))]
    #[case::memory_decides("plain", 64, None, 4096, ALONE, (3, 4096))]
    #[case::larger_evaluators_are_fewer("plain", 64, None, 8192, ALONE, (1, 8192))]
    #[case::asked_for("plain", 2, Some(8), 1024, ALONE, (8, 1024))]
    #[case::asked_for_too_much("plain", 2, Some(8), 4096, ALONE, (8, 2048))]
    #[case::one_larger_than_all("plain", 2, None, 100_000, ALONE, (1, 50_000))]
    #[case::two("plain", 64, None, 2048, &[(0, None)], (3, 2048))]
    #[case::what_others_use_is_shared_too("plain", 64, None, 2048, &[(8000, None)], (4, 2048))]
    #[case::cores_are_shared("plain", 4, None, 1024, &[(0, None), (0, None)], (2, 1024))]
    #[case::promises_are_kept("plain", 64, None, 4096, &[(0, Some(8000))], (1, 4096))]
    #[case::nothing_is_left("plain", 64, None, 4096, &[(0, Some(16_000))], (1, 2048))]
    #[case::the_cache_of_zfs_can_be_had("zfs", 64, None, 2048, ALONE, (4, 2048))]
    #[case::a_container_has_less("container", 64, None, 2048, ALONE, (1, 1152))]
    #[case::a_service_in_a_slice("service", 64, None, 1024, ALONE, (3, 1024))]
    #[case::cgroups_of_version_1("version-1", 64, None, 4096, ALONE, (3, 4096))]
    #[case::nobody_tells("nothing", 3, None, 4096, ALONE, (3, 4096))]
    fn machines(
        #[case] machine: &str,
        #[case] cores: usize,
        #[case] workers: Option<usize>,
        #[case] memory: u64,
        #[case] others: &[(u64, Option<u64>)],
        #[case] expected: (usize, u64),
    ) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/machines");
        let machine = Machine::read(&root.join(machine), cores);
        let limits = Limits {
            workers,
            memory,
            ..Limits::default()
        };
        let lease = |(used, promised): &(u64, Option<u64>)| Lease {
            used: *used,
            promised: *promised,
        };
        let others: Vec<Lease> = others.iter().map(lease).collect();
        let share = share(machine, &limits, 0, &others);
        assert_eq!((share.evaluators, share.memory), expected, "{machine:?}");
    }

    proptest::proptest! {
        #[test]
        fn nobody_gets_nothing_or_more_than_was_asked_for(
            cores in 1..200usize,
            available in proptest::option::of(0..1_000_000u64),
            workers in proptest::option::of(0..50usize),
            memory in 0..100_000u64,
            own_use in 0..100_000u64,
            others in proptest::collection::vec((0..100_000u64, proptest::option::of(0..100_000u64)), 0..9),
        ) {
            let limits = Limits { workers, memory, ..Limits::default() };
            let others: Vec<Lease> =
                others.into_iter().map(|(used, promised)| Lease { used, promised }).collect();
            let share = share(Machine { cores, available }, &limits, own_use, &others);
            assert!(share.evaluators >= 1);
            assert!(share.evaluators <= workers.unwrap_or(WORKERS_MAX).max(1));
            assert!(share.memory <= memory.max(1) && share.memory >= memory / 2);
        }
    }
}
