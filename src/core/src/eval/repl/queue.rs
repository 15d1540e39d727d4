use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::event;
use super::super::walk::Set;
use super::pace::Work;
use crate::process::own_time;

/// Attributes that are waiting to be evaluated, shared by all workers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    known: AtomicUsize,
    finished: AtomicUsize,
    work: Mutex<Work>,
    /// The evaluator of each worker.
    processes: Mutex<BTreeMap<usize, u32>>,
    /// What each worker works on.
    current: Mutex<BTreeMap<usize, Current>>,
}

/// A member of a set that is being evaluated.
#[derive(Debug)]
struct Current {
    set: Arc<Set>,
    index: usize,
    since: Instant,
}

/// Members of one set that are evaluated together.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) set: Arc<Set>,
    pub(super) members: Range<usize>,
    /// Whether it was in the hands of an evaluator that ended, perhaps not by its fault.
    pub(super) is_second_attempt: bool,
}

#[derive(Debug, Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Workers that hold a task; they may add more.
    busy: usize,
    /// Workers that have not left.
    workers: usize,
    is_closed: bool,
}

impl Queue {
    /// Adds `members` of `set`.
    pub(super) fn add(&self, set: &Arc<Set>, members: Vec<Range<usize>>) {
        let number: usize = members.iter().map(ExactSizeIterator::len).sum();
        self.known.fetch_add(number, Ordering::Relaxed);
        let mut state = self.lock();
        state.tasks.extend(members.into_iter().map(|members| Task {
            set: Arc::clone(set),
            members,
            is_second_attempt: false,
        }));
        self.changed.notify_all();
    }

    /// Gives `task` back, to be taken next.
    pub(super) fn put_back(&self, task: Task) {
        if !task.members.is_empty() {
            self.lock().tasks.push_front(task);
            self.changed.notify_all();
        }
    }

    /// A worker begins, which must take tasks until there are none for it.
    pub(super) fn join(&self) {
        self.lock().workers += 1;
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.lock().workers
    }

