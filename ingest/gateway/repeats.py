"""Recognise what was sent before: by a key for the whole request, or by one that each record carries.

The key that lands beside a record begins with the id of the API key, so that two senders never meet:
`<api key id>/<key>`, and for several records under one request's key `<api key id>/<key>/<index>`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingest.codec import Failure
from ingest.gateway.answers import Refusal

RULE = "idempotency"
_KEY = re.compile(r"[^\x00-\x1f\x7f]{1,255}\Z")
_FIELD = re.compile(r"[A-Za-z0-9_.-]{1,255}\Z")
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The idempotency keys of a request.

    `landed` is the key of each record as it lands, None for those without; `fingerprints` are the keys to
    claim with the hash of what they stand for; `by_place` says which record carries which (empty when one
    key stands for the whole request); `failures` are the records whose key can't be used.
    """

    landed: tuple[str | None, ...]
    fingerprints: Mapping[str, bytes]
    by_place: Mapping[int, str]
    failures: Mapping[int, tuple[Failure, ...]]
    repeated: frozenset[int] = frozenset()  # places whose key an earlier record of the request has too

    @property
    def of_request(self) -> str | None:
        """Return the key that stands for the whole request."""
        return next(iter(self.fingerprints)) if self.fingerprints and not self.by_place else None


def mark(
    records: Sequence[bytes],
    *,
    sender: str,
    header: str | None,
    field: str | None,
    content: bytes,
    options: str,
) -> Marks:
    """Read the keys of a request; refuses a header that is none, and both ways at once, with 400.

    `content` and `options` are what must be the same when the request comes again.
    """
    if header is not None and field is not None:
        raise Refusal(400, "send Idempotency-Key or idempotency_field, not both")
    if field is not None:
        return _of_records(records, sender, _checked(field, _FIELD, "idempotency_field"))
    if header is None:
        return Marks(landed=(None,) * len(records), fingerprints={}, by_place={}, failures={})
    key = _checked(_unquoted(header), _KEY, "Idempotency-Key")
    names = [f"{sender}/{key}"] if len(records) == 1 else [f"{sender}/{key}/{n}" for n in range(len(records))]
    whole = hashlib.sha256(options.encode() + b"\0" + content).digest()
    return Marks(landed=tuple(names), fingerprints={key: whole}, by_place={}, failures={})


def _of_records(records: Sequence[bytes], sender: str, field: str) -> Marks:
    landed: list[str | None] = [None] * len(records)
    fingerprints: dict[str, bytes] = {}
    by_place: dict[int, str] = {}
    failures: dict[int, tuple[Failure, ...]] = {}
    repeated: set[int] = set()
    for place, record in enumerate(records):
        try:
            key = _member(record, field)
        except ValueError:
            continue  # no JSON object: the contract says so better
        if key is None:
            failures[place] = (_failure(field, "a text or an integer must stand there to tell repeats"),)
            continue
        landed[place] = f"{sender}/{key}"
        content = hashlib.sha256(record).digest()
        known = fingerprints.get(key)
        if known is None:
            fingerprints[key], by_place[place] = content, key
        elif known == content:
            repeated.add(place)
        else:
            failures[place] = (_failure(field, "another record of the request has the same value"),)
    return Marks(
        landed=tuple(landed),
        fingerprints=fingerprints,
        by_place=by_place,
        failures=failures,
        repeated=frozenset(repeated),
    )


def changed(field: str) -> tuple[Failure, ...]:
    """Say of a record that its key was used for another one within a day."""
    return (_failure(field, "the value was used for another record before"),)


def _member(record: bytes, field: str) -> str | None:
    """Return the key in a record, None when it can't be used; ValueError when the record is no object."""
    try:
        members = _MEMBERS.decode(record)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError from error
    try:
        value: Any = msgspec.json.decode(members[field], type=str | int)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
        return None
    text = str(value)
    return text if _KEY.match(text) else None


def _failure(field: str, message: str) -> Failure:
    return Failure(rule=RULE, path=field, message=message)


def _unquoted(header: str) -> str:
    """Take the quotes off a structured field's string."""
    text = header.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _checked(text: str, pattern: re.Pattern[str], name: str) -> str:
    if not pattern.match(text):
        raise Refusal(400, f"{name} must be 1 to 255 characters without control characters")
    return text
