"""What ``pip install`` gives to somebody who has neither this repository nor NixOS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.processes import BUILD, CHECKOUT


def run(
    *argv: str | Path, cwd: Path = CHECKOUT, env: Mapping[str, str] | None = None, status: int = 0
) -> str:
    """Runs a program to its end; what it said."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ``.build``, in whose virtual environment the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    # Compiled for the other tests already.
    target = {"CARGO_TARGET_DIR": str(BUILD / "target" / "extension")}
    maturin = Path(sys.executable).with_name("maturin")
    run(maturin, "build", "--profile", "dev", "--locked", "--out", folder, env=target)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "venv")
    versions = run(sys.executable, "-m", "pip", "freeze").splitlines()
    others = [line for line in versions if "buildbot-nix" not in line]
    (folder / "constraints").write_text("\n".join(others))
    pip = [folder / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--constraint", folder / "constraints", wheel, "selenium")
    (folder / "bin").symlink_to("venv/bin")
    (folder / "nix").symlink_to(BUILD / "nix")
    return folder


def test_a_master_of_the_wheel_evaluates_and_builds(installed: Path) -> None:
    python = installed / "venv" / "bin" / "python"
    said = run(python, "-m", "tests.demo", "--check", env={"BUILDBOT_NIX_BUILD": str(installed)})
    assert "everything is as it should be" in said


def test_patches_can_be_applied_and_taken_away(installed: Path) -> None:
    command = installed / "bin" / "buildbot-nix"
    (packages,) = (installed / "venv" / "lib").glob("python3*/site-packages")

    def differences(made: str) -> list[str]:
        """Files that are not as set-up made them."""
        return [
            str(file)
            for package in ("buildbot", "twisted")
            for file in sorted((BUILD / made / package).rglob("*.py"))
            if file.read_bytes() != (packages / file.relative_to(BUILD / made)).read_bytes()
        ]

    assert differences("stock") == []
    run(command, "apply-patches", "--check", status=1)
    run(command, "apply-patches")
    assert differences("patched") == []
    run(command, "apply-patches", "--check")
    again = run(command, "apply-patches")
    assert again.count("patched already") == 2
    run(command, "apply-patches", "--revert")
    assert differences("stock") == []


def test_a_buildbot_that_somebody_changed_is_left_alone(installed: Path) -> None:
    command = installed / "bin" / "buildbot-nix"
    (file,) = (installed / "venv" / "lib").glob("python3*/site-packages/buildbot/db/builds.py")
    stock = file.read_bytes()
    changed = b"# Somebody's own.\n"
    try:
        file.write_bytes(changed)
        assert "somebody else changed it" in run(command, "apply-patches", status=3)
        assert file.read_bytes() == changed
    finally:
        file.write_bytes(stock)
    run(command, "apply-patches", "--revert")


def test_the_predecessor_s_state_is_looked_for(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "buildbot-nix"
    run(command, "init", tmp_path / "ci")
    told = run(command, "migrate", tmp_path / "ci" / "settings.yaml", "--apply")
    assert "adopted 0 derivations that failed" in told
    assert (tmp_path / "ci" / "state.sqlite").exists()
    run(command, "migrate", tmp_path / "missing.yaml", status=3)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_units_of_a_new_folder(installed: Path, tmp_path: Path) -> None:
    run(installed / "bin" / "buildbot-nix", "init", tmp_path / "ci", env={"USER": "root"})
    units = sorted((tmp_path / "ci").glob("*.service"))
    assert [unit.name for unit in units] == [
        "buildbot-nix-master.service",
        "buildbot-nix-worker.service",
    ]
    for unit in units:
        assert f"ExecStart={installed / 'venv' / 'bin' / 'twistd'} " in unit.read_text()
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if unit.name in line]
        # systemd 254 has it; Debian 12's is older.
        assert [line for line in said if "DelegateSubgroup" not in line] == []
