"""What a run of an extract tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[str, int], None]  # source/resource, records fetched so far


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractReport:
    """What one run did with one resource."""

    source: str
    resource: str
    stream: str
    fetched: int  # records that the source gave, known ones too
    landed: int  # rows added, deletes too
    deleted: int
    quarantined: int
    commits: int
    since: str | None  # the cursor afterwards
    seconds: float
