"""Cut an answer into records without touching their bytes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lake.errors import LakeError

_Members = dict[str, msgspec.Raw]
_as_mapping = msgspec.json.Decoder(_Members)
_as_list = msgspec.json.Decoder(list[msgspec.Raw])
_as_text = msgspec.json.Decoder(str | int | None)


class PageError(LakeError):
    """An answer is no page: cut off, no JSON, or without the list of records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records in the order of the answer, as the bytes that were sent; `next` is None on the last page."""

    records: tuple[bytes, ...]
    next: str | None


def read_page(body: bytes, *, records: str, following: str | None) -> Page:
    """Find the list and the next cursor by their dotted paths; raises PageError."""
    try:
        raw = _at(body, records)
        if raw is None:
            raise PageError(f"the answer has no {records}")
        items = tuple(bytes(item) for item in _as_list.decode(raw))
        onward = _at(body, following) if following else None
        cursor = _as_text.decode(onward) if onward is not None else None
    except msgspec.DecodeError as error:
        raise PageError(f"the answer is no page: {error}") from error
    return Page(records=items, next=None if cursor in {None, ""} else str(cursor))


def _at(body: bytes | msgspec.Raw, path: str) -> bytes | msgspec.Raw | None:
    found: bytes | msgspec.Raw | None = body
    for name in path.split(".") if path else ():
        if found is None:
            return None
        found = _as_mapping.decode(found).get(name)
    return found
