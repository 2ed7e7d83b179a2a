"""The members of one record as producers write it: the contract's fields, or Debezium's envelope of them."""

from __future__ import annotations

from dataclasses import replace

from lake.contracts.contract import Contract, Mode
from lake.types import Field, Primitive, Struct

OP = "op"
BEFORE = "before"
AFTER = "after"
TS_MS = "ts_ms"


def record_fields(contract: Contract) -> tuple[Field, ...]:
    """Return the members of a record.

    In mode CDC that is what of Debezium's envelope is read: `before` and `after` (rows, either may be
    null), `op` (c, u, d, r) and `ts_ms` (milliseconds since 1970); its other members are left alone.
    """
    if contract.mode is not Mode.CDC:
        return contract.fields
    before = Struct(fields=tuple(replace(f, required=False) for f in contract.fields))
    return (
        Field(name=BEFORE, type=before),
        Field(name=AFTER, type=Struct(fields=contract.fields)),
        Field(name=OP, type=Primitive.STRING, required=True),
        Field(name=TS_MS, type=Primitive.LONG),
    )
