"""The NixOS modules: every example makes settings that the command accepts and units that systemd
does, and every machine that cannot work is refused with advice.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.nixos.evaluated import MACHINES, OURS
from tests.nixos.machines import unit_file
from tests.processes import BUILD, CHECKOUT

COMMAND = BUILD / "bin" / "buildbot-nix"


def cases(kind: str) -> list[Any]:
    """All machines of a kind, in each way."""
    return [
        pytest.param(machine, id=f"{name}-{way}")
        for way, machines in MACHINES.items()
        for name, machine in machines[kind].items()
    ]


def accepted(name: str) -> dict[str, Any]:
    """A machine of accepted.nix."""
    machine: dict[str, Any] = OURS["accepted"][name]
    return machine


def settings(name: str) -> dict[str, Any]:
    """Its settings."""
    result: dict[str, Any] = json.loads(accepted(name)["settings"])
    return result


@pytest.mark.parametrize("machine", cases("examples"))
def test_examples_are_complete(machine: dict[str, Any]) -> None:
    assert machine["failed"] == []
    assert machine["warnings"] == []


@pytest.mark.parametrize("machine", cases("examples") + cases("accepted") + cases("everything"))
def test_settings_are_accepted(machine: dict[str, Any], tmp_path: Path) -> None:
    if machine["settings"] is None:
        pytest.skip("no master")
    file = tmp_path / "settings.json"
    file.write_text(machine["settings"])
    command = [COMMAND, "check-config", "--without-secrets", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("machine", cases("examples") + cases("accepted") + cases("everything"))
def test_credentials_are_there_for_every_name(machine: dict[str, Any]) -> None:
    if machine["settings"] is None:
        pytest.skip("no master")

    def files(value: Any) -> list[str]:
        if isinstance(value, list):
            return [file for item in value for file in files(item)]
        if not isinstance(value, dict):
            return []
        # Certificates are no secret.
        names = [key for key in value if key.endswith("_file") and key != "ca_file"]
        here = [value[name] for name in names]
        return here + [file for item in value.values() for file in files(item)]

    unit = machine["units"]["buildbot-master"]["serviceConfig"]
    loaded = {credential.split(":")[0] for credential in unit["LoadCredential"]}
    assert set(files(json.loads(machine["settings"]))) <= loaded
    assert loaded == set(machine["credentials"])


@pytest.mark.parametrize("machine", cases("examples") + cases("accepted"))
def test_master_cfg_is_python(machine: dict[str, Any]) -> None:
    if machine["masterCfg"] is not None:
        ast.parse(machine["masterCfg"])


@pytest.mark.parametrize(
    "kind, name",
    [
        ("accepted", "own-buildbot-settings"),
        ("accepted", "several-providers"),
        ("examples", "private"),
    ],
)
def test_buildbot_takes_the_master_cfg(kind: str, name: str, tmp_path: Path) -> None:
    machine = OURS[kind][name]
    # Repositories of forges are read from the database, here from one that needs no server.
    found = json.loads(machine["settings"]) | {"db_url": "sqlite:///state.sqlite"}
    (tmp_path / "settings.json").write_text(json.dumps(found))
    (tmp_path / "master.cfg").write_text(machine["masterCfg"])
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    for credential in machine["credentials"]:
        (secrets / credential).write_text("hunter2")
    (secrets / "buildbot-nix-workers").write_text('[{"name": "eve", "pass": "x", "cores": 2}]')
    env = {"CREDENTIALS_DIRECTORY": str(secrets), "BUILDBOT_NIX_SETTINGS": "settings.json"}
    done = subprocess.run(
        [BUILD / "venv/bin/buildbot", "checkconfig", "master.cfg"],
        cwd=tmp_path,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("machine", cases("refused"))
def test_what_cannot_work_is_refused(machine: dict[str, Any]) -> None:
    messages = [" ".join(message.split()) for message in machine["failed"]]
    assert len(messages) == 1, messages
    assert machine["says"] in messages[0]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("machine", cases("examples"))
def test_units_are_valid_and_hardened(machine: dict[str, Any], tmp_path: Path) -> None:
    # From 0, all is forbidden, to 100. oauth2-proxy is nixpkgs'.
    exposure = {"buildbot-master": 25, "buildbot-worker": 55}
    for name, unit in machine["units"].items():
        file = tmp_path / f"{name}.service"
        file.write_text(unit_file(name, unit))
        verify = ["systemd-analyze", "verify", "--man=no", file]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if file.name in line]
        # systemd 254 has it; Debian 12's is older.
        assert [line for line in said if "DelegateSubgroup" not in line] == []
        if name in exposure:
            security = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
            threshold = f"--threshold={exposure[name]}"
            done = subprocess.run(
                [*security, threshold, file], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr


def worker_units() -> dict[str, set[str]]:
    """What each unit of a worker says, by where it comes from."""
    template = (CHECKOUT / "python" / "buildbot-nix-worker.service").read_text()
    nixos = OURS["examples"]["farm-worker"]["units"]["buildbot-worker"]["serviceConfig"]
    return {"init": set(re.findall(r"^(\w+)=", template, re.MULTILINE)), "nixos": set(nixos)}


@pytest.mark.parametrize("unit", worker_units())
def test_units_leave_evaluators_their_sandbox(unit: str) -> None:
    # systemd.exec(5): what makes system calls of bubblewrap errors, or hides some of /proc, without
    # all of which the kernel lets nobody mount another.
    harmful = {
        "MountFlags",
        "PrivateUsers",
        "ProcSubset",
        "ProtectControlGroups",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelTunables",
        "ProtectProc",
        "RestrictNamespaces",
        "RestrictSUIDSGID",
    }
    assert worker_units()[unit] & harmful == set()


def test_nginx_can_read_files_of_outputs() -> None:
    examples = OURS["examples"]
    masks = {
        name: examples[name]["units"]["buildbot-master"]["serviceConfig"]["UMask"]
        for name in ("poller", "gitea")
    }
    assert masks == {"poller": "0027", "gitea": "0022"}


def test_old_names_have_their_meaning() -> None:
    machine = accepted("old-names")
    assert settings("old-names")["admins"] == ["alice"]
    assert settings("old-names")["failed_build_report_limit"] == 10
    assert len(machine["warnings"]) == 2


def test_old_ways_to_upload_are_known() -> None:
    found = settings("old-cachix-and-steps")
    assert found["cachix"] == {"name": "mine", "signing_key_file": "cachix-signing-key"}
    (step,) = found["post_build_steps"]
    assert step["environment"] == {"TOKEN": {"_type": "interpolate", "value": "%(secret:token)s"}}
    assert step["warn_only"] is False


def test_people_may_log_in_by_several_providers() -> None:
    found = settings("several-providers")
    assert found["auth_backend"] == ["gitea", "oidc"]
    assert found["oidc"]["client_secret_file"] == "oidc-client-secret"
    assert found["gitea"]["oauth_secret_file"] == "gitea-oauth-secret"


def test_a_secret_in_the_store_is_told() -> None:
    (warning,) = accepted("secret-in-the-store")["warnings"]
    assert "`buildbot-nix-workers`" in warning


def test_what_the_admin_says_of_buildbot_counts() -> None:
    found = settings("own-buildbot-settings")
    assert found["title"] == "Our builds"
    assert found["port"] == "unix:/run/buildbot-master/http"
    assert found["worker_port"] == "tcp:9990:interface=127.0.0.1"
    text = accepted("own-buildbot-settings")["masterCfg"]
    assert "from buildbot.reporters import mail" in text
    assert 'c["services"] = [*c.get("services", []), mail.MailNotifier(' in text
    assert text.rstrip().endswith("c['www']['default_page'] = 'builders'")


def test_without_a_database_here_none_is_set_up() -> None:
    machine = accepted("database-elsewhere")
    assert not machine["postgresql"]["enable"]
    assert settings("database-elsewhere")["db_url_file"] == "database-url"
    assert "db_url" not in settings("database-elsewhere")
    assert machine["credentials"]["database-url"] == "/run/secrets/database-url"
    assert OURS["examples"]["poller"]["postgresql"]["ensureDatabases"] == ["buildbot"]


def test_https_that_ends_elsewhere_is_in_the_url() -> None:
    assert settings("https-elsewhere")["url"] == "https://buildbot.example.org/"
    assert settings("https-elsewhere")["show_trace_on_failure"] is False


def test_repositories_have_their_own_files_or_the_common_ones() -> None:
    repositories = settings("repository-files")["pull_based"]["repositories"]
    credentials = accepted("repository-files")["credentials"]
    key = repositories["team/site"]["ssh_private_key_file"]
    assert credentials[key] == "/run/secrets/shared-key"
    assert "ssh_private_key_file" not in repositories["tools"]
    assert credentials[repositories["tools"]["credentials_file"]] == "/run/secrets/tools"
    assert repositories["tools"]["poll_interval"] == 120


def test_a_worker_trusts_the_certificate_that_it_is_given() -> None:
    unit = accepted("worker-with-own-authority")["units"]["buildbot-worker"]
    url = unit["environment"]["MASTER_URL"]
    assert url.startswith("tls:host=buildbot.example.org:port=9989:trustRoots=/nix/store/")


def test_only_workers_get_what_the_sandbox_needs() -> None:
    examples = OURS["examples"]
    assert examples["farm-worker"]["namespaces"]
    assert not examples["farm-master"]["namespaces"]


def test_a_farm_is_encrypted() -> None:
    examples = OURS["examples"]
    port = json.loads(examples["farm-master"]["settings"])["worker_port"]
    assert port.startswith(
        "ssl:9989:privateKey=/run/credentials/buildbot-master.service/worker-tls-key:certKey="
    )
    worker = examples["farm-worker"]
    assert list(worker["units"]) == ["buildbot-worker"]
    assert worker["units"]["buildbot-worker"]["environment"]["MASTER_URL"].startswith("tls:")


def test_nobody_passes_by_the_proxy_of_a_private_master() -> None:
    machine = OURS["examples"]["private"]
    found = json.loads(machine["settings"])
    assert found["port"] == "tcp:8010:interface=127.0.0.1"
    assert found["auth_backend"] == "httpbasicauth"
    locations = machine["locations"]["buildbot.example.org"]
    upstreams = {name: location["proxyPass"] for name, location in locations.items()}
    assert upstreams.pop("/nix-outputs/") is None
    assert set(upstreams.values()) == {"http://127.0.0.1:8020"}
    assert "auth_request /oauth2/auth;" in locations["/nix-outputs/"]["extraConfig"]
    proxy = machine["oauth2-proxy"]
    assert proxy["extraConfig"]["skip-auth-route"] == ["^/change_hook"]
    assert proxy["extraConfig"]["github-user"] == ["alice"]
    assert proxy["clientSecret"] is None
    assert "secret" not in json.dumps(proxy["extraConfig"]).replace("secrets.toml", "")


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq")
def test_secrets_of_the_proxy_come_from_their_files(tmp_path: Path) -> None:
    tomllib = pytest.importorskip("tomllib")
    secrets = {"client_secret": '\\ and "quotes"', "cookie_secret": "ä" * 16}
    secrets["basic_auth_password"] = "with a blank"
    files = ("client-secret", "cookie-secret", "http-basic-auth-password")
    for file, secret in zip(files, secrets.values(), strict=True):
        (tmp_path / file).write_text(f"{secret}\n")
    script = OURS["examples"]["private"]["units"]["oauth2-proxy"]["preStart"]
    written = tmp_path / "secrets.toml"
    script = script.replace("/run/oauth2-proxy/secrets.toml", str(written))
    script = re.sub(r"/nix/store/\S+/bin/jq", "jq", script)
    env = os.environ | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    subprocess.run(["bash", "-e", "-c", script], check=True, env=env)
    assert tomllib.loads(written.read_text()) == secrets
    assert written.stat().st_mode & 0o777 == 0o600
