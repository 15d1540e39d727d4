"""The doubles of the forges say nothing that the official documents do not have, and refuse what
the forges refuse."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message
from typing import Any

import jwt
import pytest

from tests.fakes import documents, faults
from tests.fakes.client import Client
from tests.fakes.forge import Forge
from tests.fakes.gitea import Gitea
from tests.fakes.github import GitHub
from tests.fakes.github.apps import App, Installation
from tests.fakes.model import Repository
from tests.fakes.server import Request
from tests.rest import OPENER


class Receiver:
    """Accepts webhooks, and keeps them."""

    def __init__(self) -> None:
        self.got: list[tuple[Message, bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    with GitHub() as made:
        yield made


@pytest.fixture(scope="module")
def gitea() -> Iterator[Gitea]:
    with Gitea(prefix="/git") as made:
        yield made


@pytest.fixture(autouse=True)
def valid(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test ends without a violation, and without a fault for the next one."""
    yield
    for name in ("github", "gitea"):
        if name in request.fixturenames:
            forge: Forge = request.getfixturevalue(name)
            forge.recover()
            forge.assert_valid()


def jwt_of(app: App, *, issued: float = -60, expires: float = 500) -> str:
    now = int(time.time())
    claims = {"iat": now + issued, "exp": now + expires, "iss": str(app.id)}
    return jwt.encode(claims, app.key, "RS256")


def as_app(github: GitHub, installation: Installation, **wanted: Any) -> Client:
    """A client with a new token of an installation."""
    app = Client(github, f"Bearer {jwt_of(installation.app)}")
    path = f"/app/installations/{installation.id}/access_tokens"
    return Client(github, f"Bearer {app.send('POST', path, wanted)['token']}")


HOOK_EVENTS = [
    *("push", "create", "delete", "pull_request", "issue_comment"),
    *("merge_group", "check_run", "repository"),
]


def live(forge: Forge, repository: Repository) -> None:
    """Lets happen what may happen to a repository, twice from a fork."""
    pull = forge.open_pull_request(repository, {"b": "2"}, by="mallory", fork=True)
    forge.push_to(pull, {"b": "3"})
    forge.comment(pull, "/build", by="alice")
    forge.edit(pull, "A better title")
    forge.close(pull)
    forge.reopen(pull)
    tested = forge.queue(pull)
    forge.dequeue(pull, tested, merged=True)
    assert repository.branch("main") == tested
    draft = forge.open_pull_request(repository, {"a": "2"}, branch="draft", draft=True)
    forge.mark_ready(draft)
    forge.push(repository, {"a": "3"})
    assert draft.merge_sha is None, "there is a conflict"
    forge.delete_branch(repository, "draft")
    assert draft.state == "closed"
    forge.tag(repository, "v1", tested)


