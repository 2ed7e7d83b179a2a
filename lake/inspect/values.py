"""The rows that pages and commands show: frozen, small, without a service behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class Verdict(StrEnum):
    """How a table stands against what was promised for it."""

    FRESH = "fresh"
    QUIET = "quiet"  # all that was sent is in, but the source has sent nothing for longer than the SLA
    LATE = "late"  # older than the SLA allows, while something waits
    FAILED = "failed"  # its last build was refused by an audit, or broke
    MISSING = "missing"  # nothing has been written yet
    UNKNOWN = "unknown"  # a service that would tell does not answer


class Layer(StrEnum):
    """Where in the lake a table stands, in the order of the flow."""

    RAW = "raw"
    STAGING = "staging"
    INTERMEDIATE = "intermediate"
    ANALYTICS = "analytics"
    ACTIVATION = "activation"
    QUARANTINE = "quarantine"
    OTHER = "other"

    @classmethod
    def of(cls, schema: str) -> Layer:
        return next((layer for layer in cls if layer.value == schema), cls.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table or view as the catalog shows it; no data file was read.

    A view has no rows of its own (`rows` None) and is as new as the newest table under it.
    """

    name: str
    layer: Layer
    kind: str
    owner: str
    description: str
    rows: int | None
    files: int | None
    committed_at: datetime | None
    snapshots: tuple[tuple[str, int], ...]  # (physical table, snapshot) under the name
    time_column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """How far a stream's landing is; `lag` counts records that wait in the topic, None when unknown."""

    stream: str
    table: str
    origin: str
    sla: timedelta | None
    lag: int | None
    newest_event: datetime | date | None
    committed_at: datetime | None
    checked_at: datetime | None = None  # extracts: when the source was last asked
    is_extract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and the sentence that explains it."""

    verdict: Verdict
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """The newest result of one audit of one model."""

    model: str
    audit: str
    passed: bool
    blocking: bool
    failing: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLine:
    """The newest evaluation of one model."""

    model: str
    result: str
    through: datetime  # end of the interval, exclusive
    at: datetime
    seconds: float
    rows: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One pass over the models."""

    kind: str
    environment: str
    actor: str
    started_at: datetime
    finished_at: datetime | None
    result: str
    error: str
