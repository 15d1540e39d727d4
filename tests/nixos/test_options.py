"""The options of the NixOS modules: one for every setting, all of the predecessor's, documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.nixos import options
from tests.nixos.evaluated import OURS
from tests.settings_tables import TABLES, schema

#: Keys of the settings file that no option sets, and why.
WITHOUT_OPTION = {
    "gcroots_user": "it is the user of the module's workers",
    "local_workers": "the module's workers are a service of their own",
    "cachix.closure": "it cannot be but true",
    "niks3.closure": "it cannot be but true",
    "pull_based.poll_interval": "the option is the default of each repository's",
    "pull_based.ssh_known_hosts_file": "the option is the default of each repository's",
    "pull_based.ssh_private_key_file": "the option is the default of each repository's",
}


def test_every_setting_has_an_option() -> None:
    def keys(value: Any, path: str) -> set[str]:
        """Keys in ``value``, with the names that they have in the schema."""
        if path in schema() and schema()[path]["expected"] not in TABLES:
            return {path}
        found = {path} & schema().keys()
        if isinstance(value, list):
            return found | {key for item in value for key in keys(item, f"{path}[]")}
        for name, item in value.items():
            below = [f"{path}.{part}".removeprefix(".") for part in (name, "NAME")]
            known = [key for key in below if any(one.startswith(key) for one in schema())]
            found |= keys(item, known[0])
        return found

    machines = OURS["everything"].values()
    found = {key for machine in machines for key in keys(json.loads(machine["settings"]), "")}
    assert sorted(schema().keys() - found) == sorted(WITHOUT_OPTION)


def test_options_have_the_defaults_of_the_program() -> None:
    assert options.wrong_defaults(OURS["options"]) == []


def test_the_predecessor_s_options_are_there_with_its_defaults() -> None:
    ours = {option["name"]: option["default"] for option in OURS["options"]}
    lines = (Path(__file__).parent / "predecessor.tsv").read_text().splitlines()
    theirs = dict(line.split("\t") for line in lines)
    names = {f"services.buildbot-nix.{name}": default for name, default in theirs.items()}
    assert sorted(names.keys() - ours.keys()) == []
    for name, default in names.items():
        try:
            value = json.loads(default)
        except json.JSONDecodeError:
            # Required, where ours may be optional, or what only words can say.
            continue
        shown = ours[name] or {}
        unset = value is None and shown.get("text", "").startswith("`null`")
        assert unset or shown == {"_type": "value", "value": value}, name


def test_the_options_are_documented() -> None:
    assert options.problems(OURS["options"]) == []


def test_the_reference_of_options_is_up_to_date() -> None:
    written = options.REFERENCE.read_text()
    assert written == options.render(OURS["options"]), "`make docs` writes it anew"
