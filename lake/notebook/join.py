"""Join features to labels as they were known at each label's moment: no feature looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa

from lake.errors import BadInputError
from lake.notebook.frames import from_frame, to_frame
from lake.notebook.moments import asked_at, known_at
from lake.types import quote_identifier

_ROW = "lake_label_row"
_MOMENT = "lake_moment"


def join_as_of(
    labels: Any,
    features: Any,
    *,
    by: str | Sequence[str],
    label_time: str,
    feature_time: str,
    within: timedelta | None = None,
    same_moment: bool = True,
) -> Any:
    """Return each label row with the newest feature row of its key that was known at its moment.

    Rows and their order are the labels'; a label without a known feature gets NULLs. Times without a zone
    are UTC. A feature dated by a day is known when that day is over, a label dated by a day is asked at
    its begin, so neither sees the other's hours. `within` drops features that are older than that;
    `same_moment=False` also drops features of the very moment of the label. The frame's kind is the labels'.
    Raises BadInputError for columns that are missing, clash or don't compare, and for two features of one
    key at one moment: which of them was known is anybody's guess.
    """
    keys = [by] if isinstance(by, str) else list(by)
    left, kind = from_frame(labels)
    right, _ = from_frame(features)
    _check(left, right, keys, label_time, feature_time)
    wanted = [name for name in right.column_names if name not in keys]
    numbered = left.append_column(_ROW, pa.array(range(left.num_rows), pa.int64()))
    with duckdb.connect() as engine:
        engine.register("labels", numbered.append_column(_MOMENT, asked_at(left.column(label_time))))
        engine.register("features", right.append_column(_MOMENT, known_at(right.column(feature_time))))
        try:
            _refuse_twins(engine, keys)
            joined = engine.execute(
                _sql(left, wanted, keys, same_moment=same_moment, within=within)
            ).to_arrow_table()
        except (duckdb.DataError, duckdb.ProgrammingError) as error:
            raise BadInputError(f"the join can't be made: {error}") from error
    return to_frame(joined, kind)


def _check(left: pa.Table, right: pa.Table, keys: list[str], label_time: str, feature_time: str) -> None:
    for table, names, what in (
        (left, [*keys, label_time], "labels"),
        (right, [*keys, feature_time], "features"),
    ):
        if missing := [name for name in names if name not in table.column_names]:
            raise BadInputError(f"the {what} have no column {', '.join(missing)}")
    if clash := sorted(set(left.column_names) & set(right.column_names) - set(keys)):
        raise BadInputError(
            f"labels and features both have {', '.join(clash)}", hint="rename the columns of one of them"
        )
    for key in keys:
        one, other = left.schema.field(key).type, right.schema.field(key).type
        if _family(one) != _family(other):
            raise BadInputError(
                f"{key} is {one} in the labels and {other} in the features", hint="cast one of them"
            )
    for table, name in ((left, label_time), (right, feature_time)):
        kind = table.schema.field(name).type
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise BadInputError(f"{name} is {kind}, no time", hint="cast it to a timestamp or a date")


def _family(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"  # pandas makes a double of a whole number once one of them is missing
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return str(kind)


def _refuse_twins(engine: duckdb.DuckDBPyConnection, keys: list[str]) -> None:
    names = ", ".join(map(quote_identifier, keys))
    twin = engine.execute(
        f"SELECT {names} FROM features WHERE {_MOMENT} IS NOT NULL AND ({names}) IS NOT NULL"  # noqa: S608  quoted names
        f" GROUP BY {names}, {_MOMENT} HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if twin is not None:
        shown = ", ".join(f"{key}={value}" for key, value in zip(keys, twin, strict=True))
        raise BadInputError(
            f"two features of {shown} are dated the same moment", hint="keep one row per key and moment"
        )


def _sql(
    left: pa.Table, wanted: list[str], keys: list[str], *, same_moment: bool, within: timedelta | None
) -> str:
    match = (
        "TRUE" if within is None else f"l.{_MOMENT} - f.{_MOMENT} <= {within // timedelta(microseconds=1)}"
    )
    return (
        files("lake.notebook")
        .joinpath("join.sql")
        .read_text(encoding="utf-8")
        .format(
            labels=", ".join(f"l.{quote_identifier(name)}" for name in left.column_names),
            features="".join(
                f", CASE WHEN {match} THEN f.{quote_identifier(n)} END AS {quote_identifier(n)}"
                for n in wanted
            ),
            keys=" AND ".join(f"l.{quote_identifier(key)} = f.{quote_identifier(key)}" for key in keys),
            compare=">=" if same_moment else ">",
            moment=_MOMENT,
            row=_ROW,
        )
    )
