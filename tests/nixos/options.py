"""docs/nixos-options.md, made of the modules' options: run as a program, this writes it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.nixos.machines import evaluate, snake_case
from tests.processes import CHECKOUT
from tests.settings_tables import schema

REFERENCE = CHECKOUT / "docs" / "nixos-options.md"

HEAD = """\
# NixOS options

All options of `nixosModules.buildbot-master` and `nixosModules.buildbot-worker`. This page is made
of the modules (`make docs`). [nixos.md](nixos.md) tells how to use them. Where an option is a key
of the settings file, "setting" names it: [configuration.md](configuration.md) says more of it.
"""

MASTER = "services.buildbot-nix.master."
#: How an option says what the program does where it is not set; see `keyOption` in nixos/lib.nix.
PROGRAM_HAS = re.compile("`null`, for which the program has `(.*)`")
#: Options with another default than the program has.
OTHER_DEFAULTS = {
    "authBackend": "the predecessor's",
    "evalMaxMemorySize": "the predecessor's",
}

Option = dict[str, Any]


def setting(option: Option) -> str | None:
    """The key of the settings file that has the option's name, if one has."""
    if not option["name"].startswith(MASTER):
        return None
    parts = option["name"].removeprefix(MASTER).split(".")
    path = ".".join("NAME" if part == "<name>" else part for part in parts)
    return next((key for key in (path, snake_case(path)) if key in schema()), None)


def wrong_defaults(options: list[Option]) -> list[str]:
    """Options that say of a default what the program does not do."""
    found = []
    for option in options:
        key = setting(option)
        known = schema()[key]["default"] if key else None
        default = option["default"]
        if known is None or default is None or default["_type"] == "literalExpression":
            continue
        unset = PROGRAM_HAS.fullmatch(default["text"]) if "text" in default else None
        said = json.loads(unset[1]) if unset else default.get("value")
        name = option["name"].removeprefix(MASTER)
        if said not in (known, None) and name not in OTHER_DEFAULTS:
            found.append(f"{name} is {said} by default, and `{key}` is {known}")
        if said is None and "for which" in default.get("text", ""):
            found.append(f"{name} does not say that `{key}` is {known} by default")
    return found


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
        for what in ("default", "example"):
            if option[what] is not None:
                rows.append(f"- {what}: {value(option[what])}")
        if key := setting(option):
            rows.append(f"- setting: `{key}`")
        parts.append("\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def prose(description: str) -> str:
    """A description as Markdown: nixpkgs' roles are its own."""
    return re.sub(r"\{(option|file|env)\}`", "`", description).strip()


def value(shown: dict[str, Any]) -> str:
    """A default or an example."""
    if shown["_type"] == "literalMD":
        return prose(str(shown["text"]))
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
