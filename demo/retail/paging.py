"""What a client may ask for, and the opaque text that says where the next page begins."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from demo.retail.resources import TIME_FORMAT, Position, Resource

DEFAULT_LIMIT = 1_000
LARGEST_LIMIT = 5_000
PARAMETERS = frozenset({"limit", "cursor", "updated_since"})


class BadQueryError(ValueError):
    """A parameter that can't be accepted; the message is for the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One page of one resource."""

    limit: int
    since: str | None
    after: Position | None


def parse_query(pairs: Iterable[tuple[str, str]], resource: Resource) -> Query:
    """Read the parameters of a request; raises BadQueryError."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise BadQueryError(f"{name} is given twice")
        parameters[name] = value
    if unknown := set(parameters) - PARAMETERS:
        raise BadQueryError(f"unknown parameter {min(unknown)!r}; known: {', '.join(sorted(PARAMETERS))}")
    since = _instant(parameters["updated_since"]) if "updated_since" in parameters else None
    after = None
    if "cursor" in parameters:
        cursor_since, after = _read_cursor(parameters["cursor"], resource)
        if since is not None and since != cursor_since:
            raise BadQueryError("this cursor belongs to another updated_since")
        since = cursor_since
    return Query(limit=_limit(parameters.get("limit")), since=since, after=after)


def write_cursor(resource: Resource, since: str | None, after: Position) -> str:
    """Write the opaque text of a place in a walk."""
    plain = json.dumps([resource.name, since, *after], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _read_cursor(text: str, resource: Resource) -> tuple[str | None, Position]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        name, since, moment, *key = plain
    except (ValueError, TypeError, RecursionError) as error:  # no base64, no UTF-8, no JSON, no list
        raise BadQueryError("this cursor is none of ours") from error
    fits = (
        name == resource.name
        and isinstance(since, str | None)
        and isinstance(moment, str)
        and len(key) == len(resource.key)
        and all(type(part) is int for part in key)
    )
    if not fits:
        raise BadQueryError(f"this cursor does not belong to {resource.name}")
    return since, (moment, *key)


def _instant(text: str) -> str:
    """Return a moment as `updated_at` is written; a part of a second is rounded up: nothing older comes."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            whole = moment.astimezone(UTC).replace(microsecond=0)
            return (whole + timedelta(seconds=bool(moment.microsecond))).strftime(TIME_FORMAT)
    except (ValueError, OverflowError) as error:
        raise BadQueryError(f"updated_since: {text!r} is no time; write 2026-11-01T00:00:00Z") from error
    raise BadQueryError("updated_since: add a zone, as in 2026-11-01T00:00:00Z")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= LARGEST_LIMIT:
        raise BadQueryError(f"limit: give a number from 1 to {LARGEST_LIMIT}")
    return int(text)
