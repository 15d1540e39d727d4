"""What both doubles are made of: a server that answers the API, git and browsers, and webhooks.

A client's request goes to the official document's proxy, from there back to us, and the answer
takes the same way; what the proxy holds against either is in :attr:`Forge.violations`. Faults are
added outside of it, since no document describes them.
"""

from __future__ import annotations

import re
import shutil
import ssl
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from tests.fakes import documents, oauth, pages
from tests.fakes.deliveries import Deliveries, Delivery
from tests.fakes.faults import Act, Fault
from tests.fakes.model import LEVELS, Hook, Repository, Token
from tests.fakes.prism import Prism, objection
from tests.fakes.server import Answer, ApiError, Exchange, Request, Route, Routes, Server
from tests.fakes.stories import Event, Stories
from tests.git_server import serve_git

#: Names a request between the two ends of the proxy.
EXCHANGE = "X-Exchange"


@dataclass
class Seen:
    """A request that a client has made."""

    method: str
    path: str
    query: str
    #: What it was authenticated with, as it was sent.
    authorization: str
    status: int = 0


@dataclass
class Call:
    """A request to the API, for who answers it."""

    request: Request
    #: Without the API's prefix.
    path: str
    token: Token | None
    route: Route

    @property
    def form(self) -> dict[str, Any]:
        """The fields of the body."""
        return dict(self.request.json)


