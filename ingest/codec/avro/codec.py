"""Avro records that one schema wrote, to the columns of a contract."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.codec.avro.columns import FastAvro
from ingest.codec.avro.fit import fit_fields
from ingest.codec.avro.rows import decode_row
from ingest.codec.avro.schema import AvroSchemaError, read_schema
from ingest.codec.decoded import Decoded, Found, row_schema
from ingest.codec.frame import EMPTY, SCHEMA, SchemaMisfitError
from ingest.codec.pieces import read_in_pieces
from ingest.codec.rows import Row
from ingest.codec.values import Failure
from lake.types import Field

_EMPTY = Row(values={}, failures=(Failure(rule=EMPTY, path="", message="the record has no value"),))


class AvroCodec:
    """Read records of one writer's schema; thread-safe.

    Raises SchemaMisfitError when no record of that schema can become a row of the contract.
    """

    def __init__(self, fields: tuple[Field, ...], text: str, references: Sequence[str] = ()) -> None:
        try:
            self._schema = read_schema(text, references)
        except AvroSchemaError as error:
            failure = Failure(rule=SCHEMA, path="", message=str(error))
            raise SchemaMisfitError((failure,)) from error
        self._fits = fit_fields(fields, self._schema.root)
        self._fast = FastAvro(fields, self._fits, self._schema.root)
        self._row_schema = row_schema(fields)

    def decode(self, payloads: Sequence[bytes | None], *, skip: int = 0) -> Decoded:
        """Return a row for every readable record and the reasons for the others."""
        found = Found(self._row_schema)
        read_in_pieces(
            payloads,
            found,
            fast=(lambda block: self._fast.decode(block, skip=skip)) if self._fast.usable else None,
            slow=lambda payload: self._row(payload, skip),
            search=lambda block: self._fast.search(block, skip=skip),
        )
        return found.result()

    def _row(self, payload: bytes | None, skip: int) -> Row:
        if payload is None or len(payload) <= skip:
            return _EMPTY
        return decode_row(payload, self._schema, self._fits, skip=skip)

    def needs(self, payloads: Sequence[bytes | None]) -> set[int]:
        """Need nothing: the schema is here."""
        del payloads
        return set()
