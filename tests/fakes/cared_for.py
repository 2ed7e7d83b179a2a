"""Which tables were cared for, read from the log."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any


def cared_for(logs: Iterable[MutableMapping[str, Any]]) -> set[str]:
    return {entry["table"] for entry in logs if entry["event"] == "care.done"}
