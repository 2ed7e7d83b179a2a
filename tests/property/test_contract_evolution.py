"""Compatibility of versions means what Avro's own resolution of reader and writer does."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import fastavro
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lake.contracts import Compatibility, Contract
from lake.contracts.derive import avro_schema
from lake.contracts.evolution import Effect, find_changes, judge
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct
from tests.fakes.contract_fields import contract_of, fields, records, scalars, types

FIELDS = fields(types(), most=4)


@st.composite
def edited(draw, before: tuple[Field, ...]) -> tuple[Field, ...]:
    """Draw one edit of one field, somewhere in the objects: type, `required`, removal, addition, order."""
    place = draw(st.integers(0, len(before) - 1))
    field = before[place]
    if isinstance(field.type, Struct) and field.type.fields and draw(st.booleans()):
        inner = draw(edited(field.type.fields))
        return _put(before, place, replace(field, type=Struct(fields=inner)))
    match draw(st.sampled_from(["type", "widen", "required", "remove", "add", "turn"])):
        case "type":
            return _put(before, place, replace(field, type=draw(scalars)))
        case "widen":
            return _put(before, place, replace(field, type=_wider(field.type)))
        case "required":
            return _put(before, place, replace(field, required=not field.required))
        case "remove":
            return (*before[:place], *before[place + 1 :])
        case "turn":
            return before[::-1]
    return (*before, Field(name="fresh", type=draw(scalars), required=draw(st.booleans())))


def _put(before: tuple[Field, ...], place: int, field: Field) -> tuple[Field, ...]:
    return (*before[:place], field, *before[place + 1 :])


def _wider(kind: FieldType) -> FieldType:
    match kind:
        case Primitive.INT:
            return Primitive.LONG
        case Decimal():
            return replace(kind, precision=kind.precision + 2)
        case ListOf():
            return ListOf(element=_wider(kind.element))
        case MapOf():
            return MapOf(key=kind.key, value=_wider(kind.value))
    return kind


def as_read(value: Any, old: FieldType, new: FieldType) -> Any:
    """Return what a reader with the new type should see of a value: the same, unless it is wider."""
    match value, old, new:
        case None, _, _:
            return None
        case dict(), Struct(), Struct():
            return row_as_read(value, old.fields, new.fields)
        case list(), ListOf(), ListOf():
            return [as_read(v, old.element, new.element) for v in value]
        case dict(), MapOf(), MapOf():
            return {k: as_read(v, old.value, new.value) for k, v in value.items()}
        case int(), _, Primitive.DOUBLE:
            return float(value)
        case str(), _, Primitive.BINARY:
            return value.encode()
        case bytes(), Primitive.BINARY, Primitive.STRING:
            return value.decode()
    return value


def row_as_read(record: dict[str, Any], old: tuple[Field, ...], new: tuple[Field, ...]) -> dict[str, Any]:
    was = {f.name: f for f in old}
    return {f.name: as_read(record[f.name], was[f.name].type, f.type) if f.name in was else None for f in new}


def resolve(record: dict[str, Any], writer: Contract, reader: Contract) -> dict[str, Any]:
    """Write with one contract's schema and read with the other's, by fastavro."""
    wrote = fastavro.parse_schema(json.loads(avro_schema(writer)))
    reads = fastavro.parse_schema(json.loads(avro_schema(reader)))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, wrote, record)
    buffer.seek(0)
    found = fastavro.schemaless_reader(buffer, wrote, reads)
    assert isinstance(found, dict)
    return found


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_called_readable_is_read_by_avro_with_its_values(data: st.DataObject):
    """Backward and forward, on any nesting: fastavro resolves the two schemas and loses nothing."""
    old = contract_of(data.draw(FIELDS))
    new = contract_of(data.draw(edited(old.fields)), version="1.1.0")
    assume(new.fields)
    changes = find_changes(old, new)

    for writer, reader, readable in (
        (old, new, all(c.reads_old for c in changes)),
        (new, old, all(c.old_reads for c in changes)),
    ):
        record = data.draw(records(writer.fields))
        if readable and _is_text(record, writer.fields, reader.fields):
            expected = row_as_read(record, writer.fields, reader.fields)
            assert resolve(record, writer, reader) == expected


def _is_text(record: dict[str, Any], old: tuple[Field, ...], new: tuple[Field, ...]) -> bool:
    """Leave out bytes that are no text, which a reader of strings can't be promised."""
    try:
        row_as_read(record, old, new)
    except UnicodeDecodeError:
        return False
    return True


# Types without a logical type: fastavro reads those by the writer's, whatever the reader's says.
PLAIN = {
    Primitive.BOOLEAN: True,
    Primitive.INT: 2**31 - 1,
    Primitive.LONG: 2**53,
    Primitive.DOUBLE: 0.1,
    Primitive.STRING: "text",
    Primitive.BINARY: b"text",
}


