"""What can be found out before Buildbot starts, said in words instead of tracebacks."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import sqlalchemy

from buildbot_nix._native import Plan, load_plan
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.state.migrate import NewerDatabaseError, check

#: Seconds to wait for the database server.
CONNECT_SECONDS = 10


def preflight(settings: str | os.PathLike[str]) -> None:
    """Ends the process with every problem that would keep the master from starting.

    For buildbot.tac, before the reactor runs. Blocks.
    """
    try:
        plan = load_plan(os.fspath(settings))
        problems = list(find_problems(plan))
    except BuildbotNixError as error:
        problems = [str(error)]
    if problems:
        raise SystemExit("buildbot-nix cannot start:\n" + "\n".join(problems))


def find_problems(plan: Plan) -> Iterator[str]:
    """Each reason why a master with this plan could not start on this machine."""
    yield from port_problem("port", "the web interface", plan.port)
    yield from port_problem("worker_port", "workers", plan.worker_port)
    yield from database_problem(plan.db_url())


def port_problem(setting: str, user: str, endpoint: str) -> Iterator[str]:
    """Whether ``endpoint`` is a TCP port that something else holds already."""
    address = tcp_address(endpoint)
    if address is None:
        return
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Twisted does: what is left of a stopped master is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            reason = error.strerror
            advice = ""
            if error.errno == errno.EADDRINUSE:
                reason = "another process listens there"
                advice = f"; stop it, or change `{setting}` in the settings"
            yield f"cannot listen on {endpoint} for {user}: {reason}{advice}"


def tcp_address(endpoint: str) -> tuple[str, int] | None:
    """Host and port of a Twisted server endpoint, None if it is none of the simple TCP kinds."""
    kind, *fields = endpoint.split(":")
    if kind not in ("tcp", "ssl") or not fields:
        return None
    named = dict(field.split("=", 1) for field in fields if "=" in field)
    port = named.get("port", fields[0])
    if not port.isdigit():
        return None
    return named.get("interface", ""), int(port)


def database_problem(url: str) -> Iterator[str]:
    """Whether the database cannot be used. An SQLite file may still have to be made."""
    parsed = sqlalchemy.make_url(url)
    arguments = {}
    if parsed.get_backend_name() == "sqlite":
        # A relative path is in the master's folder, which is there.
        file = parsed.database or ""
        folder = os.path.dirname(file) or os.curdir
        if not os.access(folder, os.W_OK | os.X_OK):
            yield f"cannot make the database {file}: {folder} is no folder to write in"
            return
        if not os.path.exists(file):
            return
    else:
        arguments = {"connect_timeout": CONNECT_SECONDS}
    shown = parsed.render_as_string(hide_password=True)
    try:
        engine = sqlalchemy.create_engine(parsed, connect_args=arguments)
        try:
            with engine.connect() as connection:
                check(connection)
        finally:
            engine.dispose()
    except NewerDatabaseError as error:
        yield f"cannot use the database {shown}: {error}"
    except ImportError as error:
        yield f"cannot use the database {shown}: {error}; install its Python driver"
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        yield f"cannot reach the database {shown} (setting `db_url`): {reason}"