class Forge(Stories):
    """A forge on a free port. A context manager that stops it and asserts that nothing was said
    that the real one would not accept."""

    oauth: oauth.Provider
    name: ClassVar[str]
    #: Where its API is, below :attr:`url`.
    api_path: ClassVar[str]
    routes: ClassVar[Routes]
    #: The official document, and the webhooks in it that are sent.
    document: ClassVar[str]
    webhooks: ClassVar[list[str]] = []

    def __init__(
        self,
        *,
        folder: Path | None = None,
        compared: bool = True,
        prefix: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        """With ``compared``, the official document is asked about everything, which takes two
        seconds at first and some milliseconds each time. ``prefix`` is the path that all of it
        is under, ``context`` makes it speak TLS."""
        super().__init__(folder or Path(tempfile.mkdtemp(prefix=f"{self.name}-")))
        self.folder.mkdir(exist_ok=True)
        #: What was not as the official document has it, or went wrong in the double itself.
        self.violations: list[str] = []
        self.requests: list[Seen] = []
        #: Requests of git, as ``(path, login or name of the App)``.
        self.git_requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        #: Seconds that each answer of the API takes longer.
        self.latency = 0.0
        self.deliveries = Deliveries(self._headers_of, self.now)
        self._prism: Prism | None = None
        self._inner: Server | None = None
        self._answers: dict[str, Answer] = {}
        self._document: dict[str, Any] = {}
        self._prefix = prefix
        self._server = Server(self._front, context)
        self.url = self._server.url + prefix
        try:
            if compared:
                self._start_comparing()
        except BaseException:
            self.stop()
            raise

    @property
    def api_url(self) -> str:
        """Where clients find the API."""
        return self.url + self.api_path

    def clone_url(self, repository: Repository) -> str:
        """Where git finds a repository."""
        return f"{self.url}/{repository.full_name}.git"

    def stop(self) -> None:
        """Ends everything and forgets it."""
        for part in (self.deliveries, self._server, self._prism, self._inner):
            if part is not None:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None:
            self.assert_valid()

    def assert_valid(self) -> None:
        """Fails if a client or the double said something that the forge would not accept."""
        assert not self.violations, "\n".join(dict.fromkeys(self.violations))

    def fail(self, method: str, path: str, act: Act, times: int | None = 1) -> Fault:
        """Does something bad to the next ``times`` requests for paths like the glob ``path``."""
        fault = Fault(method, path, act, times)
        self.faults.append(fault)
        return fault

    def recover(self) -> None:
        """Ends all faults."""
        self.faults.clear()

    def count(self, method: str, path: str) -> int:
        """How many requests like that were made; ``path`` is a regular expression."""
        return sum(
            each.method == method and re.fullmatch(path, each.path) is not None
            for each in self.requests
        )

    # What each forge does in its own way

    def authenticate(self, request: Request) -> Token | None:
        """Whose request it is; none is anybody. Raises :class:`ApiError`."""
        raise NotImplementedError

    def check(self, call: Call) -> None:
        """Raises :class:`ApiError` if the caller may not do this at all."""
        raise NotImplementedError

    def error(self, error: ApiError) -> Answer:
        """How the forge says no."""
        raise NotImplementedError

    def canonical(self, path: str) -> str:
        """What stands for a path in the official document."""
        return path

    def limit(self, request: Request) -> Answer | None:
        """The answer to one request too many."""
        return None

    def decorate(self, request: Request, answer: Answer) -> Answer:
        """Adds what all answers of the API have."""
        return answer

    def describe(self, event: Event) -> Iterable[Delivery]:
        """What is sent to whom because of an event."""
        raise NotImplementedError

    def sign(self, delivery: Delivery) -> dict[str, str]:
        """The headers of a delivery."""
        raise NotImplementedError

    def browse(self, request: Request) -> Answer:
        """What is none of the API's: logging in, and pages for people."""
        answer = self.oauth.serve(request) or pages.page(self, request.path)
        if answer is None:
            raise ApiError(404, "Not Found")
        return answer

    def git_token(self, request: Request) -> Token | None:
        """Whose git it is. Raises :class:`ApiError`."""
        raise NotImplementedError

    def level(self, token: Token | None, repository: Repository) -> str:
        """What a caller may do with a repository."""
        return repository.level_of(token.account if token else None)

    def git_level(self, token: Token | None, repository: Repository) -> str:
        """What a caller may do with it through git."""
        return self.level(token, repository)

    # Webhooks

    def happened(self, event: Event) -> None:
        for delivery in self.describe(event):
            delivery.id = self.new_id()
            delivery.repository = event.repository
            self.compare_payload(delivery)
            self.deliveries.add(delivery)

    def compare_payload(self, delivery: Delivery) -> None:
        """Notes if a payload is not as the official document has it."""
        if self._prism is None:
            return
        name = self.webhook_name(delivery)
        headers = {"Content-Type": "application/json"}
        body = self.to_compare(delivery.body)
        answer = self._prism.ask("POST", documents.WEBHOOKS + name, body, headers)
        if answer.status != 204:
            self._note(f"the webhook {name}", objection(answer) or [str(answer.body)])

    def send_forged(
        self, url: str, event: str, payload: Any, secret: str, **headers: str
    ) -> Delivery:
        """Sends something that did not happen, signed with ``secret``; returns it with its
        answer. Underscores in names of headers are hyphens."""
        hook = Hook(0, url, secret, [event], self.now(), self.now())
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        delivery = Delivery(hook, event, payload, event, headers=named)
        self.deliveries.send(delivery)
        return delivery

    def _headers_of(self, delivery: Delivery) -> dict[str, str]:
        return {"Content-Type": "application/json", **self.sign(delivery)}

    # Requests

    def _front(self, exchange: Exchange) -> None:
        request = exchange.request
        request.path = request.path.removeprefix(self._prefix)
        if request.path.startswith(self.api_path + "/"):
            self._serve_api(exchange, self.canonical(request.path.removeprefix(self.api_path)))
            return
        git = re.fullmatch(r"/([^/]+/[^/]+?)(?:\.git)?(/(?:info/refs|git-[a-z-]+))", request.path)
        try:
            answer = self._serve_git(request, *git.groups()) if git else self.browse(request)
        except ApiError as error:
            answer = self.error(error)
        except Exception:
            answer = self._note_mistake(request)
        exchange.send(answer)

    def _serve_api(self, exchange: Exchange, path: str) -> None:
        request = exchange.request
        authorization = request.headers.get("Authorization", "")
        seen = Seen(request.method, path, request.query, authorization)
        self.requests.append(seen)
        if self.latency:
            time.sleep(self.latency)

        def proceed() -> Answer:
            with self.lock:
                refused = self.limit(request)
            answer = refused or self._answer(request, path)
            answer = self.decorate(request, answer)
            seen.status = answer.status
            return answer

        for fault in self.faults:
            if fault.takes(request.method, path):
                fault.act(exchange, proceed)
                return
        exchange.send(proceed())

    def _answer(self, request: Request, path: str) -> Answer:
        found = self.routes.find(request.method, path)
        if found is None:
            self._note(f"{request.method} {path}", ["the double does not answer this"])
            return self.error(ApiError(404, "Not Found"))
        route, _ = found
        if self._prism is None or not route.official:
            return self._handle(request, path)
        number = str(self.new_id())
        answer = self._prism.pass_on(request, path, **{EXCHANGE: number})
        own = self._answers.pop(number, None)
        against = objection(answer)
        if against and not (own and self._is_left_out(route, own.status)):
            self._note(f"{request.method} {path}: {own.status if own else 'refused'}", against)
        return own or answer

    def _handle(self, request: Request, path: str) -> Answer:
        found = self.routes.find(request.method, path)
        assert found is not None, path
        route, parts = found
        try:
            with self.lock:
                call = Call(request, path, self.authenticate(request), route)
                self.check(call)
                answer: Answer = route.function(self, call, **parts)
                return answer
        except ApiError as error:
            return self.error(error)
        except Exception:
            return self._note_mistake(request)

    def _serve_git(self, request: Request, full_name: str, path: str) -> Answer:
        token = self.git_token(request)
        repository = self.find_repository(full_name)
        level = self.git_level(token, repository) if repository else "none"
        writes = "git-receive-pack" in path or "git-receive-pack" in request.query
        wanted = "write" if writes else "read"
        if repository is None or LEVELS.index(level) < LEVELS.index(wanted):
            if token is None:
                raise ApiError(401, "Authentication required")
            raise ApiError(404 if level == "none" else 403, "Not Found")
        who = token.account.login if token and token.account else ""
        self.git_requests.append((request.path, who))
        arguments = (repository.git.bare, request.method, path, request.query, request.headers)
        if not path.endswith("/git-receive-pack"):
            status, headers, body = serve_git(*arguments, request.body, who)
            return Answer(status, body, dict(headers))
        with self.lock, self.changing_refs(repository, who):
            status, headers, body = serve_git(*arguments, request.body, who)
        return Answer(status, body, dict(headers))

    # Comparing with the official document

    def _start_comparing(self) -> None:
        official = [(route.method, route.template) for route in self.routes.all if route.official]
        whole = self.official_document()
        self._document = documents.cut(whole, official, self.webhooks)
        self._inner = Server(self._serve_proxy)
        self._prism = Prism(self._document, self._inner.url, self.folder)

    def official_document(self) -> dict[str, Any]:
        """The document that everything is compared with."""
        document: dict[str, Any] = documents.read(self.document)
        return document

    def to_compare(self, body: bytes) -> bytes:
        """What of a body the official document is asked about."""
        return body

    def _serve_proxy(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.path.startswith(documents.WEBHOOKS):
            exchange.send(Answer(204))
            return
        answer = self._handle(request, request.path)
        self._answers[request.headers.get(EXCHANGE, "")] = answer
        # Prism would go where a redirection leads.
        headers = {k: v for k, v in answer.headers.items() if k != "Location"}
        exchange.send(Answer(answer.status, self.to_compare(answer.body), headers))

    def _is_left_out(self, route: Route, status: int) -> bool:
        """The documents leave out most errors and redirections that any operation may have."""
        paths = self._document["paths"]
        template = documents.official_path(self._document, route.template)
        return (
            status >= 300 and str(status) not in paths[template][route.method.lower()]["responses"]
        )

    def webhook_name(self, delivery: Delivery) -> str:
        """What a webhook is called in the document."""
        return delivery.event

    def _note(self, what: str, against: list[str]) -> None:
        self.violations.append(f"{self.name}: {what}: {'; '.join(against)}")

    def _note_mistake(self, request: Request) -> Answer:
        self._note(f"{request.method} {request.path}", [traceback.format_exc()])
        return Answer(500, b"{}", {"Content-Type": "application/json"})


def page_of(
    call: Call, items: list[Any], url: str, *, size_name: str, default: int, largest: int
) -> tuple[list[Any], dict[str, str]]:
    """One page of a list, and the header that leads to the others."""
    parameters = call.request.parameters
    size = max(1, min(int(parameters.get(size_name, default)), largest))
    page = max(1, int(parameters.get("page", 1)))
    last = max(1, -(-len(items) // size))

    def link(number: int, relation: str) -> str:
        others = {k: v for k, v in parameters.items() if k != "page"}
        query = "&".join(f"{k}={v}" for k, v in {**others, "page": str(number)}.items())
        return f'<{url}?{query}>; rel="{relation}"'

    links = []
    if page > 1:
        links += [link(page - 1, "prev"), link(1, "first")]
    if page < last:
        links += [link(page + 1, "next"), link(last, "last")]
    headers = {"Link": ", ".join(links)} if links else {}
    return items[(page - 1) * size : page * size], headers
