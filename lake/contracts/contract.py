"""What a contract says about one stream, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal as Number
from enum import Enum

from lake.types import Field


class StreamKind(Enum):
    """Where the records of a stream come from."""

    TOPIC = "topic"  # consumed from a topic of the Kafka API
    EXTRACT = "extract"  # fetched from an API by `ingest.extract`
    TABLE = "table"  # built by a model: the contract of a mart, which stands beside it


class Format(Enum):
    """How one record is written."""

    JSON = "json"
    AVRO = "avro"
    PROTOBUF = "protobuf"


class Framing(Enum):
    """What stands before the bytes of one record."""

    PLAIN = "plain"  # nothing: the value is the record
    REGISTRY = "registry"  # a zero byte and the schema's id in the registry, as Confluent's serialisers write


class Mode(Enum):
    """What a record does to the ones before it with the same primary key."""

    APPEND = "append"  # nothing: every record is a row
    UPSERT = "upsert"  # replaces them; a record without value (tombstone) deletes them
    CDC = "cdc"  # a Debezium envelope: before, after, op, ts_ms, and tombstones after deletes


class Compatibility(Enum):
    """Which change the next version may make, in the words of Confluent's registry."""

    NONE = "NONE"  # any
    BACKWARD = "BACKWARD"  # the new version reads what the last one wrote
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"  # … what any earlier one wrote
    FORWARD = "FORWARD"  # the last version reads what the new one writes
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"  # any earlier version reads what the new one writes
    FULL = "FULL"  # both
    FULL_TRANSITIVE = "FULL_TRANSITIVE"  # both, with every earlier version


class Status(Enum):
    """Where a version stands in its life."""

    PROPOSED = "proposed"
    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"  # its records still land; `end_of_support` says until when they should come
    RETIRED = "retired"


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
    """Iceberg's partition transforms; the last two take a number."""

    IDENTITY = "identity"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    BUCKET = "bucket"  # a hash of the value, modulo the number
    TRUNCATE = "truncate"  # so many characters, or numbers rounded down to multiples


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBy:
    """Cut the landing table by a transform of one column."""

    column: str
    transform: Transform
    width: int = 0  # of bucket and truncate

    @property
    def text(self) -> str:
        """The transform as Iceberg writes it: `day`, `bucket[16]`."""
        return f"{self.transform.value}[{self.width}]" if self.width else self.transform.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Records of a shared topic that are this stream's: those whose header has the value.

    One stream of a topic is `otherwise`: it also takes the records without such a header, and
    quarantines those with a value that no stream has.
    """

    header: str
    value: str
    otherwise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Stop the stream once more than `share` of the records are bad, of the last `records` at least."""

    share: float = 0.5
    records: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One version of one stream's contract; `fields` keep the order of the file.

    Each major version is a stream of its own: `family` is the id in the file, `stream` names the tables
    (`orders` for 0.x and 1.x, `orders_v2` for 2.x). The fields describe a row, in mode CDC the one after
    a change. `topic`, `key` and `subject` are empty for extracts, `source` and `resource` for topics.
    `topic` is without the broker's `topic_prefix`. `unchecked` names what the file promises and landing
    does not check record by record (uniqueness, SQL rules): audits are the place for those.
    `migration` gives columns as SQL over a row of the major version before; `text` is the whole file.
    """

    stream: str
    family: str
    version: str
    kind: StreamKind
    owner: str
    description: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    status: Status = Status.ACTIVE
    mode: Mode = Mode.APPEND
    format: Format = Format.JSON
    framing: Framing = Framing.PLAIN
    route: Route | None = None
    topic: str = ""
    key: str = ""
    subject: str = ""
    source: str = ""
    resource: str = ""
    domain: str = ""
    event_time: str = ""
    allowed_lateness: timedelta | None = None
    partition: tuple[PartitionBy, ...] = ()
    pii: frozenset[str] = frozenset()
    freshness: timedelta | None = None
    completeness: float | None = None  # share of records that must pass, 0..1
    retention: timedelta | None = None
    breaker: Breaker = Breaker()
    compatibility: Compatibility = Compatibility.BACKWARD
    end_of_support: date | None = None
    migration: tuple[tuple[str, str], ...] = ()
    unchecked: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()  # of a mart: who counts on its columns
    migrations: tuple[tuple[str, str], ...] = ()  # of a mart: what becomes of columns promised before
    file: str = field(default="", compare=False)
    text: str = field(default="", compare=False, repr=False)

    @property
    def major(self) -> int:
        return int(self.version.split(".", maxsplit=1)[0])

    @property
    def is_changelog(self) -> bool:
        """Tell whether rows are changes to keys, so that `<stream>_latest` differs from the table."""
        return self.mode is not Mode.APPEND

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)

    def column(self, name: str) -> Field:
        """Return a column; KeyError when there is none of that name."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


def stream_name(family: str, version: str) -> str:
    """Return the name of a major version's tables: the family's for 0 and 1, `<family>_v<major>` above."""
    major = int(version.split(".", maxsplit=1)[0])
    return family if major <= 1 else f"{family}_v{major}"
