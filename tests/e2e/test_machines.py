"""Several machines on one master through TLS, each with a network and a Nix store of its own."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.git_server import make_certificate
from tests.hosts import Host, Network, SshServer
from tests.instance import Instance
from tests.processes import BUILD, TOOLS
from tests.repository import SYSTEM, flake
from tests.rest import Build
from tests.waiting import wait_until
from tests.worker import Worker

WHY_NOT = Network.why_not()
pytestmark = [
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no machines can be made here: {WHY_NOT}"),
    pytest.mark.timeout(300),
]

NAMES = ["one", "two"]
SLOTS = 2
NEVER = 86_400
STEP = "Build flake attr"
#: Settings of the Nix that is used.
NIX_CONF = [BUILD / "nix/etc/nix/nix.conf", Path("/etc/nix/nix.conf")]
#: A feature that only the remote builder has.
FEATURE = "far-away"
#: Attributes that take a while, more of them than a machine has slots.
CHECKS = "\n".join(
    f'a{number} = drv "a{number}" "echo built; pause 3; echo done > $out" {{}};'
    for number in range(4)
)


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Two machines for workers and one that builds for them."""
    folder = Path(tempfile.mkdtemp(prefix="buildbot-nix-hosts-"))
    try:
        with Network(folder) as made:
            for name in (*NAMES, "builder"):
                made.add(name)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def builder(network: Network) -> Iterator[SshServer]:
    """The remote builder's way in."""
    host = network.hosts[2]
    config = nix_config(host.folder / "config", f"system-features = {FEATURE}")
    server = SshServer(host, {"NIX_CONF_DIR": str(config)})
    yield server
    server.stop()


def nix_config(folder: Path, setting: str) -> Path:
    """A folder with a nix.conf that says so besides."""
    folder.mkdir()
    included = "".join(f"include {file}\n" for file in NIX_CONF if file.exists())
    (folder / "nix.conf").write_text(f"{included}{setting}\n")
    return folder


@pytest.fixture(scope="module")
def hosts(network: Network) -> dict[str, Host]:
    """The machines of the workers."""
    return dict(zip(NAMES, network.hosts, strict=False))


@pytest.fixture(scope="module")
def instance(network: Network) -> Iterator[Instance]:
    """A master that evaluates once at a time on each machine."""
    made = Instance("machines", machines=dict.fromkeys(NAMES, SLOTS))
    tls = made.folder / "tls"
    (tls / "trust").mkdir(parents=True)
    certificate, key = make_certificate(tls, network.address)
    shutil.copy(certificate, tls / "trust" / "master.pem")
    made.settings["worker_port"] = (
        f"ssl:{made.worker_port}:interface={network.address}:privateKey={key}:certKey={certificate}"
    )
    made.settings["concurrent_evaluations"] = 1
    made.settings["build_retry_delay"] = 3
    try:
        made.start()
        yield made
    finally:
        made.stop()


Start = Callable[[str], Worker]


@pytest.fixture(scope="module")
def start(
    instance: Instance, network: Network, hosts: dict[str, Host], builder: SshServer
) -> Start:
    """Starts the worker of a machine."""
    url = (
        f"tls:host={network.address}:port={instance.worker_port}"
        f":trustRoots={instance.folder / 'tls' / 'trust'}"
    )
    # Who, for which systems, with which key, how many at once, how fast, with which features, and
    # what it is known by.
    program = TOOLS[2] / "nix-daemon"
    known = base64.b64encode(builder.host_key.encode()).decode()
    config = nix_config(
        instance.folder / "nix",
        f"builders = ssh-ng://root@{network.hosts[2].address}?remote-program={program}"
        f" {SYSTEM} {builder.key} 1 1 {FEATURE} {FEATURE} {known}",
    )

    def start_worker(name: str) -> Worker:
        env = {"NIX_CONF_DIR": str(config)}
        return instance.start_worker(name, url=url, host=hosts[name], env=env)

    return start_worker


@pytest.fixture(scope="module", autouse=True)
def workers(start: Start) -> dict[str, Worker]:
    """One on each machine."""
    return {name: start(name) for name in NAMES}


def machine_of(build: Build) -> str:
    """Where it ran."""
    name: str = build.properties["workername"]
    return name.rsplit("-", 1)[0]


def most_at_once(builds: Sequence[Build]) -> int:
    """How many of them ran at the same time, at most."""
    begun = [(build.started_at, 1) for build in builds]
    ended = [(build.complete_at, -1) for build in builds if build.complete_at is not None]
    running = most = 0
    for _, change in sorted(begun + ended):
        running += change
        most = max(most, running)
    return most