def test_github_is_as_documented(github: GitHub, receiver: Receiver) -> None:
    github.organization("acme", members=["alice"], admins=["bob"])
    github.team("acme", "Developers", ["alice"])
    app = github.create_app(hook_url=receiver.url + "/app", hook_secret="s", events=["push"])
    repository = github.create_repository("acme/widgets", {"a": "1"}, topics=["nix"])
    installation = github.install(app, "acme", [repository])
    client = as_app(github, installation, repositories=["widgets"])
    own = "/repos/acme/widgets"
    config = {"url": receiver.url, "content_type": "json", "secret": "hush"}
    hook = client.send("POST", f"{own}/hooks", {"config": config, "events": HOOK_EVENTS})
    assert hook["config"]["secret"] == "********"
    head = repository.branch("main")
    status = {"state": "success", "context": "c", "description": "d", "target_url": github.url}
    assert client.send("POST", f"{own}/statuses/{head}", status)["state"] == "success"
    live(github, repository)
    output = {"title": "t", "summary": "s", "annotations": [ANNOTATION]}
    run = {"name": "nix", "head_sha": head, "conclusion": "failure", "output": output}
    made = client.send("POST", f"{own}/check-runs", run)
    github.rerun(repository, github.check_runs(repository, str(head))["nix"])
    client.send("PATCH", f"{own}/check-runs/{made['id']}", {"status": "in_progress"})
    for path in [
        *("", "/topics", "/branches", "/branches/main", "/git/ref/heads/main"),
        f"/commits/{head}",
        *(f"/commits/{head}/statuses", f"/commits/{head}/status", f"/commits/{head}/check-runs"),
        *("/pulls?state=all", "/pulls/1", "/issues/1/comments", "/collaborators/alice"),
        *("/collaborators/alice/permission", "/hooks", f"/hooks/{hook['id']}"),
        f"/hooks/{hook['id']}/deliveries",
    ]:
        client.get(own + path)
        assert client.status in (200, 204), path
    for path in [
        *("/installation/repositories", "/orgs/acme/members", "/orgs/acme/members/alice"),
        *("/orgs/acme/memberships/alice", "/users/alice", "/rate_limit"),
    ]:
        client.get(path)
        assert client.status in (200, 204), path
    as_jwt = Client(github, f"Bearer {jwt_of(app)}")
    for path in [
        *("/app", "/app/installations", f"/app/installations/{installation.id}"),
        *("/app/hook/config", "/app/hook/deliveries", f"{own}/installation"),
    ]:
        as_jwt.get(path)
        assert as_jwt.status == 200, path
    person = Client(github, f"token {github.personal_token('alice', 'user', 'repo').text}")
    for path in [
        *("/user", "/user/emails", "/user/orgs", "/user/teams", "/user/repos"),
        "/user/memberships/orgs/acme",
    ]:
        person.get(path)
        assert person.status == 200, path
    client.send("PATCH", f"{own}/hooks/{hook['id']}", {"config": config, "add_events": ["fork"]})
    client.send("POST", f"{own}/hooks/{hook['id']}/pings")
    client.send("DELETE", f"{own}/hooks/{hook['id']}")
    assert client.status == 204
    other = github.create_repository("acme/others", {"a": "1"})
    github.choose(installation, add=[other])
    github.choose(installation, remove=[other])
    github.set_topics(repository, "ci")
    github.archive(repository)
    github.archive(repository, False)
    github.rename(repository, "gadgets")
    assert client.get(own)["full_name"] == "acme/gadgets"
    github.suspend(installation)
    github.suspend(installation, False)
    github.transfer(repository, "bob")
    github.uninstall(installation)
    github.deliveries.settle()
    assert github.deliveries.refused() == []
    seen = {(each.event, each.action) for each in github.deliveries.all}
    expected = {
        *{("pull_request", each) for each in ("opened", "synchronize", "edited", "closed")},
        *{("installation", each) for each in ("created", "suspend", "unsuspend", "deleted")},
        *{("installation_repositories", each) for each in ("added", "removed")},
        *{("merge_group", each) for each in ("checks_requested", "destroyed")},
        *{(each, None) for each in ("push", "create", "delete", "ping")},
        *{("issue_comment", "created"), ("check_run", "rerequested")},
    }
    assert seen >= expected


ANNOTATION = {
    "path": "flake.nix",
    "start_line": 1,
    "end_line": 1,
    "annotation_level": "failure",
    "message": "undefined variable",
}


def test_gitea_is_as_documented(gitea: Gitea, receiver: Receiver) -> None:
    gitea.organization("acme", members=["alice"], admins=["ci"])
    gitea.team("acme", "Developers", ["ci", "alice"])
    repository = gitea.create_repository("acme/widgets", {"a": "1"}, topics=["nix"])
    client = Client(gitea, f"token {gitea.bot_token('ci').text}")
    own = "/repos/acme/widgets"
    config = {"url": receiver.url, "content_type": "json", "secret": "hush"}
    wanted = {"type": "gitea", "config": config, "events": HOOK_EVENTS, "active": True}
    hook = client.send("POST", f"{own}/hooks", wanted)
    assert "secret" not in hook["config"]
    head = repository.branch("main")
    status = {"state": "warning", "context": "c", "description": "d", "target_url": gitea.url}
    assert client.send("POST", f"{own}/statuses/{head}", status)["status"] == "warning"
    live(gitea, repository)
    gitea.push(repository, {"c": "1"}, branch="feature/x")
    for path in [
        *("", "/topics", "/branches", "/branches/main", "/branches/feature/x"),
        *(f"/git/commits/{head}", f"/commits/{head}/statuses", f"/commits/{head}/status"),
        *(f"/statuses/{head}", "/pulls?state=all", "/pulls/1", "/issues/1/comments"),
        *("/collaborators/alice/permission", "/hooks", f"/hooks/{hook['id']}"),
    ]:
        client.get(own + path)
        assert client.status == 200, path
    for path in [
        *("/version", "/settings/api", "/user", "/user/emails", "/user/orgs", "/user/teams"),
        *("/users/alice", "/users/alice/orgs", "/orgs/acme", "/orgs/acme/members/alice"),
        "/orgs/acme/members",
        *("/user/repos", "/repos/search?q=nix&topic=true", f"/repositories/{repository.id}"),
    ]:
        client.get(path)
        assert client.status in (200, 204), path
    client.send("POST", f"{own}/hooks/{hook['id']}/tests")
    assert client.send("PATCH", f"{own}/hooks/{hook['id']}", {"active": False})["events"] == [
        "push"
    ], "Gitea forgets the events that a change leaves out"
    client.send("DELETE", f"{own}/hooks/{hook['id']}")
    assert client.status == 204
    gitea.rename(repository, "gadgets")
    assert client.get(own)["full_name"] == "acme/gadgets"
    gitea.deliveries.settle()
    assert gitea.deliveries.refused() == []
    seen = {(each.event, each.action) for each in gitea.deliveries.all}
    expected = {
        *{("pull_request", each) for each in ("opened", "synchronized", "edited", "closed")},
        *{(each, None) for each in ("push", "create", "delete")},
        ("issue_comment", "created"),
    }
    assert seen >= expected


