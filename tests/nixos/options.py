"""docs/nixos-options.md, made of the modules' options: run as a program, this writes it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.nixos.machines import evaluate
from tests.processes import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "nixos-options.md"

HEAD = """\
# NixOS options

All options of `nixosModules.buildbot-master` and `nixosModules.buildbot-worker`. This page is made
of the modules (`make docs`). [nixos.md](nixos.md) tells how to use them,
[configuration.md](configuration.md) what can stand in `services.buildbot-nix.master.settings`.
"""

Option = dict[str, Any]


def problems(options: list[Option]) -> list[str]:
    """What the options do not say and should."""
    found = []
    for option in options:
        name, description = option["name"], option["description"]
        if not description or not description.rstrip().endswith((".", "```")):
            found.append(f"{name} has no description that is a sentence")
        if option["default"] is None and option["example"] is None and "<name>" not in name:
            found.append(f"{name} has neither a default nor an example")
        null = option["default"] == {"_type": "value", "value": None}
        if null and option["example"] is None:
            found.append(f"{name} is null by default and has no example")
    return found


def render(options: list[Option]) -> str:
    """The whole page."""
    parts = [HEAD]
    for option in options:
        parts.append(f"\n## `{option['name']}`\n\n{prose(option['description'])}\n")
        rows = [f"- type: {option['type']}"]
        for key in ("default", "example"):
            if option[key] is not None:
                rows.append(f"- {key}: {value(option[key])}")
        parts.append("\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def prose(description: str) -> str:
    """A description as Markdown: nixpkgs' roles are its own."""
    return re.sub(r"\{(option|file|env)\}`", "`", description).strip()


def value(shown: dict[str, Any]) -> str:
    """A default or an example."""
    if shown["_type"] == "literalMD":
        return str(shown["text"])
    if shown["_type"] == "literalExpression":
        text = str(shown["text"]).strip()
    else:
        text = nix(shown["value"])
    if "\n" not in text:
        return f"`{text}`"
    indented = "\n".join(f"  {line}".rstrip() for line in text.splitlines())
    return f"\n\n  ```nix\n{indented}\n  ```"


def nix(data: Any, indent: str = "") -> str:
    """A value as Nix writes it."""
    deeper = indent + "  "
    if data is None:
        return "null"
    if isinstance(data, list):
        return "[ " + " ".join(nix(item, indent) for item in data) + " ]" if data else "[ ]"
    if isinstance(data, dict):
        if not data:
            return "{ }"
        lines = [f"{deeper}{attribute(key)} = {nix(item, deeper)};" for key, item in data.items()]
        return "\n".join(["{", *lines, indent + "}"])
    return json.dumps(data)


def attribute(name: str) -> str:
    """A name, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z_][\w'-]*", name) else json.dumps(name)


if __name__ == "__main__":
    REFERENCE.write_text(render(evaluate()["options"]))
