"""Cut an answer into records without touching their bytes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingest.extract.api.definition import ApiResource
from ingest.extract.api.selection import Path, compile_path, elements, texts
from lake.errors import LakeError


class PageError(LakeError):
    """An answer is no page: cut off, no JSON, or without the list of records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records in the order of the answer, as the bytes that were sent, and what it says of other pages.

    `next` is the value at the pagination's path, `total` the count that it promises, `link` the address
    in the Link header; None where the answer has none.
    """

    records: tuple[bytes, ...]
    next: str | None = None
    total: int | None = None
    link: str | None = None


def read_page(body: bytes, resource: ApiResource, *, link: str | None = None) -> Page:
    """Find records, next page and total; raises PageError."""
    try:
        return Page(
            records=_records(body, compile_path(resource.records)),
            next=_scalar(body, getattr(resource.pagination, "next", "")),
            total=_count(body, getattr(resource.pagination, "total", "")),
            link=link,
        )
    except msgspec.DecodeError as error:
        raise PageError(f"the answer is no page: {error}") from error


def _records(body: bytes, path: Path) -> tuple[bytes, ...]:
    found = path.find(body)
    if path.expression is not None:
        return tuple(found or ())
    if found is None:
        raise PageError(f"the answer has no {path.text}")
    return tuple(elements(found[0]))


def _scalar(body: bytes, path: str) -> str | None:
    return next(texts(compile_path(path).find(body)), None) or None if path else None


def _count(body: bytes, path: str) -> int | None:
    text = _scalar(body, path)
    if text is None:
        return None
    if not text.isdecimal():
        raise PageError(f"{path} of the answer is no count")
    return int(text)
