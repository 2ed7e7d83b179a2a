"""The registry's frame before a record: a zero byte and the id of its schema in four bytes, big-endian."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ingest.codec.decoded import Codec, Decoded, Found, row_schema
from ingest.codec.values import Failure
from lake.broker import RegisteredSchema
from lake.types import Field

FRAME = "frame"
SCHEMA = "schema"
EMPTY = "empty"

SIZE = 5
_MAGIC = b"\x00"


class Schemas(Protocol):
    """Schemas that are at hand; nothing is asked for here."""

    def known(self, number: int) -> RegisteredSchema | None:
        """Return the schema of an id; None: the registry has none."""


class SchemaMisfitError(Exception):
    """A schema whose records can't become rows of the contract; never leaves the codec."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__(failures)
        self.failures = failures


def frame_ids(payloads: Iterable[bytes | None]) -> set[int]:
    """Return the schema ids that framed records name."""
    heads = {payload[:SIZE] for payload in payloads if payload is not None}
    return {int.from_bytes(head[1:]) for head in heads if _is_head(head)}


def _is_head(head: bytes) -> bool:
    return len(head) == SIZE and head[:1] == _MAGIC


class FramedCodec:
    """Read framed records, those of each schema by a codec of their own; thread-safe.

    `make` gives the codec of a schema, or raises SchemaMisfitError; `any_schema` is that of records
    which need no schema to be read.
    """

    def __init__(
        self,
        fields: tuple[Field, ...],
        schemas: Schemas,
        *,
        make: Callable[[RegisteredSchema], Codec] | None = None,
        any_schema: Codec | None = None,
    ) -> None:
        self._row_schema = row_schema(fields)
        self._schemas = schemas
        self._make = make
        self._any_schema = any_schema
        self._codecs: dict[int, Codec | SchemaMisfitError] = {}

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        assert skip == 0, "a frame stands first"
        heads = {payload[:SIZE] if payload is not None else None for payload in payloads}
        if len(heads) == 1 and (head := next(iter(heads))) is not None and _is_head(head):
            codec = self._codec(int.from_bytes(head[1:]))
            if not isinstance(codec, SchemaMisfitError):
                return codec.decode(payloads, skip=SIZE)
        places: defaultdict[bytes | None, list[int]] = defaultdict(list)
        for place, payload in enumerate(payloads):
            places[payload[:SIZE] if payload is not None else None].append(place)
        found = Found(self._row_schema)
        for head, own in places.items():
            self._group(head, [payloads[n] for n in own], own, found)
        return found.result()

    def _group(
        self, head: bytes | None, payloads: Sequence[bytes | None], places: Sequence[int], found: Found
    ) -> None:
        """Read the records that begin alike."""
        if head is None or not _is_head(head):
            failures: tuple[Failure, ...] = (_no_frame(head),)
        else:
            codec = self._codec(int.from_bytes(head[1:]))
            if not isinstance(codec, SchemaMisfitError):
                found.merge(codec.decode(payloads, skip=SIZE), places)
                return
            failures = codec.failures
        for place in places:
            found.refuse(place, failures)

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Return the schema ids that have to be looked up before these records can be read."""
        return set() if self._any_schema is not None else frame_ids(payloads) - self._codecs.keys()

    def _codec(self, number: int) -> Codec | SchemaMisfitError:
        present = self._any_schema or self._codecs.get(number)
        if present is not None:
            return present
        schema = self._schemas.known(number)
        if schema is None:  # not kept: it may be there the next time
            return _misfit(f"the registry has no schema {number}")
        assert self._make is not None
        codec: Codec | SchemaMisfitError
        try:
            codec = self._make(schema)
        except SchemaMisfitError as error:
            codec = error
        self._codecs[number] = codec
        return codec


def _no_frame(head: bytes | None) -> Failure:
    if not head:
        return Failure(rule=EMPTY, path="", message="the record has no value")
    if head[:1] != _MAGIC:
        return Failure(
            rule=FRAME, path="", message=f"the first byte is {head[0]:#04x}, not the zero byte of a frame"
        )
    return Failure(rule=FRAME, path="", message=f"{len(head)} bytes are too few for a frame")


def _misfit(message: str) -> SchemaMisfitError:
    return SchemaMisfitError((Failure(rule=SCHEMA, path="", message=message),))


def expect_kind(schema: RegisteredSchema, kind: str) -> None:
    """Raise SchemaMisfitError for a schema of another format than the contract's."""
    if schema.kind != kind:
        raise _misfit(f"schema {schema.id} is of type {schema.kind}, the contract's format is {kind}")
