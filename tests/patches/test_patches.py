"""Each patch applies to what PyPI has, alone and after the others, and its own tests pass because
of it.

Buildbot's wheel has few of its tests, so only files that a patch adds can be run here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import BUILD, CHECKOUT

FOLDER = CHECKOUT / "patches"
BUILDBOT = sorted(FOLDER.glob("*.patch"))
PATCHES = BUILDBOT + sorted(FOLDER.glob("twisted/*.patch"))
#: Where a package is in its repository.
SOURCES = {"buildbot": "master", "twisted": "src"}


def package_of(patch: Path) -> str:
    """The package that a patch is for."""
    return "buildbot" if patch.parent == FOLDER else patch.parent.name


def name_of(patch: Path) -> str:
    """How a test case is called."""
    return f"{package_of(patch)}-{patch.name[:4]}"


def files_of(patch: Path) -> dict[str, bool]:
    """What a patch touches, and whether it adds that."""
    found = re.findall(
        r"^diff --git a/(\S+) b/\S+\n(new file mode)?", patch.read_text(), re.MULTILINE
    )
    return {path: bool(new) for path, new in found}


def added_tests(patch: Path) -> list[str]:
    """The test modules that a patch adds."""
    return [
        path
        for path, new in files_of(patch).items()
        if new and "/test/" in path and Path(path).name.startswith("test_")
    ]


def apply(patch: Path, tree: Path, *, only_tests: bool = False) -> None:
    """Applies what ``tree`` has files for, or only the tests."""
    wanted = [
        path
        for path, new in files_of(patch).items()
        if ("/test/" in path or not only_tests) and (new or (tree / path).exists())
    ]
    applied = subprocess.run(
        ["git", "apply", *(f"--include={path}" for path in wanted), str(patch)],
        cwd=tree,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, f"{patch.name}: {applied.stderr}"


def run_tests(tree: Path, modules: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs test modules of a tree with its Buildbot."""
    # Without a configuration, so that it is Buildbot that says what a warning is worth.
    options = ["-q", "-c", os.devnull, "--rootdir", str(tree), "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-W", "ignore", *modules],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(tree / folder) for folder in SOURCES.values()),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What is on PyPI, where it is in its repository."""
    tree = tmp_path / "tree"
    for package, folder in SOURCES.items():
        stock = BUILD / "stock" / package
        assert stock.is_dir(), f"no {stock}: run `make setup`"
        shutil.copytree(stock, tree / folder / package)
    return tree


@pytest.mark.parametrize("patch", PATCHES, ids=name_of)
def test_a_patch_alone_is_what_its_tests_need(patch: Path, tree: Path) -> None:
    modules = added_tests(patch)
    assert modules, "it has no test of its own"
    apply(patch, tree, only_tests=True)
    without = run_tests(tree, modules)
    assert " failed" in without.stdout, without.stdout
    for module in modules:
        (tree / module).unlink()
    apply(patch, tree)
    with_it = run_tests(tree, modules)
    assert with_it.returncode == 0, with_it.stdout


def test_all_patches_together(tree: Path) -> None:
    for patch in PATCHES:
        apply(patch, tree)
    done = run_tests(tree, [module for patch in PATCHES for module in added_tests(patch)])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("patch", PATCHES, ids=name_of)
def test_a_patch_says_what_is_new(patch: Path) -> None:
    added = [path for path, new in files_of(patch).items() if new]
    assert any("newsfragments/" in path for path in added), added
    described = (CHECKOUT / "patches" / "README.md").read_text()
    assert patch.name in described, "patches/README.md does not say what it is for"


def test_set_up_left_all_patches_in_place() -> None:
    """What runs in the other tests is what ``make setup`` said it would be."""
    stamps = [path.name for path in (BUILD / "stamps").glob("patches-*")]
    assert stamps in (["patches-all"], ["patches-none"]), stamps
    expected = "patched" if stamps == ["patches-all"] else "stock"
    for package, file in (
        ("buildbot", "process/build.py"),
        ("twisted", "internet/epollreactor.py"),
    ):
        found = importlib.util.find_spec(package)
        assert found is not None and found.origin is not None
        installed = Path(found.origin).parent / file
        assert installed.read_bytes() == (BUILD / expected / package / file).read_bytes()
