"""Over the network: repositories behind a password, and workers that connect through TLS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.watch import Watch
from tests.git_server import GitServer, make_certificate
from tests.instance import Instance
from tests.processes import files_with
from tests.repository import Repository, flake
from tests.waiting import wait_until

USER = "robot"
#: Must not turn up anywhere but in its file.
PASSWORD = "hush-git-4b7d:x"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A master to which workers connect through TLS, and its certificate below ``tls``."""
    made = Instance("remote", machines={"worker": 1, "second": 1})
    tls = made.folder / "tls"
    (tls / "trust").mkdir(parents=True)
    certificate, key = make_certificate(tls)
    shutil.copy(certificate, tls / "trust" / "master.pem")
    made.settings["worker_port"] = (
        f"ssl:{made.worker_port}:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    )
    made.env["GIT_SSL_CAINFO"] = str(certificate)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def server(instance: Instance) -> Iterator[GitServer]:
    """Serves the instance's repositories to who knows the password."""
    tls = instance.folder / "tls"
    made = GitServer(
        instance.repositories_folder, tls / "cert.pem", tls / "key.pem", USER, PASSWORD
    )
    yield made
    made.stop()


@pytest.fixture(scope="module")
def worker_options(instance: Instance) -> dict[str, object]:
    """How workers reach the master."""
    return {
        "url": f"tls:host=localhost:port={instance.worker_port}"
        f":trustRoots={instance.folder / 'tls' / 'trust'}",
        "env": {"GIT_SSL_CAINFO": str(instance.folder / "tls" / "cert.pem")},
    }


def test_two_workers_connect_through_tls(
    instance: Instance, worker_options: dict[str, object]
) -> None:
    for name in ("worker", "second"):
        instance.start_worker(name, **worker_options)
    rows = instance.rest.get("workers")
    assert sorted(row["name"] for row in rows if row["connected_to"]) == [
        *("second-000", "worker-000"),
    ]


def test_an_unknown_certificate_is_refused(
    instance: Instance, worker_options: dict[str, object]
) -> None:
    other = instance.folder / "other-trust"
    other.mkdir()
    _, key = make_certificate(other)
    # Every file *.pem has to be a certificate.
    key.unlink()
    instance.workers[1].stop()
    url = f"tls:host=localhost:port={instance.worker_port}:trustRoots={other}"
    stranger = instance.new_worker("second", url=url)
    wait_until(
        "a second try to connect",
        lambda: stranger.log.read_text().count("Starting factory") >= 2,
        seen=lambda: stranger.log.read_text()[-2000:],
    )
    assert stranger.connected() == []
    stranger.stop()
    instance.start_worker("second", **worker_options)


def test_builds_go_where_the_evaluation_was(instance: Instance) -> None:
    checks = "\n".join(f'a{n} = ok "a{n}";' for n in range(4))
    repository = instance.repository("two-machines", flake(checks), poll_interval=86_400)
    build = instance.wait_for_build("two-machines", repository.head())
    assert build.result == "success", build.texts()
    machines = {child.properties["workername"] for child in instance.children(build).values()}
    assert machines == {build.properties["workername"]}


def test_a_password_stays_secret(instance: Instance, server: GitServer) -> None:
    repository = Repository(instance.repositories_folder, "private")
    repository.commit(flake('a = ok "a";'))
    credentials = instance.folder / "git-credentials"
    credentials.touch(mode=0o600)
    credentials.write_text(f"{USER}:{PASSWORD}\n")
    with Watch(PASSWORD) as watch:
        instance.settings["pull_based"]["repositories"]["private"] = {
            "url": f"{server.url}{repository.bare.name}",
            "default_branch": "main",
            "credentials_file": str(credentials),
        }
        instance.reconfigure()
        build = instance.wait_for_build("private", repository.head())
        second = instance.wait_for_build("private", repository.commit(flake('b = ok "b";')))
    for ended in (build, second):
        assert ended.result == "success", ended.texts()
    assert server.served > 0
    assert watch.seen == set()
    assert files_with(instance.folder, PASSWORD) == {credentials}
    for ended in (build, second, *instance.children(build).values()):
        assert PASSWORD not in ended.texts()
        for step in ended.steps.values():
            assert not any(PASSWORD in log for log in step.logs.values())
        assert not any(PASSWORD in str(value) for value in ended.properties.values())


def test_a_wrong_password_is_told(instance: Instance, server: GitServer) -> None:
    repository = Repository(instance.repositories_folder, "locked")
    head = repository.commit(flake('a = ok "a";'))
    credentials = instance.folder / "wrong-credentials"
    credentials.write_text(f"{USER}:wrong-hush")
    instance.settings["pull_based"]["repositories"]["locked"] = {
        "url": f"{server.url}{repository.bare.name}",
        "default_branch": "main",
        "credentials_file": str(credentials),
    }
    instance.reconfigure()

    def complaints() -> list[str]:
        lines = instance.twistd_log.read_text().splitlines()
        return [line for line in lines if "cannot poll locked" in line]

    wait_until("a complaint about the poll", complaints)
    assert "wrong-hush" not in instance.twistd_log.read_text()

    credentials.write_text(f"{USER}:{PASSWORD}")
    build = instance.wait_for_build("locked", head)
    assert build.result == "success", build.texts()


def test_a_missing_credentials_file_is_told(instance: Instance, server: GitServer) -> None:
    """It keeps neither the master nor other repositories from their work."""
    repository = Repository(instance.repositories_folder, "keyless")
    head = repository.commit(flake('a = ok "a";'))
    credentials = instance.folder / "later-credentials"
    instance.settings["pull_based"]["repositories"]["keyless"] = {
        "url": f"{server.url}{repository.bare.name}",
        "default_branch": "main",
        "credentials_file": str(credentials),
    }
    instance.reconfigure()
    wait_until(
        "a complaint that names the file",
        lambda: str(credentials) in instance.twistd_log.read_text(),
    )
    credentials.write_text(f"{USER}:{PASSWORD}")
    build = instance.wait_for_build("keyless", head)
    assert build.result == "success", build.texts()


def test_a_repository_that_is_away_for_a_while(instance: Instance) -> None:
    repository = instance.repository("away", flake('a = ok "a";'))
    instance.wait_for_build("away", repository.head())
    aside = repository.bare.with_suffix(".aside")
    repository.bare.rename(aside)
    wait_until(
        "a complaint about the poll",
        lambda: "cannot poll away" in instance.twistd_log.read_text(),
    )
    aside.rename(repository.bare)
    build = instance.wait_for_build("away", repository.commit(flake('b = ok "b";')))
    assert build.result == "success", build.texts()
