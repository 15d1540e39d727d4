//! Files that say what each attribute was last built as, and what there is no more.

#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 makes maps of its own from dicts"
)]

use std::collections::{BTreeMap, BTreeSet};

use buildbot_nix_core::nix::StorePath;
use buildbot_nix_core::plan::Heads;
use pyo3::prelude::*;

use crate::boundary;
use crate::run::Run;

use super::Plan;

/// Branches by name of the project.
type Branches = BTreeMap<String, BTreeSet<String>>;

#[pymethods]
impl Plan {
    fn write_outputs(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        build: u64,
        attr: &str,
        outputs: BTreeMap<String, String>,
    ) -> PyResult<()> {
        self.try_about(python, project, |plan, project| {
            let Some(files) = plan.output_files(project, &properties, build) else {
                return Ok(());
            };
            let known = outputs.into_iter();
            let paths = known
                .filter_map(|(name, path)| Some((name, StorePath::try_from(path).ok()?)))
                .collect();
            files.write(attr, &paths)
        })
    }

    fn update_outputs(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        build: u64,
        run: &Run,
    ) -> PyResult<()> {
        self.try_about(python, project, |plan, project| {
            match plan.output_files(project, &properties, build) {
                // Others wait for the run: it is not held while files are written.
                Some(files) => files.update(&run.results()),
                None => Ok(()),
            }
        })
    }

    fn existing(&self, known: Branches, gone: Branches) -> String {
        self.plan().existing_text(&Heads { known, gone })
    }

    fn forget_outputs(
        &self,
        python: Python<'_>,
        known: Branches,
        gone: Branches,
    ) -> PyResult<usize> {
        let heads = Heads { known, gone };
        boundary::call(python, || self.plan().forget_outputs(&heads))
    }
}
