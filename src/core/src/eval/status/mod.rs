//! Cache status: what is in the store, what can be fetched, what has to be built.
//!
//! The store says at once whether outputs are valid. Whether the rest can be fetched depends on
//! substituters, which may be slow or dead; a thread of its own asks for all jobs that are known
//! by then. Jobs wait for its answer, but not long: the master realises what is `cached` just like
//! what is `notBuilt`, so an answer that comes too late costs a word in a list, while a job that
//! leaves late is built late.

mod asker;
mod batch;
mod local;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asker::{Answer, Asker};
use batch::Batch;
use local::LocalStore;

use crate::daemon::{Client, DaemonError};
use crate::machine_line::Job;
use crate::nix::{DrvPath, StorePath};

/// How long jobs wait for substituters.
const HOLD: Duration = Duration::from_millis(500);
/// How long substituters are waited for while the evaluation goes on. Nobody asks them again in
/// the same evaluation after that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Jobs on their way from the evaluator to the master.
#[derive(Debug)]
pub(super) struct Statuses {
    store: LocalStore,
    asker: Option<Asker>,
    /// Nobody to ask any more: the rest counts as not built.
    is_over: bool,
    /// Jobs that wait, in the order in which they came. They leave in that order, because a job
    /// may only name jobs that are known.
    held: VecDeque<Batch>,
    batches: u64,
    /// Jobs that left without an answer.
    unanswered: u64,
}

/// What leaves now.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) jobs: Vec<Job>,
    /// Why nothing more will be known, said once.
    pub(super) problem: Option<String>,
}

impl Statuses {
    pub(super) fn new() -> Self {
        Self {
            store: LocalStore::new(),
            asker: None,
            is_over: false,
            held: VecDeque::new(),
            batches: 0,
            unanswered: 0,
        }
    }

    /// Asks nobody.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self {
            is_over: true,
            ..Self::new()
        }
    }

    /// See [`LocalStore::hold`].
    pub(super) fn hold(
        &mut self,
        manifest: Option<&StorePath>,
        drvs: &[&DrvPath],
    ) -> Result<Option<Vec<StorePath>>, DaemonError> {
        self.store.hold(manifest, drvs)
    }

    /// See [`LocalStore::manifest`].
    pub(super) fn manifest(&mut self, drvs: &[&DrvPath]) -> Result<Option<StorePath>, DaemonError> {
        self.store.manifest(drvs)
    }

    /// Takes jobs and finds out about them. Returns what is wrong if the store cannot be asked;
    /// the jobs are taken all the same.
    pub(super) fn take(&mut self, mut jobs: Vec<Job>) -> Result<(), DaemonError> {
        let looked = if self.is_over {
            Ok(())
        } else {
            self.store.mark_local(&mut jobs)
        };
        // Who does not know what is valid does not know what is missing either.
        self.is_over |= looked.is_err();
        self.batches += 1;
        let mut batch = Batch::new(self.batches, jobs, Instant::now() + HOLD);
        if self.is_over {
            batch.answered();
        } else if !batch.is_answered() {
            let asker = self.asker.get_or_insert_with(|| Asker::start(substituters));
            asker.ask(batch.number(), batch.questions());
        }
        self.held.push_back(batch);
        looked
    }

    /// Jobs whose status is known, or that have waited long enough. Waits up to `patience` for
    /// there to be some.
    pub(super) fn ready(&mut self, patience: Duration) -> Ready {
        let mut ready = Ready::default();
        if let Some(first) = self.held.front()
            && !first.is_answered()
        {
            let left = first.until().saturating_duration_since(Instant::now());
            let answer = self
                .asker
                .as_ref()
                .and_then(|it| it.wait(patience.min(left)));
            ready.problem = answer.and_then(|answer| self.hear(answer));
        }
        while ready.problem.is_none()
            && let Some(answer) = self.asker.as_ref().and_then(|it| it.wait(Duration::ZERO))
        {
            ready.problem = self.hear(answer);
        }
        let now = Instant::now();
        let may_leave = |batch: &Batch| batch.is_answered() || batch.until() <= now;
        let leaving = self
            .held
            .iter()
            .take_while(|batch| may_leave(batch))
            .count();
        for batch in self.held.drain(..leaving) {
            if !batch.is_answered() {
                self.unanswered += batch.open() as u64;
            }
            ready.jobs.extend(batch.into_jobs());
        }
        ready
    }

    /// Whether there are jobs that have not left.
    pub(super) fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Jobs that left as not built because substituters took too long.
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered
    }

    fn hear(&mut self, Answer { batch, missing }: Answer) -> Option<String> {
        match missing {
            Ok(missing) => {
                // Of jobs that it is not about an answer says nothing, which would look as if they
                // could be fetched.
                let concerned = self
                    .held
                    .iter_mut()
                    .filter(|held| held.number() <= batch && !held.is_answered());
                concerned.for_each(|held| held.answer(&missing));
                None
            }
            Err(error) => {
                self.is_over = true;
                self.asker = None;
                self.held.iter_mut().for_each(Batch::answered);
                Some(error.to_string())
            }
        }
    }
}

