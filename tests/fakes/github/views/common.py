"""What all that GitHub shows has in common."""

from __future__ import annotations

import base64
from datetime import datetime


def time(value: datetime | None) -> str | None:
    """As GitHub writes times."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    """What GraphQL calls a thing."""
    return base64.b64encode(f"{kind}{number}".encode()).decode()


class Base:
    """Knows where the API and the pages are."""

    def __init__(self, url: str, api: str) -> None:
        self.url = url
        self.api = api