def test_what_the_documents_do_not_have_is_a_violation(github: GitHub, gitea: Gitea) -> None:
    token = github.personal_token("carol", "repo").text
    repository = github.create_repository("carol/stuff", {"a": "1"})
    person = Client(github, f"token {token}")
    person.send("POST", "/repos/carol/stuff/hooks", {"config": {}, "evnets": ["push"]})
    person.send("POST", f"/repos/carol/stuff/statuses/{repository.branch('main')}", {"state": "ok"})
    person.get("/repos/carol/stuff/nonsense")
    assert [each.split(": ", 2)[1] for each in github.violations] == [
        "POST /repos/carol/stuff/hooks",
        f"POST /repos/carol/stuff/statuses/{repository.branch('main')}",
        "GET /repos/carol/stuff/nonsense",
    ]
    assert "evnets" in github.violations[0]
    github.violations.clear()
    gitea.create_repository("carol/stuff", {"a": "1"})
    bot = Client(gitea, f"token {gitea.bot_token('carol').text}")
    bot.send("POST", "/repos/carol/stuff/hooks", {"config": {"url": "http://127.0.0.1:1/"}})
    assert "type" in gitea.violations[0]
    gitea.violations.clear()


def test_an_answer_that_is_not_as_documented_is_a_violation(
    github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github.views, "whole_account", lambda account: {"login": account.login})
    Client(github, f"token {github.personal_token('alice').text}").get("/users/alice")
    assert len(github.violations) == 1
    assert "response.body" in github.violations[0]
    github.violations.clear()


def test_a_route_must_be_in_the_official_document() -> None:
    document = documents.read("forgejo.json")
    assert documents.cut(document, [("GET", "/repos/{a}/{b}")])["paths"]
    with pytest.raises(documents.NotOfficialError, match="no DELETE /version"):
        documents.cut(document, [("DELETE", "/version")])


@pytest.mark.parametrize(
    ("issued", "expires", "ahead", "message"),
    [
        (-60, 500, 0, None),
        (-60, 599, 0, None),
        (-60, 700, 0, "too far in the future"),
        (30, 500, 0, "'iat'"),
        (-900, -300, 0, "'exp'"),
        # The forge's clock is two minutes behind, or before, the client's.
        (-60, 500, -120, "too far in the future"),
        (-60, 300, -120, "'iat'"),
        (-60, 100, 120, "'exp'"),
    ],
)
def test_github_judges_jwts(
    github: GitHub, issued: float, expires: float, ahead: float, message: str | None
) -> None:
    app = github.create_app()
    github.clock_ahead = timedelta(seconds=ahead)
    try:
        client = Client(github, f"Bearer {jwt_of(app, issued=issued, expires=expires)}")
        answer = client.get("/app")
    finally:
        github.clock_ahead = timedelta()
    if message is None:
        assert client.status == 200
    else:
        assert client.status == 401
        assert message in answer["message"]


def test_a_foreign_key_is_no_proof(github: GitHub) -> None:
    app, other = github.create_app(), github.create_app()
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 60, "iss": str(app.id)}
    for key, algorithm in ((other.key, "RS256"), ("x" * 32, "HS256")):
        client = Client(github, f"Bearer {jwt.encode(claims, key, algorithm)}")
        client.get("/app")
        assert client.status == 401