/// Asks real substituters, on one connection, so that Nix remembers which of them are dead.
fn substituters(closing: &Arc<asker::Closing>) -> Result<asker::Ask, DaemonError> {
    let mut client = Client::open()?;
    closing.watch(client.closer()?);
    Ok(Box::new(move |wanted| client.missing(wanted, PATIENCE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::{Missing, Wanted};
    use crate::machine_line::CacheStatus;
    use crate::nix::AttrPath;

    fn job(name: &str) -> Job {
        let path = |suffix: &str| format!("/nix/store/{:032}-{name}{suffix}", 0);
        Job {
            attr: name.to_owned(),
            attr_path: AttrPath::new([name]),
            name: name.to_owned(),
            system: "x86_64-linux".parse().unwrap(),
            drv_path: path(".drv").parse().unwrap(),
            // In no store, so that the store is not asked.
            outputs: [("out".to_owned(), Some(path("").parse().unwrap()))].into(),
            cache_status: CacheStatus::NotBuilt,
            needs: Vec::new(),
            needed_by: Vec::new(),
        }
    }

    fn statuses(
        answer: impl FnMut(usize) -> Result<Missing, DaemonError> + Send + 'static,
    ) -> Statuses {
        let mut answer = answer;
        let asker = Asker::start(move |_| {
            let ask: asker::Ask = Box::new(move |drvs| answer(drvs.len()));
            Ok(ask)
        });
        Statuses {
            asker: Some(asker),
            ..Statuses::new()
        }
    }

    /// Everything that leaves until nothing waits.
    fn all(statuses: &mut Statuses) -> (Vec<(String, CacheStatus)>, Vec<String>) {
        let (mut jobs, mut problems) = (Vec::new(), Vec::new());
        while statuses.is_waiting() {
            let ready = statuses.ready(Duration::from_secs(20));
            jobs.extend(
                ready
                    .jobs
                    .into_iter()
                    .map(|job| (job.attr, job.cache_status)),
            );
            problems.extend(ready.problem);
        }
        (jobs, problems)
    }

    #[test]
    fn what_need_not_be_built_is_cached() {
        let missing = Missing {
            will_build: [job("floating").drv_path.as_store_path().clone()].into(),
            unknown: [job("built").outputs["out"].clone().unwrap()].into(),
            ..Missing::default()
        };
        let mut statuses = statuses(move |_| Ok(missing.clone()));
        statuses.take(vec![job("built"), job("fetched")]).unwrap();
        let mut floating = job("floating");
        floating.outputs.insert("out".to_owned(), None);
        statuses.take(vec![floating]).unwrap();
        let expected = [
            ("built", CacheStatus::NotBuilt),
            ("fetched", CacheStatus::Cached),
            ("floating", CacheStatus::NotBuilt),
        ];
        let (jobs, problems) = all(&mut statuses);
        assert_eq!(
            jobs,
            expected.map(|(name, status)| (name.to_owned(), status))
        );
        assert_eq!((problems, statuses.unanswered()), (Vec::new(), 0));
    }

    #[test]
    fn derivations_are_asked_about_only_where_outputs_have_no_path() {
        let [known, mut floating] = ["known", "floating"].map(job);
        floating.outputs.insert("dev".to_owned(), None);
        let output = known.outputs["out"].clone().unwrap();
        let drv = floating.drv_path.clone();
        let batch = Batch::new(1, vec![known, floating], Instant::now());
        assert_eq!(
            batch.questions(),
            [Wanted::Path(output), Wanted::Outputs(drv)]
        );
        assert_eq!(batch.open(), 2);
    }

    #[test]
    fn an_answer_is_about_what_was_asked() {
        let mut names = ["a", "b"].into_iter();
        let mut statuses = statuses(move |_| {
            let name = names.next().unwrap();
            Ok(Missing {
                will_build: [job(name).drv_path.as_str().parse().unwrap()].into(),
                ..Missing::default()
            })
        });
        statuses.take(vec![job("a")]).unwrap();
        let answer = statuses.asker.as_ref().unwrap().wait(PATIENCE).unwrap();
        statuses.take(vec![job("b")]).unwrap();
        // Both answers are heard before anything leaves.
        statuses.hear(answer);
        let (jobs, _) = all(&mut statuses);
        let expected = ["a", "b"].map(|name| (name.to_owned(), CacheStatus::NotBuilt));
        assert_eq!(jobs, expected);
    }

    #[test]
    fn nobody_waits_long_for_substituters() {
        let (never, gate) = std::sync::mpsc::channel::<()>();
        let mut statuses = statuses(move |_| {
            let _ = gate.recv();
            Ok(Missing::default())
        });
        let begun = Instant::now();
        statuses.take(vec![job("a"), job("b")]).unwrap();
        let (jobs, problems) = all(&mut statuses);
        let waited = begun.elapsed();
        assert!(HOLD <= waited && waited < HOLD * 20, "{waited:?}");
        assert!(jobs.iter().all(|(_, it)| *it == CacheStatus::NotBuilt));
        assert_eq!((jobs.len(), problems.len()), (2, 0));
        assert_eq!(statuses.unanswered(), 2);
        drop(never);
    }

    #[test]
    fn questions_that_wait_are_asked_as_one() {
        let (asked, sizes) = std::sync::mpsc::channel();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let mut statuses = statuses(move |number| {
            asked.send(number).unwrap();
            let _ = gate.recv();
            Ok(Missing::default())
        });
        statuses.take(vec![job("a")]).unwrap();
        assert_eq!(sizes.recv().unwrap(), 1);
        for name in ["b", "c", "d"] {
            statuses.take(vec![job(name)]).unwrap();
        }
        drop(go);
        assert_eq!(all(&mut statuses).0.len(), 4);
        assert_eq!(sizes.recv().unwrap(), 3);
    }

    #[test]
    fn a_refusal_is_said_once_and_nothing_asked_any_more() {
        let mut statuses = statuses(|_| Err(DaemonError::TimedOut { seconds: 30 }));
        statuses.take(vec![job("a")]).unwrap();
        assert_eq!(all(&mut statuses).1, ["no answer within 30 s"]);
        statuses.take(vec![job("b")]).unwrap();
        let ready = statuses.ready(Duration::ZERO);
        assert_eq!((ready.jobs.len(), ready.problem), (1, None));
    }
}