def test_evaluations_spread_and_builds_follow(instance: Instance, hosts: dict[str, Host]) -> None:
    repositories = instance.repositories(
        {f"spread-{number}": flake(CHECKS) for number in range(4)}, poll_interval=NEVER
    )
    builds = [
        instance.wait_for_build(name, repository.head(), 180)
        for name, repository in repositories.items()
    ]
    at: dict[str, list[Build]] = {name: [] for name in NAMES}
    for build in builds:
        assert build.result == "success", build.texts()
        machine = machine_of(build)
        children = list(instance.children(build).values())
        assert {machine_of(child) for child in children} == {machine}
        at[machine] += children
        for child in children:
            path = child.properties["output.out"]
            assert [name for name in NAMES if hosts[name].has(path)] == [machine], path
    # Neither machine had a slot for more, whosever the builds were, and none was left idle.
    most = {name: most_at_once(children) for name, children in at.items()}
    assert most == dict.fromkeys(NAMES, SLOTS)


def test_a_project_stays_where_it_was(instance: Instance) -> None:
    """There are its clone, its inputs and its results."""
    repository = instance.repository("home", flake('a = ok "a";'), poll_interval=1)
    first = instance.wait_for_build("home", repository.head())
    for _ in range(3):
        again = instance.wait_for_build("home", repository.commit({}))
        assert machine_of(again) == machine_of(first)
        assert f"reused from build {first.number}" in again.texts()


def far_away(name: str) -> dict[str, str]:
    """A flake with one attribute that only the remote builder can build."""
    script = "echo said far away; echo done > $out"
    return flake(f'far = drv "{name}" "{script}" {{ requiredSystemFeatures = ["{FEATURE}"]; }};')


def test_nix_builds_on_another_machine(
    instance: Instance, network: Network, hosts: dict[str, Host]
) -> None:
    repository = instance.repository("remote", far_away("far"), poll_interval=NEVER)
    build = instance.wait_for_build("remote", repository.head(), 120)
    child = instance.children(build)["far"]
    assert child.result == "success", child.texts()
    assert "said far away" in child.log(STEP)
    path = child.properties["output.out"]
    assert network.hosts[2].has(path)
    assert hosts[machine_of(build)].has(path)


def test_a_builder_that_is_down_for_a_while_is_tried_again(
    instance: Instance, builder: SshServer
) -> None:
    builder.stop()
    repository = instance.repository("away", far_away("further"), poll_interval=NEVER)
    build_id = instance.wait_for_start("away", repository.head())

    def log() -> str:
        child = instance.children(build_id).get("far")
        return child.log(STEP) if child else ""

    wait_until("an attempt in vain", lambda: "Attempt 1 could not build it" in log(), seen=log)
    builder.start()
    build = instance.wait_for_end(build_id)
    assert build.result == "success", build.texts()
    assert "said far away" in log()


def test_what_a_machine_did_that_disappears_is_done_elsewhere(
    instance: Instance, hosts: dict[str, Host], workers: dict[str, Worker], start: Start
) -> None:
    """Nobody says that it is gone: its cable is pulled, then it loses power."""
    long = flake('long = drv "long" "echo begun; pause 8; echo done > $out" {};')
    repository = instance.repository("orphan", long, poll_interval=NEVER)
    build_id = instance.wait_for_start("orphan", repository.head())
    wait_until("the attribute's build", lambda: instance.children(build_id))
    victim = machine_of(instance.build(build_id))
    hosts[victim].cut()
    hosts[victim].kill()
    workers[victim].process.wait()

    lost = instance.wait_for_end(build_id, 120)
    assert lost.result == "retry", lost.texts()
    row = wait_until(
        "an evaluation in its place",
        lambda: [it for it in instance.evaluations("orphan") if it["buildid"] > build_id],
    )
    again = instance.wait_for_end(row[0]["buildid"])
    assert again.result == "success", again.texts()
    assert {machine_of(again)} == set(NAMES) - {victim}
    assert instance.child_results(again) == {"long": "success"}

    hosts[victim].mend()
    start(victim)
    later = instance.repositories(
        {f"later-{number}": flake(CHECKS) for number in range(2)}, poll_interval=NEVER
    )
    builds = [instance.wait_for_build(name, it.head(), 120) for name, it in later.items()]
    assert {machine_of(build) for build in builds} == set(NAMES)


def test_nobody_waits_for_a_machine_that_has_left(instance: Instance) -> None:
    """Its store had the derivations, so what it built cannot be built again alone."""
    repository = instance.repository("left", flake('a = ok "a";'), poll_interval=NEVER)
    build = instance.wait_for_build("left", repository.head())
    child = instance.children(build)["a"]
    machine = machine_of(build)
    for worker in instance.workers:
        if worker.name == machine:
            worker.stop()
    instance.remove_machine(machine)
    instance.reconfigure()

    alone = instance.wait_for_end(instance.rebuild(child.id))
    assert alone.result == "exception", alone.texts()
    assert "evaluated on another machine; restart the evaluation" in alone.text
    anew = instance.wait_for_end(instance.rebuild(build.id))
    assert anew.result == "success", anew.texts()
    assert {machine_of(anew)} == set(NAMES) - {machine}
