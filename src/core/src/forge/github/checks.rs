use serde_json::{Map, Value, json};

use crate::forge::http::Call;
use crate::forge::status::cut;
use crate::forge::{CheckOutput, CheckPhase, CheckRun, Fault, ForgeError, Repository};

use super::Github;
use super::access::{Access, Needs};

/// <https://docs.github.com/en/rest/checks/runs>
const ANNOTATIONS_MAX: usize = 50;
const MARKDOWN_LENGTH_MAX: usize = 65_535;
const ACTIONS_MAX: usize = 3;

impl Github {
    pub(super) async fn make_check_run(
        &self,
        repository: &Repository,
        sha: &str,
        run: &CheckRun,
    ) -> Result<u64, ForgeError> {
        #[derive(serde::Deserialize)]
        struct Made {
            id: u64,
        }
        let doing = format!(
            "create the check run `{}` on {sha} of `{repository}`",
            run.name
        );
        if !self.is_app() {
            return Err(ForgeError::new(
                Fault::Refused,
                doing,
                "GitHub takes check runs from GitHub Apps only, and the settings have a person's token",
            ));
        }
        let mut parts = parts(run).into_iter();
        let mut body = parts.next().unwrap_or_default();
        body.insert("head_sha".to_owned(), json!(sha));
        let call = Call::create(
            doing,
            self.api.url_in(repository, &["check-runs"]),
            body.into(),
        );
        let access = Access::repository(repository, Needs::CHECKS);
        let made: Made = self.api.read(&access, &call).await?;
        self.patch_check_run(repository, made.id, parts).await?;
        Ok(made.id)
    }

    pub(super) async fn change_check_run(
        &self,
        repository: &Repository,
        id: u64,
        run: &CheckRun,
    ) -> Result<(), ForgeError> {
        self.patch_check_run(repository, id, parts(run).into_iter())
            .await
    }

    async fn patch_check_run(
        &self,
        repository: &Repository,
        id: u64,
        bodies: impl Iterator<Item = Map<String, Value>>,
    ) -> Result<(), ForgeError> {
        let access = Access::repository(repository, Needs::CHECKS);
        for body in bodies {
            let doing = format!("update check run {id} of `{repository}`");
            let url = self
                .api
                .url_in(repository, &["check-runs", &id.to_string()]);
            let call = Call::patch(doing, url, body.into());
            self.api.send(&access, &call).await?;
        }
        Ok(())
    }
}

/// The bodies of the requests that tell all of `run`: annotations come fifty at a time.
fn parts(run: &CheckRun) -> Vec<Map<String, Value>> {
    let mut first = Map::new();
    let mut set = |name: &str, value: Value| first.insert(name.to_owned(), value);
    set("name", json!(run.name));
    match run.phase {
        CheckPhase::Queued => set("status", json!("queued")),
        CheckPhase::InProgress => set("status", json!("in_progress")),
        CheckPhase::Completed(conclusion) => {
            set("status", json!("completed"));
            set("conclusion", json!(conclusion))
        }
    };
    if !run.details_url.is_empty() {
        set("details_url", json!(run.details_url));
    }
    if !run.external_id.is_empty() {
        set("external_id", json!(run.external_id));
    }
    if !run.actions.is_empty() {
        let actions = run.actions.iter().take(ACTIONS_MAX).map(|action| {
            json!({
                "label": cut(&action.label, 20),
                "description": cut(&action.description, 40),
                "identifier": action.identifier,
            })
        });
        set("actions", actions.collect());
    }
    let Some(output) = &run.output else {
        return vec![first];
    };
    let mut chunks = output.annotations.chunks(ANNOTATIONS_MAX);
    set("output", shape(output, chunks.next().unwrap_or_default()));
    let others = chunks.map(|chunk| {
        let output = ("output".to_owned(), shape(output, chunk));
        Map::from_iter([output])
    });
    std::iter::once(first.clone()).chain(others).collect()
}

fn shape(output: &CheckOutput, annotations: &[crate::forge::Annotation]) -> Value {
    let mut shape = json!({
        "title": output.title,
        "summary": cut(&output.summary, MARKDOWN_LENGTH_MAX),
        "annotations": annotations,
    });
    if !output.text.is_empty() {
        shape["text"] = json!(cut(&output.text, MARKDOWN_LENGTH_MAX));
    }
    shape
}
