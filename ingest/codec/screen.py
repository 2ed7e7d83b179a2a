"""Find the records for whose sake a block of JSON failed, by a look at each that costs little.

A suspect is read by the slow path, which decides. What the look lets through is tried as a block again and
may fail once more, so it need be neither strict nor exact: only quick, and right most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from lake.types import Decimal, Field, FieldType, Primitive

_KINDS: dict[Primitive, Any] = {
    Primitive.BOOLEAN: bool,
    Primitive.INT: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    Primitive.LONG: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    Primitive.DOUBLE: float,
    Primitive.STRING: str,
    Primitive.DATE: date,
    Primitive.TIMESTAMP: Annotated[datetime, msgspec.Meta(tz=False)],
    Primitive.TIMESTAMPTZ: Annotated[datetime, msgspec.Meta(tz=True)],
}


class Screen:
    """Looks at records of one list of fields; thread-safe."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        members = [(f"m{n}", _kind(field.type) | None, None) for n, field in enumerate(fields)]
        names = {f"m{n}": field.name for n, field in enumerate(fields)}
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Record", members, rename=names, gc=False))

    def suspects(self, payloads: Sequence[bytes | None]) -> list[int]:
        """Return the places of the records that look as if they were bad."""
        decode, found = self._decoder.decode, []
        for place, payload in enumerate(payloads):
            try:
                if payload is None or b"\n" in payload:
                    found.append(place)
                else:
                    decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found.append(place)
        return found


def _kind(kind: FieldType) -> Any:
    if isinstance(kind, Decimal):
        return int | float | str
    return _KINDS.get(kind, msgspec.Raw) if isinstance(kind, Primitive) else msgspec.Raw