@pytest.mark.parametrize("old", PLAIN)
@pytest.mark.parametrize("new", PLAIN)
def test_what_is_called_unreadable_is_refused_or_changed_by_avro(old: Primitive, new: Primitive):
    """For each pair of plain types, a value that fits into few others arrives exactly when we say so."""
    before = contract_of((Field(name="sum", type=old, required=True),))
    after = contract_of((Field(name="sum", type=new, required=True),))
    readable = all(change.reads_old for change in find_changes(before, after))
    expected = as_read(PLAIN[old], old, new)

    try:
        read = resolve({"sum": PLAIN[old]}, before, after)["sum"]
    except fastavro.read.SchemaResolutionError:
        read = None

    assert readable == (read == expected and type(read) is type(expected))


@pytest.mark.parametrize(
    ("old", "new", "reads_old", "old_reads", "effect"),
    [
        (Decimal(precision=9, scale=2), Decimal(precision=12, scale=2), True, False, Effect.WIDENS),
        (Decimal(precision=12, scale=2), Decimal(precision=9, scale=2), False, True, Effect.BREAKS),
        (Decimal(precision=12, scale=2), Decimal(precision=12, scale=3), False, False, Effect.BREAKS),
        (Primitive.INT, Primitive.LONG, True, False, Effect.WIDENS),
        (Primitive.LONG, Primitive.DOUBLE, True, False, Effect.BREAKS),
        (Primitive.DATE, Primitive.INT, False, False, Effect.BREAKS),
        (Primitive.TIMESTAMP, Primitive.TIMESTAMPTZ, False, False, Effect.BREAKS),
        (Primitive.STRING, Primitive.BINARY, True, True, Effect.BREAKS),
    ],
)
def test_a_table_follows_only_icebergs_promotions(old, new, reads_old, old_reads, effect):
    """Reading records and promoting a column are two questions; logical types have to agree."""
    (change,) = find_changes(
        contract_of((Field(name="sum", type=old),)), contract_of((Field(name="sum", type=new),))
    )

    assert (change.reads_old, change.old_reads, change.effect) == (reads_old, old_reads, effect)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_levels_ask_for_what_their_names_say(data: st.DataObject):
    """NONE asks nothing, FULL both, and the transitive ones the same of every version before."""
    first = contract_of(data.draw(FIELDS))
    second = contract_of(data.draw(edited(first.fields)), version="1.1.0")
    assume(second.fields)
    third = contract_of(data.draw(edited(second.fields)), version="1.2.0")
    assume(third.fields)

    def allows(level: Compatibility) -> bool:
        verdict = judge(replace(third, compatibility=level), [first, second])
        return not [p for p in verdict.problems if "can't read" in p.reason]

    last, every = find_changes(second, third), (*find_changes(second, third), *find_changes(first, third))
    backward, forward = all(c.reads_old for c in last), all(c.old_reads for c in last)
    ever_backward, ever_forward = all(c.reads_old for c in every), all(c.old_reads for c in every)

    assert {level: allows(level) for level in Compatibility} == {
        Compatibility.NONE: True,
        Compatibility.BACKWARD: backward,
        Compatibility.BACKWARD_TRANSITIVE: ever_backward,
        Compatibility.FORWARD: forward,
        Compatibility.FORWARD_TRANSITIVE: ever_forward,
        Compatibility.FULL: backward and forward,
        Compatibility.FULL_TRANSITIVE: ever_backward and ever_forward,
    }


@settings(max_examples=60, deadline=None)
@given(FIELDS, st.data())
def test_the_reverse_of_a_change_reads_the_other_way_round(before: tuple[Field, ...], data: st.DataObject):
    """Going back is readable by whom going forth was not."""
    one = contract_of(before)
    other = contract_of(data.draw(edited(before)))
    assume(other.fields)
    there, back = find_changes(one, other), find_changes(other, one)

    assert sorted((c.path, c.reads_old, c.old_reads) for c in there) == sorted(
        (c.path, c.old_reads, c.reads_old) for c in back
    )
    assert find_changes(one, one) == ()


REQUIRED = Field(name="sum", type=Primitive.LONG, required=True)
OPTIONAL = Field(name="sum", type=Primitive.LONG)
OTHER = Field(name="id", type=Primitive.STRING, required=True)


@pytest.mark.parametrize(
    ("old", "new", "record"),
    [
        ((OTHER, OPTIONAL), (OTHER, REQUIRED), {"id": "a", "sum": None}),
        ((OTHER,), (OTHER, REQUIRED), {"id": "a"}),
    ],
)
def test_a_required_member_without_a_value_is_refused_by_avro_too(old, new, record):
    """Neither a null nor a missing member can be read as one that is required."""
    changes = find_changes(contract_of(old), contract_of(new))

    assert not all(change.reads_old for change in changes)
    with pytest.raises(fastavro.read.SchemaResolutionError):
        resolve(record, contract_of(old), contract_of(new))
