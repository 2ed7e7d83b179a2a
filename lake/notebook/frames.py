"""Arrow tables as the frames that people work with, and back."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Literal

import pyarrow as pa

from lake.errors import BadInputError, ConfigurationError

Kind = Literal["arrow", "polars", "pandas"]


def to_frame(table: pa.Table, kind: Kind) -> Any:
    """Return the table as a pyarrow Table, a polars DataFrame or a pandas DataFrame."""
    match kind:
        case "arrow":
            return table
        case "pandas":
            return table.to_pandas()
        case "polars":
            return _polars().from_arrow(table)
    raise BadInputError(f"{kind!r} is no kind of frame", hint="write arrow, polars or pandas")


def from_frame(frame: Any) -> tuple[pa.Table, Kind]:
    """Return a frame as an Arrow table, and what it was; a pandas index is left out."""
    if isinstance(frame, pa.Table):
        return frame, "arrow"
    if (pandas := sys.modules.get("pandas")) is not None and isinstance(frame, pandas.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False), "pandas"
    if (polars := sys.modules.get("polars")) is not None and isinstance(frame, polars.DataFrame):
        return frame.to_arrow(), "polars"
    raise BadInputError(
        f"{type(frame).__name__} is no frame", hint="pass a pyarrow Table, a pandas or a polars DataFrame"
    )


def _polars() -> Any:
    try:
        return import_module("polars")
    except ImportError as error:
        raise ConfigurationError("polars is not installed", hint="pip install polars") from error