def test_tokens_of_installations_are_limited(github: GitHub) -> None:
    inside = github.create_repository("corp/inside", {"a": "1"}, private=True)
    outside = github.create_repository("corp/outside", {"a": "1"}, private=True)
    installation = github.install(github.create_app(), "corp", [inside, outside])
    one = as_app(github, installation, repositories=["inside"], permissions={"contents": "read"})
    assert one.get("/repos/corp/inside")["name"] == "inside"
    one.get("/repos/corp/outside")
    assert one.status == 404
    answer = one.send("POST", f"/repos/corp/inside/statuses/{inside.branch('main')}", STATUS)
    assert (one.status, answer["message"]) == (403, "Resource not accessible by integration")
    github.expire_tokens()
    one.get("/repos/corp/inside")
    assert one.status == 401
    app = Client(github, f"Bearer {jwt_of(installation.app)}")
    path = f"/app/installations/{installation.id}/access_tokens"
    app.send("POST", path, {"permissions": {"contents": "write"}})
    assert app.status == 422
    github.suspend(installation)
    app.send("POST", path, {})
    assert app.status == 403
    github.uninstall(installation)
    app.send("POST", path, {})
    assert app.status == 404


STATUS = {"state": "success"}


@pytest.mark.parametrize("scopes", [["public_repo"], ["repo:status"]])
def test_github_hides_hooks_from_small_tokens(github: GitHub, scopes: list[str]) -> None:
    github.create_repository("dave/things", {"a": "1"})
    client = Client(github, f"token {github.personal_token('dave', *scopes).text}")
    client.get("/repos/dave/things/hooks")
    assert client.status == 404
    assert client.answer_headers["X-OAuth-Scopes"] == scopes[0]


def test_gitea_names_the_scope_that_is_missing(gitea: Gitea) -> None:
    gitea.create_repository("dave/things", {"a": "1"})
    client = Client(gitea, f"token {gitea.bot_token('dave', 'read:repository').text}")
    client.get("/repos/dave/things")
    assert client.status == 200
    answer = client.get("/user/repos")
    assert (client.status, "read:user" in answer["message"]) == (403, True)
    stranger = Client(gitea, f"token {gitea.bot_token('eve').text}")
    stranger.get("/repos/dave/things/hooks")
    assert stranger.status == 403


def test_pages(github: GitHub, gitea: Gitea) -> None:
    for number in range(60):
        github.create_repository(f"many/r{number}")
        gitea.create_repository(f"many/r{number}")
    client = Client(github, f"token {github.personal_token('many', 'repo').text}")
    first = client.get("/user/repos?per_page=100")
    assert len(first) == 60
    names = []
    path = "/user/repos?per_page=25"
    while path:
        names += [each["name"] for each in client.get(path)]
        path = next_link(client)
    assert names == [f"r{number}" for number in range(60)]
    bot = Client(gitea, f"token {gitea.bot_token('many').text}")
    assert len(bot.get("/user/repos?limit=100")) == 50, "a page is never longer"
    assert bot.answer_headers["X-Total-Count"] == "60"
    assert len(bot.get(next_link(bot))) == 10
    assert next_link(bot) == ""


def next_link(client: Client) -> str:
    for link in client.answer_headers.get("Link", "").split(", "):
        url, _, relation = link.partition("; ")
        if relation == 'rel="next"':
            return url.strip("<>")
    return ""


def test_unchanged_answers_cost_nothing(github: GitHub) -> None:
    client = Client(github, f"token {github.personal_token('many', 'repo').text}")
    client.get("/user")
    tag, left = client.answer_headers["ETag"], github.requests_left
    client.get("/user", If_None_Match=tag)
    assert (client.status, github.requests_left) == (304, left)


def test_github_limits(github: GitHub) -> None:
    repository = github.create_repository("busy/bee", {"a": "1"})
    client = Client(github, f"token {github.personal_token('busy', 'repo').text}")
    path = f"/repos/busy/bee/statuses/{repository.branch('main')}"
    github.secondary_limit = faults.Window(2)
    try:
        statuses = []
        for _ in range(3):
            client.send("POST", path, STATUS)
            statuses.append(client.status)
    finally:
        github.secondary_limit = None
    assert statuses == [201, 201, 403]
    assert 0 < int(client.answer_headers["Retry-After"]) <= 61
    client.send("POST", path, {**STATUS, "description": "x" * 141})
    assert client.status == 422


def test_faults(github: GitHub) -> None:
    client = Client(github, f"token {github.personal_token('alice').text}")
    github.fail("GET", "/user", faults.refuse(503))
    client.get("/user")
    assert client.status == 503
    client.get("/user")
    assert client.status == 200
    for act in (faults.reset(), faults.cut_off(), faults.garbage()):
        github.fail("GET", "/user", act)
        with pytest.raises((OSError, http.client.HTTPException, ValueError)):
            client.get("/user")
    renamed = []
    github.fail("GET", "/user", faults.meanwhile(lambda: renamed.append(True)), times=None)
    client.get("/user")
    client.get("/user")
    assert renamed == [True, True]


