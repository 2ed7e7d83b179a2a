"""Turn mart rows into the records a destination gets: key text and JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lake.activation.definition import Sync
from lake.control.activation_values import Payload, Value
from lake.errors import BadInputError

# A double carries 15 decimal digits without change; longer numbers travel as text.
_EXACT_DIGITS = 15


def to_value(value: Any) -> Value:
    """Return the JSON value of one cell; equal cells give equal values, also after a trip through jsonb.

    Whole numbers become integers: jsonb keeps no difference between 1e16 and its digits.
    Raises BadInputError for what JSON or PostgreSQL can't carry.
    """
    match value:
        case str() if "\x00" in value:
            raise BadInputError("a text with a NUL can't be sent", hint="clean it in the activation model")
        case None | bool() | int() | str():
            return value
        case float():
            return _number(value) if math.isfinite(value) else None
        case Decimal():
            exact = len(value.as_tuple().digits) <= _EXACT_DIGITS
            return _number(float(value)) if exact else str(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            raise BadInputError(
                f"a {type(value).__name__} can't be sent", hint="cast the column in the activation model"
            )


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def to_records(sync: Sync, rows: Iterable[Mapping[str, Any]]) -> dict[str, Payload]:
    """Return property values by key; a NULL is a property that is not there.

    Raises BadInputError when a key is NULL or comes twice: the destination could not tell whose values win.
    """
    records: dict[str, Payload] = {}
    for row in rows:
        if row[sync.key] is None:
            raise BadInputError(
                f"{sync.model} has a row without {sync.key}", hint="add a not_null audit on it"
            )
        key = str(to_value(row[sync.key]))
        if key in records:
            raise BadInputError(
                f"{sync.model} has {sync.key} = {key} more than once", hint="add a uniqueness audit on it"
            )
        values = {name: to_value(row[column]) for name, column in sync.fields}
        records[key] = {name: value for name, value in values.items() if value is not None}
    return records
