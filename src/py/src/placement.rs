//! On which machine an evaluation runs.

use buildbot_nix_core::placement;
use pyo3::prelude::*;

/// What a machine is busy with.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct MachineLoad {
    name: String,
    slots: usize,
    builds: usize,
    places: usize,
    evaluations: usize,
}

#[pymethods]
impl MachineLoad {
    #[new]
    #[pyo3(signature = (name, *, slots, builds, places, evaluations))]
    fn new(name: String, slots: usize, builds: usize, places: usize, evaluations: usize) -> Self {
        Self {
            name,
            slots,
            builds,
            places,
            evaluations,
        }
    }
}

impl MachineLoad {
    fn load(&self) -> placement::Load<'_> {
        placement::Load {
            name: &self.name,
            slots: self.slots,
            builds: self.builds,
            places: self.places,
            evaluations: self.evaluations,
        }
    }
}

#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub(crate) fn choose_machine(
    project: &str,
    machines: Vec<Bound<'_, MachineLoad>>,
) -> Option<usize> {
    let loads: Vec<placement::Load<'_>> = machines.iter().map(|it| it.get().load()).collect();
    placement::choose(project, &loads)
}