    /// At most `most` members of one set, or `None` if there will be no more, or there are more
    /// workers than `wanted`: then the worker has left. Waits while other workers may still add
    /// some. The taker must call [`Queue::done`].
    pub(super) fn take(&self, most: usize, wanted: impl FnOnce() -> usize) -> Option<Task> {
        let wanted = wanted();
        let mut state = self.lock();
        if state.workers > wanted.max(1) {
            state.workers -= 1;
            return None;
        }
        loop {
            if state.is_closed || (state.tasks.is_empty() && state.busy == 0) {
                return None;
            }
            if let Some(mut task) = state.tasks.pop_front() {
                state.busy += 1;
                let end = task.members.end.min(task.members.start + most.max(1));
                let rest = end..task.members.end;
                task.members.end = end;
                if !rest.is_empty() {
                    let set = Arc::clone(&task.set);
                    state.tasks.push_front(Task {
                        set,
                        members: rest,
                        is_second_attempt: false,
                    });
                }
                return Some(task);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// To be called when all of a task was finished or put back.
    pub(super) fn done(&self) {
        self.lock().busy -= 1;
        self.changed.notify_all();
    }

    /// Counts one attribute as finished.
    pub(super) fn finish_one(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a task took.
    pub(super) fn worked(&self, finished: usize, time: Duration) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.finished += u32::try_from(finished).unwrap_or_default();
        work.time += time;
    }

    /// What all tasks took so far.
    pub(super) fn work(&self) -> Work {
        let work = *self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let processes = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let busy = processes.values().copied().filter_map(own_time).sum();
        Work { busy, ..work }
    }

    /// Worker `number` has this process as its evaluator.
    pub(super) fn has_process(&self, number: usize, process: Option<u32>) {
        let processes = self.processes.lock();
        let mut processes = processes.unwrap_or_else(PoisonError::into_inner);
        match process {
            Some(process) => processes.insert(number, process),
            None => processes.remove(&number),
        };
    }

    /// Nobody gets another task.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether there are tasks that nobody works on.
    pub(super) fn has_waiting(&self) -> bool {
        !self.lock().tasks.is_empty()
    }

    /// Whether all is done, looked at for up to `limit`.
    pub(super) fn is_done_within(&self, limit: Duration) -> bool {
        let is_running =
            |state: &mut State| !state.is_closed && (state.busy > 0 || !state.tasks.is_empty());
        let state = self
            .changed
            .wait_timeout_while(self.lock(), limit, is_running)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        state.is_closed || (state.busy == 0 && state.tasks.is_empty())
    }

    /// Numbers of attributes known and finished so far.
    pub(super) fn progress(&self) -> (usize, usize) {
        let finished = self.finished.load(Ordering::Relaxed);
        (self.known.load(Ordering::Relaxed), finished)
    }

    /// Worker `number` begins with a member of `set`.
    pub(super) fn begin(&self, number: usize, set: &Arc<Set>, index: usize) {
        let current = Current {
            set: Arc::clone(set),
            index,
            since: Instant::now(),
        };
        self.lock_current().insert(number, current);
    }

    /// Worker `number` does nothing.
    pub(super) fn idle(&self, number: usize) {
        self.lock_current().remove(&number);
    }

    /// What is being evaluated, and for how long, longest first.
    pub(super) fn current(&self) -> Vec<event::Current> {
        let current = self.lock_current();
        let named = current.values().filter_map(|current| {
            let name = current.set.names.get(current.index)?;
            Some(event::Current {
                attr_path: current.set.path.child(name),
                time: current.since.elapsed(),
            })
        });
        let mut named: Vec<event::Current> = named.collect();
        named.sort_by_key(|current| Reverse(current.time));
        named
    }

    fn lock_current(&self) -> MutexGuard<'_, BTreeMap<usize, Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock is released.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix::AttrPath;

    fn set() -> Arc<Set> {
        Arc::new(Set {
            path: AttrPath::new(["s"]),
            position: vec![0],
            names: vec![],
        })
    }

    fn one(range: Range<usize>) -> Vec<Range<usize>> {
        std::iter::once(range).collect()
    }

    #[test]
    fn tasks_are_cut_to_size_and_end_when_all_are_done() {
        let queue = Queue::default();
        queue.add(&set(), vec![0..3, 5..6]);
        let sizes = [2, 2, 2].map(|most| queue.take(most, || 9).unwrap().members);
        assert_eq!(sizes, [0..2, 2..3, 5..6]);
        assert!(!queue.is_done_within(Duration::ZERO));
        for _ in 0..3 {
            queue.done();
        }
        assert!(queue.is_done_within(Duration::ZERO));
        assert!(queue.take(1, || 9).is_none());
    }

    #[test]
    fn a_worker_waits_while_another_may_find_more() {
        let queue = Queue::default();
        queue.add(&set(), one(0..1));
        assert!(queue.take(1, || 9).is_some());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.take(9, || 9).map(|task| task.members));
            queue.add(&set(), one(7..9));
            queue.done();
            assert_eq!(waiting.join().unwrap(), Some(7..9));
        });
    }

    #[test]
    fn it_tells_what_is_being_evaluated() {
        let queue = Queue::default();
        let set = Arc::new(Set {
            names: ["a", "b"].map(str::to_owned).to_vec(),
            ..(*set()).clone()
        });
        queue.begin(0, &set, 0);
        queue.begin(1, &set, 1);
        // A worker that has finished the last member of its task.
        queue.begin(2, &set, 2);
        let names = |queue: &Queue| {
            let current = queue.current().into_iter();
            let mut names: Vec<String> = current.map(|it| it.attr_path.to_string()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&queue), ["s.a", "s.b"]);
        queue.idle(0);
        assert_eq!(names(&queue), ["s.b"]);
    }

    #[test]
    fn workers_leave_while_there_are_too_many() {
        let queue = Queue::default();
        queue.add(&set(), one(0..9));
        for _ in 0..3 {
            queue.join();
        }
        let takes = |wanted| queue.take(1, || wanted).is_some();
        assert!(!takes(2));
        assert_eq!(queue.workers(), 2);
        assert!(takes(2));
        assert!(!takes(0));
        assert_eq!(queue.workers(), 1);
        // The last stays, whatever is wanted.
        assert!(takes(0));
    }

    #[test]
    fn a_closed_queue_gives_nothing() {
        let queue = Queue::default();
        queue.add(&set(), one(0..1));
        queue.close();
        assert!(queue.take(1, || 9).is_none());
    }
}
