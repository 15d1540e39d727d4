"""The forges' own OpenAPI documents, cut down to what a double answers.

GitHub's whole document takes Prism eight seconds and 300 MB to read. Nothing is written by hand:
the paths come from the double's routes, and one that the official document does not have is an
error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.processes import BUILD

#: What .ci/setup-forges has got.
FOLDER = BUILD / "forges"
#: Where a webhook's payload is compared, in GitHub's document as cut down by us.
WEBHOOKS = "/_webhooks/"
#: Parts of a document that are kept as far as something refers to them.
REFERRED_TO = ("components", "definitions", "parameters", "responses", "x-webhooks")
#: Who may do what is the doubles' own business.
LEFT_OUT = (*REFERRED_TO, "security", "securityDefinitions")


class NotOfficialError(Exception):
    """A double answers what the forge does not."""


def cut(
    document: dict[str, Any], routes: Iterable[tuple[str, str]], webhooks: Iterable[str] = ()
) -> dict[str, Any]:
    """``document`` with the operations ``(method, path)`` of ``routes`` and all that they refer
    to. Each of ``webhooks``, as the document names them, becomes an operation below
    :data:`WEBHOOKS`, so that payloads can be compared like requests. Raises
    :class:`NotOfficialError`."""
    paths: dict[str, Any] = {}
    for method, path in routes:
        whole = official_path(document, path)
        item = document["paths"].get(whole, {})
        if method.lower() not in item:
            raise NotOfficialError(f"{document['info']['title']} has no {method} {path}")
        kept = paths.setdefault(whole, {})
        kept[method.lower()] = item[method.lower()]
        if "parameters" in item:
            kept["parameters"] = item["parameters"]
    for name in webhooks:
        if name not in document["x-webhooks"]:
            raise NotOfficialError(f"{document['info']['title']} has no webhook {name}")
        operation = document["x-webhooks"][name]["post"]
        content = {key: operation[key] for key in ("requestBody", "parameters") if key in operation}
        answers = {"204": {"description": "Fits."}}
        paths[WEBHOOKS + name] = {"post": {**content, "responses": answers}}
    result = {key: value for key, value in document.items() if key not in LEFT_OUT}
    result["paths"] = paths
    _add_references(document, result)
    return _without_examples(result)


def read(name: str) -> Any:
    """What set-up has got: ``github.json``, ``forgejo.json`` or ``webhooks.json``."""
    path: Path = FOLDER / name
    return json.loads(path.read_text())


def official_path(document: dict[str, Any], path: str) -> str:
    """What a path is called in a document. Names of parameters differ, and mean nothing."""
    wanted = _anonymous(path)
    return next((each for each in document["paths"] if _anonymous(each) == wanted), path)


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _add_references(document: dict[str, Any], result: dict[str, Any]) -> None:
    missing = list(_references(result["paths"]))
    while missing:
        keys = missing.pop().removeprefix("#/").split("/")
        source, target = document, result
        for key in keys[:-1]:
            source = source[key]
            target = target.setdefault(key, {})
        if keys[-1] not in target:
            target[keys[-1]] = source[keys[-1]]
            missing += _references(source[keys[-1]])


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _without_examples(value: Any) -> Any:
    """They are the greater part of GitHub's document and compare nothing."""
    if isinstance(value, list):
        return [_without_examples(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_examples(inner)
        for key, inner in value.items()
        # What an example is called may be a property's name, too.
        if key not in ("example", "examples") or not _is_example(value)
    }


def _is_example(owner: dict[str, Any]) -> bool:
    return any(key in owner for key in ("type", "schema", "content", "$ref", "name", "enum"))
