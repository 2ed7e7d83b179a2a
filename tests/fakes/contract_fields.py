"""Strategies for contracts of any shape, and for values of their fields."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from lake.contracts import Contract, Format, Framing, Rule, RuleKind, StreamKind
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct

NAMES = ("id", "at", "sum", "note", "flag", "lines", "place", "day")
decimals = st.builds(
    lambda precision, scale: Decimal(precision=precision, scale=min(scale, precision)),
    st.integers(1, 18),
    st.integers(0, 6),
)
scalars = st.one_of(st.sampled_from(list(Primitive)), decimals)


def types(*, lists_of_lists: bool = True) -> st.SearchStrategy[FieldType]:
    """Draw a type; without `lists_of_lists` only what Protobuf can write."""
    structs = st.deferred(lambda: st.builds(Struct, fields=fields(kinds, most=3)))
    inner = st.one_of(scalars, structs)
    nested = st.deferred(lambda: kinds if lists_of_lists else inner)
    kinds: st.SearchStrategy[FieldType] = st.one_of(
        scalars,
        scalars,
        structs,
        st.builds(ListOf, element=nested),
        st.builds(MapOf, key=st.just(Primitive.STRING), value=nested),
    )
    return kinds


def fields(kinds: st.SearchStrategy[FieldType], most: int = 5) -> st.SearchStrategy[tuple[Field, ...]]:
    """Draw some fields with names of their own."""
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=most, unique=True)
    return names.flatmap(
        lambda chosen: st.tuples(
            *(st.builds(Field, name=st.just(name), type=kinds, required=st.booleans()) for name in chosen)
        )
    )


def contract_of(fields: tuple[Field, ...], **more: Any) -> Contract:
    """Return a contract of a topic with these fields, and with `required` as the rule that it is."""
    given: dict[str, Any] = {
        "stream": "orders",
        "family": "orders",
        "version": "1.0.0",
        "kind": StreamKind.TOPIC,
        "owner": "shop",
        "description": "Orders.",
        "primary_key": (),
        "rules": tuple(required_rules(fields)),
        "topic": "orders",
        "subject": "orders-value",
        "format": Format.AVRO,
        "framing": Framing.REGISTRY,
    }
    return Contract(fields=fields, **{**given, **more})


def required_rules(fields: tuple[Field, ...], parent: str = "") -> list[Rule]:
    """Return the rules that the parser makes of `required`, at any depth of objects."""
    rules = []
    for field in fields:
        path = f"{parent}{field.name}"
        if field.required:
            rules.append(Rule(kind=RuleKind.REQUIRED, path=path))
        if isinstance(field.type, Struct):
            rules += required_rules(field.type.fields, f"{path}.")
    return rules


def values(kind: FieldType) -> st.SearchStrategy[Any]:
    """Draw a value of a type as Python holds it."""
    match kind:
        case Decimal():
            places = kind.scale
            most = 10**kind.precision - 1
            return st.integers(-most, most).map(lambda n: _scaled(n, places))
        case Struct():
            return st.fixed_dictionaries({f.name: value_of(f) for f in kind.fields})
        case ListOf():
            return st.lists(st.none() | values(kind.element), max_size=3)
        case MapOf():
            return st.dictionaries(st.text(max_size=3), st.none() | values(kind.value), max_size=3)
    return _PRIMITIVES[kind]


def value_of(field: Field) -> st.SearchStrategy[Any]:
    """Draw a value of a field; null where it may be."""
    return values(field.type) if field.required else st.none() | values(field.type)


def records(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a record with a value for each field."""
    return st.fixed_dictionaries({f.name: value_of(f) for f in fields})


def _scaled(number: int, places: int) -> Any:
    from decimal import Decimal as Number

    return Number(number).scaleb(-places)


_PRIMITIVES: dict[Primitive, st.SearchStrategy[Any]] = {
    Primitive.BOOLEAN: st.booleans(),
    Primitive.INT: st.integers(-(2**31), 2**31 - 1),
    Primitive.LONG: st.integers(-(2**63), 2**63 - 1),
    Primitive.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    Primitive.STRING: st.text(max_size=5),
    Primitive.BINARY: st.binary(max_size=5),
    Primitive.DATE: st.dates(date(1970, 1, 1), date(2100, 1, 1)),
    Primitive.TIMESTAMP: st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    Primitive.TIMESTAMPTZ: st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
}
