"""A repository that is evaluated with another lock file than ``flake.lock``."""

from __future__ import annotations

from tests.instance import Instance
from tests.processes import run
from tests.repository import Repository, flake


def test_another_lock_file_is_used(instance: Instance) -> None:
    library = Repository(instance.repositories_folder, "library")
    library.commit({"value": "one"})
    repository = instance.repository("locked")
    inputs = f"""{{
      inputs.library = {{ url = "git+{library.url}"; flake = false; }};
      outputs = {{ library, ... }}: import ./outputs.nix library;
    }}"""
    text = flake(
        outputs='checks.${system}.a = ok "value-is-${builtins.readFile "${library}/value"}";'
    )
    outputs = text["flake.nix"].replace("outputs = _:", "outputs = library:")
    repository.commit(
        {
            **text,
            "flake.nix": inputs,
            "outputs.nix": f"library: ({outputs}).outputs library",
        }
    )
    lock(instance, repository, "flake.lock")
    library.commit({"value": "two"})
    lock(instance, repository, "next.lock")

    first = instance.wait_for_build("locked", repository.commit({}, message="Lock"))
    assert first.result == "success", first.texts()
    assert instance.children(first)["a"].properties["out_path"].endswith("value-is-one")

    settings = {"buildbot-nix.toml": 'lock_file = "next.lock"\n'}
    second = instance.wait_for_build("locked", repository.commit(settings))
    assert second.result == "success", second.texts()
    assert instance.children(second)["a"].properties["out_path"].endswith("value-is-two")
    instance.poll_rarely("locked")
    instance.reconfigure()


def lock(instance: Instance, repository: Repository, name: str) -> None:
    """Writes a lock file of what the input is now into the clone."""
    made = run(
        ["nix", "flake", "update", "--output-lock-file", name],
        cwd=repository.clone,
        env={**instance.env, "NIX_CONFIG": "experimental-features = nix-command flakes"},
    )
    assert made.returncode == 0, made.stderr
    repository.git("add", name)