def test_git_asks_for_a_token(github: GitHub, gitea: Gitea) -> None:
    for forge, token in (
        (github, github.personal_token("owner", "repo").text),
        (gitea, gitea.bot_token("owner", "read:repository").text),
    ):
        repository = forge.create_repository("owner/secret", {"a": "1"}, private=True)
        scheme, _, rest = forge.clone_url(repository).partition("://")
        with pytest.raises(AssertionError, match=r"terminal prompts disabled|could not read"):
            repository.git.git("ls-remote", forge.clone_url(repository))
        listed = repository.git.git("ls-remote", f"{scheme}://x:{token}@{rest}", "refs/heads/main")
        assert listed.split()[0] == repository.branch("main")


def test_pushes_over_http_are_events(github: GitHub, receiver: Receiver) -> None:
    repository = github.create_repository("owner/pushed", {"a": "1"})
    client = Client(github, f"token {github.personal_token('owner', 'repo').text}")
    config = {"url": receiver.url, "content_type": "json", "secret": "hush"}
    client.send("POST", "/repos/owner/pushed/hooks", {"config": config})
    token = github.personal_token("owner", "repo").text
    url = github.clone_url(repository).replace("://", f"://owner:{token}@")
    repository.git.git("commit", "--quiet", "--allow-empty", "-m", "By hand")
    repository.git.git("push", "--quiet", url, "HEAD:refs/heads/main")
    (push,) = (d for d in github.deliveries.find("push") if d.repository is repository)
    assert push.payload["head_commit"]["message"] == "By hand"


def test_deliveries_can_be_held_repeated_and_forged(github: GitHub, receiver: Receiver) -> None:
    repository = github.create_repository("owner/held", {"a": "1"})
    client = Client(github, f"token {github.personal_token('owner', 'repo').text}")
    config = {"url": receiver.url, "content_type": "json", "secret": "hush"}
    client.send("POST", "/repos/owner/held/hooks", {"config": config})
    github.deliveries.hold()
    github.push(repository, {"a": "2"})
    github.push(repository, {"a": "3"})
    receiver.got.clear()
    github.deliveries.release(lambda held: [held[1], held[0], held[1]])
    github.deliveries.settle()
    pushed = [headers["X-GitHub-Delivery"] for headers, _ in receiver.got]
    assert pushed[0] == pushed[2] != pushed[1]
    forged = github.send_forged(receiver.url, "push", {}, "guessed")
    assert forged.status == 204
    assert receiver.got[-1][0]["X-Hub-Signature-256"] != receiver.got[0][0]["X-Hub-Signature-256"]


def test_people_see_how_commits_are(gitea: Gitea) -> None:
    repository = gitea.create_repository("owner/seen", {"a": "1"})
    sha = repository.branch("main")
    assert sha is not None
    told = {"state": "failure", "context": "ci/<nix>", "target_url": "http://ci.example/1"}
    gitea.add_status(repository, sha, gitea.user("ci"), {**told, "description": "3 < 4"})
    page = OPENER.open(f"{gitea.url}/owner/seen").read().decode()
    assert '❌ ci/&lt;nix&gt;: <a href="http://ci.example/1">3 &lt; 4</a>' in page
    assert "owner/seen" in OPENER.open(f"{gitea.url}/").read().decode()


def test_logging_in(github: GitHub, gitea: Gitea) -> None:
    for forge in (github, gitea):
        forge.oauth.person = forge.user("alice")
        app = forge.oauth.register("http://127.0.0.1:1/auth/login")
        query = f"client_id={app.id}&redirect_uri={app.redirect_uri}&state=xyz&scope=user"
        exchange = Request("GET", "/login/oauth/authorize", query, {}, b"")
        back = forge.browse(exchange).headers["Location"]
        assert back.startswith(f"{app.redirect_uri}?code=")
        assert back.endswith("&state=xyz")
        code = back.partition("code=")[2].partition("&")[0]
        form = f"code={code}&client_id={app.id}&client_secret={app.secret}".encode()
        reply = OPENER.open(forge.url + "/login/oauth/access_token", form).read().decode()
        assert reply.startswith("access_token=")
        again = OPENER.open(forge.url + "/login/oauth/access_token", form).read().decode()
        assert "access_token" not in again
