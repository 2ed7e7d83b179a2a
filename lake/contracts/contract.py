"""What a contract says about one stream, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal as Number
from enum import Enum

from lake.types import Field


class StreamKind(Enum):
    """Where the records of a stream come from."""

    TOPIC = "topic"  # consumed from a topic of the Kafka API
    EXTRACT = "extract"  # fetched from an API by `ingest.extract`


class Format(Enum):
    """How one record is written."""

    JSON = "json"
    AVRO = "avro"
    PROTOBUF = "protobuf"


class RuleKind(Enum):
    """Checks on one value; the names appear in quarantine as the failing rule."""

    REQUIRED = "required"  # the value is there and not null
    MINIMUM = "minimum"  # value >= argument
    MAXIMUM = "maximum"  # value <= argument
    EXCLUSIVE_MINIMUM = "exclusiveMinimum"  # value > argument
    EXCLUSIVE_MAXIMUM = "exclusiveMaximum"  # value < argument
    MIN_LENGTH = "minLength"  # at least so many characters
    MAX_LENGTH = "maxLength"  # at most so many characters
    PATTERN = "pattern"  # the expression matches somewhere in the text (RE2)
    ALLOWED = "enum"  # one of the listed values


RuleArgument = Number | int | str | tuple[Number | int | str | bool, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One check on one column.

    `path` is dotted (`address.city` for a member of a struct). `argument` is the bound, length,
    expression or tuple of allowed values; dates and timestamps stand as ISO 8601 text.
    A null value breaks only REQUIRED. Bounds of a double are broken by NaN.
    """

    kind: RuleKind
    path: str
    argument: RuleArgument = None
    masked: bool = False  # personal data: messages leave the value out

    @property
    def name(self) -> str:
        return self.kind.value


class Transform(Enum):
    """Iceberg's partition transforms that a contract can ask for."""

    IDENTITY = "identity"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBy:
    """Cut the landing table by a transform of one column."""

    column: str
    transform: Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One version of one stream's contract; `fields` keep the order of the file.

    `topic`, `key` and `subject` are empty for extracts, `source` and `resource` for topics.
    `topic` is without the broker's `topic_prefix`. `unchecked` names what the file promises and
    landing does not check record by record (uniqueness, SQL rules): audits are the place for those.
    """

    stream: str
    version: str
    kind: StreamKind
    owner: str
    description: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    format: Format = Format.JSON
    topic: str = ""
    key: str = ""
    subject: str = ""
    source: str = ""
    resource: str = ""
    domain: str = ""
    event_time: str = ""
    partition: tuple[PartitionBy, ...] = ()
    pii: frozenset[str] = frozenset()
    freshness: timedelta | None = None
    completeness: float | None = None  # share of records that must pass, 0..1
    retention: timedelta | None = None
    unchecked: tuple[str, ...] = ()
    file: str = field(default="", compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)

    def column(self, name: str) -> Field:
        """Return a column; KeyError when there is none of that name."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)
