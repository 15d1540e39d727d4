//! Stages jobs and graph, and their report: one run as a handle.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use buildbot_nix_core::error::Error;
use buildbot_nix_core::results::Results;
use buildbot_nix_core::{agent, machine_line, report, run};
use pyo3::prelude::*;

use crate::boundary;
use crate::build::BuildResult;

/// Properties, result, one line for people and URL of an attribute's record.
type PastRecord = (BTreeMap<String, String>, BuildResult, String, String);

fn past(records: Vec<PastRecord>) -> impl Iterator<Item = (String, run::Past)> {
    records
        .into_iter()
        .filter_map(|(properties, result, text, url)| {
            agent::past(&properties, result.into(), &text, &url)
        })
}

/// What a run comes to.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Finding {
    Succeeded,
    Failed,
    Cancelled,
}

impl From<run::Finding> for Finding {
    fn from(finding: run::Finding) -> Self {
        match finding {
            run::Finding::Succeeded => Self::Succeeded,
            run::Finding::Failed => Self::Failed,
            run::Finding::Cancelled => Self::Cancelled,
        }
    }
}

/// One attribute to build now.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Job {
    /// Of its run.
    #[pyo3(get)]
    index: usize,
    pub(crate) job: machine_line::Job,
}

#[pymethods]
impl Job {
    #[getter]
    fn attr(&self) -> &str {
        &self.job.attr
    }

    #[getter]
    fn drv_path(&self) -> &str {
        self.job.drv_path.as_str()
    }
}

fn job_of(run: &run::Run, index: usize) -> Option<Job> {
    let job = run.attributes().get(index)?.job.clone()?;
    Some(Job { index, job })
}

/// An attribute that ended badly without a build of its own.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Unbuilt {
    pub(crate) unbuilt: run::Unbuilt,
    text: report::UnbuiltText,
}

#[pymethods]
impl Unbuilt {
    #[getter]
    fn index(&self) -> usize {
        self.unbuilt.index
    }

    #[getter]
    fn job(&self) -> Option<Job> {
        let job = self.unbuilt.attribute.job.clone()?;
        let index = self.unbuilt.index;
        Some(Job { index, job })
    }

    #[getter]
    fn step(&self) -> &'static str {
        self.text.step
    }

    #[getter]
    fn text(&self) -> &str {
        &self.text.text
    }

    #[getter]
    fn log(&self) -> &str {
        &self.text.log
    }

    #[getter]
    fn log_name(&self) -> &'static str {
        self.text.log_name
    }

    #[getter]
    fn is_html(&self) -> bool {
        self.text.is_html
    }
}

/// One run, from the agent's bytes to the last outcome.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Run(Mutex<run::Run>);

impl Run {
    pub(crate) fn results(&self) -> Results {
        Results::of(&self.lock())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, run::Run> {
        // A panic under the lock has become an exception that fails the run; its numbers may
        // still be shown.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (*, asks = false))]
    fn new(asks: bool) -> Self {
        Self(Mutex::new(if asks {
            run::Run::asking()
        } else {
            run::Run::default()
        }))
    }

    fn restore(&self, python: Python<'_>, records: Vec<PastRecord>) -> PyResult<()> {
        boundary::call(python, || {
            self.lock().restore(past(records));
            Ok::<_, Error>(())
        })
    }

    fn freed_by(&self, python: Python<'_>, attr: &str) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let run = self.lock();
            let freed = run.freed_by(attr).into_iter();
            let names = freed.filter_map(|index| Some(run.attributes().get(index)?.attr.clone()));
            Ok::<_, Error>(names.collect())
        })
    }

    fn close(&self, python: Python<'_>) -> PyResult<()> {
        boundary::call(python, || {
            self.lock().close();
            Ok::<_, Error>(())
        })
    }

    fn amend(&self, python: Python<'_>, records: Vec<PastRecord>) -> PyResult<()> {
        boundary::call(python, || {
            self.lock().amend(past(records));
            Ok::<_, Error>(())
        })
    }

