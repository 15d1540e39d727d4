"""What the scripts of the VM tests have in common; each begins with this text."""

import json
import time
from typing import Any
from urllib.parse import quote


def rest(machine: Any, path: str) -> Any:
    """What Buildbot's REST API answers, from the machine of the master itself."""
    return json.loads(machine.succeed(f"curl -sSf 'http://127.0.0.1:8010/api/v2/{path}'"))


def builds(machine: Any, builder: str) -> list[Any]:
    """Builds of a builder, newest first."""
    found = rest(machine, f"builders?name={quote(builder, safe='')}")["builders"]
    if not found:
        return []
    path = f"builders/{found[0]['builderid']}/builds?order=-number&property=*"
    return list(rest(machine, path)["builds"])


def wait_for_build(machine: Any, builder: str, result: int | None, count: int = 1) -> Any:
    """The newest build of a builder, once it has had `count` and the newest has ended with `result`
    (0 success, 2 failure), or runs if that is none."""
    seen: list[Any] = []
    for _ in range(300):
        seen = builds(machine, builder)
        done = len(seen) >= count and (result is None or seen[0]["complete"])
        if done:
            assert result is None or seen[0]["results"] == result, seen[0]
            return seen[0]
        time.sleep(1)
    raise AssertionError(f"{builder} has only {seen}")


def push(machine: Any, message: str, user: str = "git") -> str:
    """Commits all that is in /srv/work and pushes it; the commit's hash."""
    git = f"sudo -u {user} git -C /srv/work"
    machine.succeed(f"{git} add -A", f"{git} commit --allow-empty -qm '{message}'")
    machine.succeed(f"{git} push -q origin HEAD:main")
    return str(machine.succeed(f"{git} rev-parse HEAD")).strip()
