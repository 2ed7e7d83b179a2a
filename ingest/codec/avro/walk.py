"""Go through the bytes of one record as its schema says, and refuse what is no such record.

fastavro reads a boolean of 2 as true, takes branch -1 of a union for the last one, and does not look at
what stands behind the record. Each of them means that these are other bytes than they are read as.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.codec.avro.schema import Again, Array, AvroType, Map, Record, Scalar, Union

_DEEPEST = 200
_LONGEST_VARINT = 10


class NoRecordError(ValueError):
    """Bytes that are no record of the schema; says where."""


class Walk:
    """One record's bytes and how far they have been gone through."""

    def __init__(self, payload: bytes, start: int) -> None:
        self._payload = payload
        self._place = start
        self._start = start
        self._named: dict[str, Record] = {}

    def whole(self, root: AvroType) -> None:
        """Go from start to end; raises NoRecordError."""
        self._value(root, 0)
        if rest := len(self._payload) - self._place:
            raise NoRecordError(f"{rest} bytes stand behind the record")

    def _value(self, kind: AvroType, depth: int) -> None:
        if depth > _DEEPEST:
            raise self._wrong("nested too deeply")
        match kind:
            case Scalar():
                self._scalar(kind)
            case Record():
                self._named[kind.name] = kind
                for _, own in kind.fields:
                    self._value(own, depth + 1)
            case Union():
                self._value(kind.branches[self._choice(len(kind.branches), "branch")], depth + 1)
            case Array():
                self._blocks(lambda: self._value(kind.items, depth + 1))
            case Map():
                self._blocks(lambda: self._entry(kind.values, depth + 1))
            case Again():
                self._value(self._named[kind.name], depth + 1)

    def _scalar(self, kind: Scalar) -> None:
        match kind.physical:
            case "boolean":
                if self._payload[self._place : self._place + 1] not in {b"\x00", b"\x01"}:
                    raise self._wrong("no boolean")
                self._skip(1)
            case "int" | "long":
                self._varint()
            case "float":
                self._skip(4)
            case "double":
                self._skip(8)
            case "string" | "bytes":
                self._skip(self._length())
            case "fixed":
                self._skip(kind.size)
            case "enum":
                self._choice(len(kind.symbols), "symbol")

    def _entry(self, kind: AvroType, depth: int) -> None:
        self._skip(self._length())
        self._value(kind, depth)

    def _blocks(self, item: Callable[[], object]) -> None:
        """Go through the blocks of an array or map; a negative count is followed by the block's size."""
        while count := self._varint():
            if count < 0:
                self._varint()
            for _ in range(abs(count)):
                item()

    def _choice(self, count: int, what: str) -> int:
        number = self._varint()
        if not 0 <= number < count:
            raise self._wrong(f"there is no {what} {number} of {count}")
        return number

    def _length(self) -> int:
        length = self._varint()
        if length < 0:
            raise self._wrong("a length below zero")
        return length

    def _varint(self) -> int:
        number = 0
        for count, byte in enumerate(self._payload[self._place : self._place + _LONGEST_VARINT]):
            number |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                self._place += count + 1
                number &= 2**64 - 1
                return (number >> 1) ^ -(number & 1)
        raise self._wrong("no end of a number")

    def _skip(self, count: int) -> None:
        if self._place + count > len(self._payload):
            raise self._wrong("the record ends too early")
        self._place += count

    def _wrong(self, message: str) -> NoRecordError:
        return NoRecordError(f"{message} (byte {self._place - self._start})")