    fn take_questions(&self, python: Python<'_>) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let questions = self.lock().take_questions();
            Ok::<_, Error>(questions.iter().map(ToString::to_string).collect())
        })
    }

    fn answer(
        &self,
        python: Python<'_>,
        remembered: HashMap<String, (String, i64)>,
    ) -> PyResult<()> {
        let remembered = remembered
            .into_iter()
            .filter_map(|(drv, (url, failed_at))| {
                Some((drv.parse().ok()?, run::Remembered { url, failed_at }))
            });
        let remembered = remembered.collect();
        boundary::call(python, || {
            self.lock().answer(&remembered);
            Ok::<_, Error>(())
        })
    }

    fn in_vain(
        &self,
        index: usize,
        result: BuildResult,
        failed_drv: Option<&str>,
    ) -> Option<String> {
        let failed_drv = failed_drv.and_then(|drv| drv.parse().ok());
        let drv = self
            .lock()
            .in_vain(index, result.into(), failed_drv.as_ref());
        drv.map(|drv| drv.to_string())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        boundary::call(python, || self.lock().feed(data))
    }

    fn end_of_evaluation(&self, python: Python<'_>, status: Option<i32>) -> PyResult<()> {
        boundary::call(python, || self.lock().end_of_evaluation(status))
    }

    fn take_ready(&self, python: Python<'_>, limit: usize) -> PyResult<Vec<Job>> {
        boundary::call(python, || {
            let mut run = self.lock();
            let indexes = run.take_ready(limit);
            let jobs = indexes.into_iter().filter_map(|index| job_of(&run, index));
            Ok::<_, Error>(jobs.collect())
        })
    }

    fn take_unbuilt(&self, python: Python<'_>) -> PyResult<Vec<Unbuilt>> {
        boundary::call(python, || {
            let unbuilt = self.lock().take_unbuilt().into_iter();
            let told = unbuilt.map(|unbuilt| Unbuilt {
                text: report::unbuilt(&unbuilt),
                unbuilt,
            });
            Ok::<_, Error>(told.collect())
        })
    }

    fn finish(
        &self,
        python: Python<'_>,
        index: usize,
        result: BuildResult,
        message: Option<String>,
        failed_drv: Option<&str>,
    ) -> PyResult<()> {
        let result = result.into();
        // The property comes from our own agent; one that is no derivation blames nobody.
        let failed_drv = failed_drv.and_then(|drv| drv.parse().ok());
        boundary::call(python, || {
            self.lock()
                .finish(index, result, message, failed_drv.as_ref());
            Ok::<_, Error>(())
        })
    }

    fn set_url(&self, index: usize, url: &str) {
        self.lock().set_url(index, url);
    }

    fn cancel(&self, python: Python<'_>) -> PyResult<()> {
        boundary::call(python, || {
            self.lock().cancel();
            Ok::<_, Error>(())
        })
    }

    #[getter]
    fn attribute(&self) -> Option<String> {
        self.lock().start().map(|start| start.attribute.clone())
    }

    #[getter]
    fn is_finished(&self) -> bool {
        self.lock().is_finished()
    }

    #[getter]
    fn finding(&self) -> Finding {
        self.lock().finding().into()
    }

    #[getter]
    fn fatal_may_pass(&self) -> bool {
        self.lock().fatal().is_some_and(|fatal| fatal.may_pass)
    }

    #[getter]
    fn fatal(&self) -> Option<String> {
        self.lock().fatal().map(|fatal| fatal.message.clone())
    }

    #[getter]
    fn jobs(&self) -> usize {
        let run = self.lock();
        run.attributes().len() - run.tally().evaluation_failed
    }

    #[getter]
    fn evaluation_failures(&self) -> usize {
        self.lock().tally().evaluation_failed
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        let run = self.lock();
        run.warnings().iter().map(ToString::to_string).collect()
    }

    fn reused(&self, base_url: &str) -> Option<(String, Option<String>)> {
        let run = self.lock();
        let reuse = report::reuse(run.reused()?, base_url);
        Some((reuse.text, reuse.url.map(str::to_owned)))
    }

    fn compare(
        &self,
        python: Python<'_>,
        before: Option<&str>,
        branch: &str,
    ) -> PyResult<Option<String>> {
        boundary::call(python, || {
            // Others wait for the run: it is not held while this takes its time.
            let present = self.lock().present();
            let compared = present.map(|present| {
                let before = before.and_then(run::Names::parse);
                let (names, lost) = present.compare(before.as_ref(), branch);
                self.lock().set_lost(lost);
                names.to_text()
            });
            Ok::<_, Error>(compared)
        })
    }

    fn lost_text(&self) -> Option<String> {
        self.lock().lost_text()
    }

    fn recall_lost(&self, text: &str) {
        self.lock().recall_lost(text);
    }

    #[getter]
    fn lost(&self) -> Vec<String> {
        let run = self.lock();
        run.lost()
            .map(|lost| lost.attrs.clone())
            .unwrap_or_default()
    }

    fn summary(&self, python: Python<'_>) -> PyResult<String> {
        boundary::call(python, || Ok::<_, Error>(report::short(&self.lock())))
    }

    fn waiting(&self, python: Python<'_>, cancel_url: &str) -> PyResult<Option<String>> {
        boundary::call(python, || {
            Ok::<_, Error>(report::waiting(&self.lock(), cancel_url))
        })
    }

    fn waiting_names(&self, python: Python<'_>, limit: usize) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let run = self.lock();
            let names = run.waiting().map(|(_, attribute)| attribute.attr.clone());
            Ok::<_, Error>(names.take(limit).collect())
        })
    }

    fn find_waiting(&self, python: Python<'_>, attr: &str) -> PyResult<Option<Job>> {
        boundary::call(python, || {
            let run = self.lock();
            let found = run.find_waiting(attr);
            Ok::<_, Error>(found.and_then(|index| job_of(&run, index)))
        })
    }

    fn set_elsewhere(&self, index: usize, is_elsewhere: bool) {
        self.lock().set_elsewhere(index, is_elsewhere);
    }

    fn html(&self, python: Python<'_>) -> PyResult<String> {
        boundary::call(python, || Ok::<_, Error>(report::html(&self.lock())))
    }
}
