"""Debezium's envelope as JSON: with its schema around it (`schemas.enable`) or bare.

Debezium writes dates as days since 1970; the other types of a contract it writes as contracts have them
when `decimal.handling.mode` is `string` and `time.precision.mode` is `isostring`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.pieces import read_rows
from ingest.codec.rows import JSON, Row, read_object, refused
from ingest.codec.values import Failure, JsonObject, UnfitError, convert_members, day
from lake.types import Field, Primitive, Struct


class EnvelopeCodec:
    """Read envelopes row by row; thread-safe."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._row_schema = row_schema(fields)
        self._dates = {
            f.name: tuple(member.name for member in f.type.fields if member.type is Primitive.DATE)
            for f in fields
            if isinstance(f.type, Struct)
        }

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        if skip:
            payloads = [payload[skip:] if payload is not None else None for payload in payloads]
        found = Found(self._row_schema)
        read_rows(payloads, range(len(payloads)), found, self._row)
        return found.result()

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Need nothing: JSON tells its own structure."""
        del payloads
        return set()

    def _row(self, payload: bytes | None) -> Row:
        document = unwrapped(read_object(payload))
        if isinstance(document, Row):
            return document
        for name, dates in self._dates.items():
            image = document.get(name)
            if isinstance(image, JsonObject):
                _spell_dates(image, dates)
        failures: list[Failure] = []
        return Row(values=convert_members(document, self._fields, "", failures), failures=tuple(failures))


def unwrapped(document: JsonObject | Row) -> JsonObject | Row:
    """Return what stands in the envelope of Kafka Connect's JSON converter; others are as they are."""
    if isinstance(document, Row) or {"schema", "payload"} != document.keys():
        return document
    payload = document["payload"]
    return payload if isinstance(payload, JsonObject) else refused(JSON, "the payload is no object")


def _spell_dates(image: JsonObject, names: Sequence[str]) -> None:
    for name in names:
        if type(image.get(name)) is int:
            try:
                image[name] = day(image[name]).isoformat()
            except UnfitError:
                continue  # it stays a number, which no date is
