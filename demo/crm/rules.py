"""What the CRM accepts: a property that breaks a rule is refused, today and tomorrow alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

BATCH_ROWS = 200
ID_LENGTH = 128
TEXT_LENGTH = 256
MOST_PROPERTIES = 50
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")

Properties = dict[str, str | int | float | bool | None]


class RowError(ValueError):
    """One row that can't be accepted; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One accepted row; `properties` is None when the contact is to be deleted."""

    external_id: str
    idempotency_key: str
    properties: Properties | None


def read_row(raw: Any, *, deletion: bool) -> Row:
    """Check one row of a batch; raises RowError."""
    if not isinstance(raw, dict):
        raise RowError("invalid_row", "a row is an object")
    external_id = _identifier(raw, "external_id")
    key = _identifier(raw, "idempotency_key")
    if deletion:
        return Row(external_id=external_id, idempotency_key=key, properties=None)
    properties = raw.get("properties")
    if not isinstance(properties, dict):
        raise RowError("invalid_properties", "properties is an object")
    if len(properties) > MOST_PROPERTIES:
        raise RowError("invalid_properties", f"more than {MOST_PROPERTIES} properties")
    for name, value in properties.items():
        _check(name, value)
    return Row(external_id=external_id, idempotency_key=key, properties=properties)


def _identifier(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH or not value.isprintable():
        raise RowError(f"invalid_{name}", f"{name} is a text of 1 to {ID_LENGTH} printable characters")
    return value


def _check(name: str, value: Any) -> None:
    """Names are a-z, 0-9 and _; values are scalars; `email` and `tier` have rules of their own."""
    if not _NAME.match(name):
        raise RowError("invalid_property", f"{name!r} is no property name")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int | float):
        if not abs(value) < 1e15:  # not a number fails this, too
            raise RowError("invalid_property", f"{name}: the number is out of range")
        return
    if not isinstance(value, str):
        raise RowError("invalid_property", f"{name}: text, number, true, false or null")
    if len(value) > TEXT_LENGTH or not value.isprintable():
        raise RowError("invalid_property", f"{name}: at most {TEXT_LENGTH} printable characters")
    if name == "email" and not _EMAIL.match(value):
        raise RowError("invalid_property", "email: no address")
    if name == "tier" and not value:
        raise RowError("invalid_property", "tier: is empty")
