"""Protobuf messages that one schema wrote, to the columns of a contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.frame import EMPTY, FRAME, SCHEMA, SIZE, SchemaMisfitError
from ingest.codec.pieces import read_in_pieces
from ingest.codec.protobuf.columns import FastProtobuf
from ingest.codec.protobuf.fit import fit_fields
from ingest.codec.protobuf.mirror import mirror
from ingest.codec.protobuf.rows import decode_row
from ingest.codec.protobuf.schema import ProtobufSchemaError, compile_schema
from ingest.codec.rows import Row
from ingest.codec.values import Failure
from lake.broker import SchemaFile
from lake.types import Field

_FIRST = b"\x00"  # how the frame names the first message of a file; others are a list of numbers
_MOST_INDEXES = 16


class ProtobufCodec:
    """Read messages of one writer's schema, any message of its file; thread-safe.

    Behind the registry's frame stands which message of the file it is; without a frame it is the first.
    Raises SchemaMisfitError when no message of that schema can become a row of the contract.
    """

    def __init__(self, fields: tuple[Field, ...], text: str, files: Sequence[SchemaFile] = ()) -> None:
        self._fields = fields
        self._row_schema = row_schema(fields)
        try:
            self._file = compile_schema(text, files)
        except ProtobufSchemaError as error:
            raise _misfit(SCHEMA, str(error)) from error
        self._messages: dict[tuple[int, ...], _MessageCodec | SchemaMisfitError] = {}

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        found = Found(self._row_schema)
        if not skip:
            self._group((0,), payloads, range(len(payloads)), 0, found)
            return found.result()
        if {p[SIZE : SIZE + 1] if p is not None else None for p in payloads} == {_FIRST}:
            self._group((0,), payloads, range(len(payloads)), SIZE + 1, found)
            return found.result()
        groups: defaultdict[tuple[tuple[int, ...] | None, int], list[int]] = defaultdict(list)
        for place, payload in enumerate(payloads):
            groups[read_indexes(payload or b"", SIZE)].append(place)
        for (indexes, start), places in groups.items():
            self._group(indexes, [payloads[n] for n in places], places, start, found)
        return found.result()

    def _group(
        self,
        indexes: tuple[int, ...] | None,
        payloads: Sequence[bytes | None],
        places: Sequence[int],
        start: int,
        found: Found,
    ) -> None:
        """Read the messages of one type, which begin at `start`."""
        codec = self._message(indexes)
        if isinstance(codec, SchemaMisfitError):
            for place, payload in zip(places, payloads, strict=True):
                found.refuse(place, codec.failures if payload is not None else _EMPTY.failures)
            return
        bodies = [payload[start:] if payload is not None else None for payload in payloads]
        part = Found(self._row_schema)
        fast = codec.fast.decode if codec.fast.usable else None
        read_in_pieces(bodies, part, fast=fast, slow=codec.row, search=codec.search)
        found.merge(part.result(), places)

    def _message(self, indexes: tuple[int, ...] | None) -> _MessageCodec | SchemaMisfitError:
        if indexes is None:
            return _misfit(FRAME, "behind the frame stands no list of message numbers")
        if (present := self._messages.get(indexes)) is not None:
            return present
        codec: _MessageCodec | SchemaMisfitError
        try:
            codec = _MessageCodec(self._fields, self._descriptor(indexes))
        except SchemaMisfitError as error:
            codec = error
        self._messages[indexes] = codec
        return codec

    def _descriptor(self, indexes: tuple[int, ...]) -> Any:
        """Return the message type of a path of numbers: the nth of the file, the mth inside of that."""
        siblings = list(self._file.message_types_by_name.values())
        found = None
        for number in indexes:
            if not 0 <= number < len(siblings):
                raise _misfit(SCHEMA, f"the schema has no message {'.'.join(map(str, indexes))}")
            found = siblings[number]
            siblings = list(found.nested_types)
        return found

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Need nothing: the schema is here."""
        del payloads
        return set()


class _MessageCodec:
    """Both ways of reading one message type."""

    def __init__(self, fields: tuple[Field, ...], descriptor: Any) -> None:
        self._fits = fit_fields(fields, descriptor)
        own, self._class = mirror(self._fits)
        self.fast = FastProtobuf(fields, self._fits, own)

    def row(self, payload: bytes | None) -> Row:
        """Read one message by the slow path; a message of no bytes is one with nothing set."""
        return _EMPTY if payload is None else decode_row(payload, self._class.FromString, self._fits)

    def search(self, payloads: Sequence[bytes]) -> list[int]:
        """Return the places of messages that can't be read at all."""
        found = []
        for place, payload in enumerate(payloads):
            try:
                self._class.FromString(payload)
            except (DecodeError, RecursionError):
                found.append(place)
        return found


_EMPTY = Row(values={}, failures=(Failure(rule=EMPTY, path="", message="the record has no value"),))


def read_indexes(payload: bytes, start: int) -> tuple[tuple[int, ...] | None, int]:
    """Return the numbers that name a message, and where it begins; None when there are no such numbers.

    A count and so many numbers, zigzag-encoded; a single zero stands for the list of one zero.
    """
    count, place = _varint(payload, start)
    if count == 0:
        return (0,), place
    if count is None or not 0 < count <= _MOST_INDEXES:
        return None, start
    indexes: list[int] = []
    for _ in range(count):
        number, place = _varint(payload, place)
        if number is None:
            return None, start
        indexes.append(number)
    return tuple(indexes), place


def _varint(payload: bytes, start: int) -> tuple[int | None, int]:
    number = 0
    for count, byte in enumerate(payload[start : start + 5]):
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), start + count + 1
    return None, start


def _misfit(rule: str, message: str) -> SchemaMisfitError:
    return SchemaMisfitError((Failure(rule=rule, path="", message=message),))
