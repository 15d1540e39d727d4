"""The NixOS machines that ``machines.nix`` evaluates, and their systemd units as files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.processes import BUILD, CHECKOUT

HERE = Path(__file__).parent

#: Values of an option of a unit, as Nix has them.
Value = str | int | bool | list[str]


def evaluate(lib: str | None = None, nixos: str | None = None) -> dict[str, Any]:
    """``machines.nix``, with the stand-in's lib or that of nixpkgs in the folder ``lib``, and with
    the modules of nixpkgs in the folder ``nixos`` if it is given."""
    arguments = {}
    if lib is not None:
        arguments["libPath"] = str(Path(lib).resolve())
    if nixos is not None:
        folder = Path(nixos).resolve()
        arguments |= {
            "nixosPath": str(folder),
            "names": f"builtins.fromJSON {json.dumps(json.dumps(names_in(folder)))}",
        }
    given = " ".join(f"{name} = {value};" for name, value in arguments.items())
    expression = f"import {HERE / 'machines.nix'} {{ {given} }}"
    command = [
        str(BUILD / "nix/bin/nix-instantiate"),
        "--eval",
        "--strict",
        "--json",
        "-E",
        expression,
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def names_in(nixos: Path) -> list[str]:
    """What the modules in ``nixos`` may look up in ``pkgs``; a name too many does no harm."""
    named = re.compile(r"\bpkgs\.([a-zA-Z_][\w-]*)|PackageOption pkgs (?:\[ *)?\"([\w-]+)")
    # By other ways than their names.
    found = {"dhcpcd", "fish", "gitea", "hello", "iputils", "tcsh", "xonsh", "zsh"}
    for file in (nixos / "modules").rglob("*.nix"):
        found |= {one or other for one, other in named.findall(file.read_text())}
    return sorted(found)


def snake_case(name: str) -> str:
    """What an option's name is in the settings file."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def unit_file(name: str, unit: dict[str, Any]) -> str:
    """The unit as NixOS writes it, with /bin/true for the programs, which nobody has built."""
    lines = ["[Unit]", f"Description={unit['description'] or name}"]
    for key in ("after", "wants"):
        lines += [f"{key.title()}={' '.join(unit[key])}"] if unit[key] else []
    lines.append("[Service]")
    for variable, value in unit["environment"].items():
        lines.append(f"Environment={json.dumps(f'{variable}={value}')}")
    if unit["preStart"]:
        lines.append("ExecStartPre=/bin/true")
    for key, value in unit["serviceConfig"].items():
        lines += [
            f"{key}={written(one)}" for one in (value if isinstance(value, list) else [value])
        ]
    text = "\n".join(lines) + "\n"
    return re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", text, flags=re.MULTILINE)


def written(value: str | int | bool) -> str:
    """A value as systemd reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
