"""Commit statuses and check runs. https://docs.github.com/en/rest/commits/statuses, .../checks"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call
from tests.fakes.github.api.common import ROUTES, commit_of, page, refusal, repository_of
from tests.fakes.model import CheckRun
from tests.fakes.server import Answer, ApiError, json_answer

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub

#: GitHub's own limits, which its document does not have.
LONGEST_DESCRIPTION = 140
LONGEST_CONTEXT = 255
LONGEST_TEXT = 65_535
MOST_ANNOTATIONS = 50
MOST_STATUSES = 1000


@ROUTES("POST", "/repos/{owner}/{repo}/statuses/{sha}", "token")
def create_status(github: GitHub, call: Call, owner: str, repo: str, sha: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "statuses", "write")
    form = call.form
    if not repository.has_commit(sha):
        raise ApiError(422, f"No commit found for SHA: {sha}")
    description, context = form.get("description") or "", form.get("context") or "default"
    if len(description) > LONGEST_DESCRIPTION:
        raise refusal("Validation Failed: description is too long (maximum is 140 characters)")
    if len(context) > LONGEST_CONTEXT:
        raise refusal("Validation Failed: context is too long (maximum is 255 characters)")
    if not (form.get("target_url") or "http://").startswith(("http://", "https://")):
        raise refusal("Validation Failed: target_url must use http(s) scheme")
    if len(github.status_history(repository, sha, context)) >= MOST_STATUSES:
        raise refusal(
            "Validation Failed: This SHA and context has reached the maximum number of statuses."
        )
    assert call.token is not None
    made = github.add_status(repository, sha, github.author_of(call.token), form)
    return json_answer(github.views.status(repository, made), 201)


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", "token")
def list_statuses(github: GitHub, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "statuses")
    sha = commit_of(repository, ref)
    found = [each for each in reversed(repository.statuses) if each.sha == sha]
    return page(github, call, [github.views.status(repository, each) for each in found])


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/status", "token")
def get_combined_status(github: GitHub, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "statuses")
    sha = commit_of(repository, ref)
    newest = list(github.statuses(repository, sha).values())
    states = {each.state for each in newest}
    bad, good = states & {"failure", "error"}, bool(states) and states <= {"success"}
    own = f"{github.api_url}/repos/{repository.full_name}/commits/{sha}"
    return json_answer(
        {
            "state": "failure" if bad else "success" if good else "pending",
            "statuses": [github.views.status(repository, each) for each in newest],
            "sha": sha,
            "total_count": len(newest),
            "repository": github.views.repository(repository),
            "commit_url": own,
            "url": f"{own}/status",
        }
    )


@ROUTES("POST", "/repos/{owner}/{repo}/check-runs", "token")
def create_check_run(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "checks", "write")
    form = call.form
    if not repository.has_commit(form["head_sha"]):
        raise ApiError(422, f"No commit found for SHA: {form['head_sha']}")
    assert call.token is not None
    run = CheckRun(github.new_id(), form["head_sha"], form["name"], call.token.installation.app)
    run.started = github.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    _change_check_run(github, run, form)
    repository.check_runs.append(run)
    return json_answer(github.views.check_run(repository, run), 201)


@ROUTES("PATCH", "/repos/{owner}/{repo}/check-runs/{run}", "token")
def update_check_run(github: GitHub, call: Call, owner: str, repo: str, run: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "checks", "write")
    found = next((each for each in repository.check_runs if str(each.id) == run), None)
    if found is None:
        raise ApiError(404, "Not Found")
    _change_check_run(github, found, call.form)
    return json_answer(github.views.check_run(repository, found))


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", "token")
def list_check_runs(github: GitHub, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "checks")
    sha, name = commit_of(repository, ref), call.request.parameters.get("check_name")
    found = [
        github.views.check_run(repository, each)
        for each in github.check_runs(repository, sha).values()
        if name in (None, each.name)
    ]
    return page(github, call, found, "check_runs")


def _change_check_run(github: GitHub, run: CheckRun, form: dict[str, Any]) -> None:
    output = form.get("output", {})
    if any(len(output.get(key) or "") > LONGEST_TEXT for key in ("summary", "text")):
        raise refusal("Invalid request. Only 65535 characters are allowed.")
    if len(output.get("annotations", [])) > MOST_ANNOTATIONS:
        raise refusal("Invalid request. No more than 50 items are allowed.")
    run.status = form.get("status", run.status)
    if "conclusion" in form:
        run.conclusion, run.status = form["conclusion"], "completed"
        run.completed = form.get("completed_at") or github.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    elif run.status != "completed":
        run.conclusion = run.completed = None
    elif run.conclusion is None:
        raise refusal("Invalid request. For 'completed', a conclusion is needed.")
    run.name = form.get("name", run.name)
    run.details_url = form.get("details_url", run.details_url)
    run.external_id = form.get("external_id", run.external_id)
    run.started = form.get("started_at", run.started)
    run.output |= {key: output[key] for key in ("title", "summary", "text") if key in output}
    run.annotations += output.get("annotations", [])
    run.actions = form.get("actions", run.actions)
