"""The columns that a writer's schema can't fill, all of them with their reasons at once."""

from __future__ import annotations

from ingest.codec.frame import SCHEMA, SchemaMisfitError
from ingest.codec.values import Failure
from lake.types import Decimal, FieldType, ListOf, MapOf, Primitive, Struct


class Misfits:
    """Collects reasons while columns are matched with one schema."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []

    def add(self, path: str, found: str, wanted: FieldType) -> None:
        """Note that what the schema has at a path can't become what the contract wants."""
        message = f"the schema has {found}, which can't become the contract's {_name(wanted)}"
        self._failures.append(_failure(path, message))

    def check(self) -> None:
        """Raise SchemaMisfitError when there are any."""
        if self._failures:
            raise SchemaMisfitError(tuple(self._failures))


def no_record() -> SchemaMisfitError:
    """Return the error for a schema that describes no record at all."""
    return SchemaMisfitError((_failure("", "the schema is no record"),))


def _failure(path: str, message: str) -> Failure:
    return Failure(rule=SCHEMA, path=path, message=message)


def _name(kind: FieldType) -> str:
    match kind:
        case Primitive():
            return kind.value
        case Decimal():
            return f"decimal({kind.precision},{kind.scale})"
    return {Struct: "object", ListOf: "array", MapOf: "map"}[type(kind)]
