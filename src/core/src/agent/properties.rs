//! Properties of builds and of records, and what they tell later.

use std::collections::BTreeMap;

use crate::machine_line::{BuildResult, CacheStatus, Checkout, Job};
use crate::nix::AttrPath;
use crate::plan::{ON_BRANCH, ProjectPlan, YES, given, virtual_builder_name};
use crate::run::{Attribute, Life, Outcome, Past, Unbuilt};

/// Property of a record: the attribute that failed, which this one needs.
const DEPENDENCY: &str = "dependency.attr";
/// Property of a record: where the failure can be seen, because of which this was not built.
const FIRST_FAILURE_URL: &str = "first_failure_url";
/// Property of a record: when that was.
const FIRST_FAILURE_TIME: &str = "first_failure_time";

/// The properties of an evaluation after `checkout`, by name.
pub fn checkout_properties(checkout: &Checkout) -> BTreeMap<&'static str, String> {
    let on_branch = if checkout.on_branch { YES } else { "no" };
    let mut properties = BTreeMap::from([
        // What forges know: the head of a pull request, not its merge.
        ("got_revision", checkout.revision.clone()),
        ("tested_revision", checkout.commit.clone()),
        ("tested_tree", checkout.tree.clone()),
        // Also if not: nobody else may have said so.
        (ON_BRANCH, on_branch.to_owned()),
    ]);
    if let (Some(base), Some(branch)) = (&checkout.base, &checkout.base_branch) {
        properties.insert("merged_base", base.clone());
        properties.insert("merged_base_branch", branch.clone());
    }
    properties
}

/// `checkout` in a few words.
pub fn checkout_summary(checkout: &Checkout) -> String {
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    let revision = short(&checkout.revision);
    match (&checkout.base, &checkout.base_branch) {
        (Some(base), Some(branch)) => {
            format!("{revision} merged into {branch} at {}", short(base))
        }
        _ => revision,
    }
}

/// The properties of an attribute's build, by name.
pub fn build_properties(
    project: &ProjectPlan,
    attribute: &str,
    job: &Job,
) -> BTreeMap<&'static str, String> {
    let cache_status = match job.cache_status {
        CacheStatus::Local => "local",
        CacheStatus::Cached => "cached",
        CacheStatus::NotBuilt => "notBuilt",
    };
    let mut properties = named_properties(project, attribute, &job.attr, &job.attr_path);
    properties.extend([
        ("cacheStatus", cache_status.to_owned()),
        ("drv_path", job.drv_path.to_string()),
        ("system", job.system.to_string()),
    ]);
    if let Some(Some(out)) = job.outputs.get("out") {
        properties.insert("out_path", out.to_string());
    }
    properties
}

/// The properties of the record of an attribute without a build, which somebody may ask to build
/// all the same if it evaluated.
pub fn unbuilt_properties(
    project: &ProjectPlan,
    attribute: &str,
    unbuilt: &Unbuilt,
) -> BTreeMap<&'static str, String> {
    let Attribute {
        attr,
        attr_path,
        job,
        outcome,
        ..
    } = &unbuilt.attribute;
    let mut properties = match job {
        Some(job) => build_properties(project, attribute, job),
        None => named_properties(project, attribute, attr, attr_path),
    };
    match outcome {
        Outcome::DependencyFailed { cause } => {
            properties.insert(DEPENDENCY, cause.clone());
        }
        Outcome::FailedBefore { when, url } => {
            properties.insert(FIRST_FAILURE_URL, url.clone());
            properties.insert(FIRST_FAILURE_TIME, when.clone());
        }
        _ => {}
    }
    properties
}

/// What the record of an attribute tells, which may be one without a build: its name and what became
/// of it. None if it is no attribute's, or still open. `text` is its one line for people.
pub fn past(
    properties: &BTreeMap<String, String>,
    result: BuildResult,
    text: &str,
    url: &str,
) -> Option<(String, Past)> {
    let given = |name| given(properties, name);
    let life = if let Some(first) = given(FIRST_FAILURE_URL) {
        Life::FailedBefore {
            when: given(FIRST_FAILURE_TIME).unwrap_or_default().to_owned(),
            url: first.to_owned(),
        }
    } else if let Some(cause) = given(DEPENDENCY) {
        let cause = Some(cause.to_owned());
        Life::Unbuilt { cause }
    } else if given("drv_path").is_none() {
        Life::Unbuilt { cause: None }
    } else {
        Life::Built {
            result,
            message: Some(text.to_owned()),
            failed_drv: given("failed_drv").and_then(|drv| drv.parse().ok()),
        }
    };
    let url = url.to_owned();
    Some((given("attr")?.to_owned(), Past { url, life }))
}

/// What every build of an attribute has.
fn named_properties(
    project: &ProjectPlan,
    attribute: &str,
    attr: &str,
    attr_path: &AttrPath,
) -> BTreeMap<&'static str, String> {
    let virtual_name = virtual_builder_name(&project.ref_type, &project.name, attribute, attr_path);
    BTreeMap::from([
        ("attr", attr.to_owned()),
        ("default_branch", project.default_branch.clone()),
        ("status_name", format!("nix-build {virtual_name}")),
        ("virtual_builder_name", virtual_name),
        ("virtual_builder_tags", String::new()),
    ])
}
