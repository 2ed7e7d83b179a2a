"""Schemas derived from a contract say what the contract says, by the tools that read such schemas."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from datetime import date, datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import polars as pl
import pyarrow as pa
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from ingest.check import ContractCheck
from lake.contracts import Format, Mode
from lake.contracts.checks import explain, find_violations
from lake.contracts.derive import avro_schema, json_schema, protobuf_descriptor, protobuf_text
from lake.contracts.derive.frame_schema import frame_schema
from lake.types import Decimal, Field, FieldType, ListOf, MapOf, Primitive, Struct
from tests.fakes.contract_fields import contract_of, fields, records, types
from tests.property.test_contract_checks import TYPES, tables


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_avro_holds_every_value_of_the_contract(data: st.DataObject):
    """What fastavro writes with the schema it reads again, whatever the nesting."""
    contract = contract_of(data.draw(fields(types())))
    record = data.draw(records(contract.fields))
    schema = fastavro.parse_schema(json.loads(avro_schema(contract)))
    buffer = io.BytesIO()

    fastavro.schemaless_writer(buffer, schema, record)
    buffer.seek(0)

    assert fastavro.schemaless_reader(buffer, schema) == record


@settings(max_examples=30, deadline=None)
@given(fields(types()), st.sampled_from(Mode))
def test_avro_is_a_valid_schema_in_every_mode(drawn: tuple[Field, ...], mode: Mode):
    """No name stands twice, also where an envelope holds the same object before and after."""
    text = avro_schema(contract_of(drawn, mode=mode))

    assert fastavro.parse_schema(json.loads(text))["name"] == "orders"
    assert text == avro_schema(contract_of(drawn, mode=mode))


def as_json(value: Any, kind: FieldType) -> Any:
    """Return a value as a producer writes it in JSON."""
    match value, kind:
        case None, _:
            return None
        case dict(), Struct():
            return {f.name: as_json(value[f.name], f.type) for f in kind.fields}
        case list(), ListOf():
            return [as_json(v, kind.element) for v in value]
        case dict(), MapOf():
            return {k: as_json(v, kind.value) for k, v in value.items()}
        case bytes(), _:
            return base64.b64encode(value).decode()
        case Number(), _:
            return str(value)
        case (datetime(), Primitive.TIMESTAMPTZ) | (date(), _):
            return value.isoformat()
    return value


@st.composite
def disturbed(draw, contract) -> dict[str, Any]:
    """Draw a record in JSON in which something may be missing, null, more, or of another type."""
    record = as_json(draw(records(contract.fields)), Struct(fields=contract.fields))
    for name in draw(st.lists(st.sampled_from(contract.columns), max_size=2)):
        change = draw(st.sampled_from(["keep", "drop", "null", 1, 3.5, "x", True, [], {}]))
        if change == "drop":
            record.pop(name, None)
        elif change != "keep":
            record[name] = None if change == "null" else change
    return record | draw(st.sampled_from([{}, {"unheard_of": 1}]))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_json_schema_accepts_whatever_landing_accepts(data: st.DataObject):
    """A record that lands is valid; most that do not land are not."""
    contract = contract_of(data.draw(fields(types())), format=Format.JSON)
    record = data.draw(disturbed(contract))
    schema = json.loads(json_schema(contract))

    lands = not ContractCheck(contract).split([json.dumps(record).encode()]).failures

    jsonschema.Draft7Validator.check_schema(schema)
    assert jsonschema.Draft7Validator(schema).is_valid(record) or not lands


@settings(max_examples=30, deadline=None)
@given(fields(types(lists_of_lists=False)), st.sampled_from(Mode))
def test_the_text_of_a_protobuf_schema_compiles_to_its_descriptor(drawn: tuple[Field, ...], mode: Mode):
    """Protobuf's own compiler reads the text as the same file, numbers and presence included."""
    contract = contract_of(drawn, mode=mode, format=Format.PROTOBUF)

    assert compiled(protobuf_text(contract)) == bare(protobuf_descriptor(contract))


def compiled(text: str) -> FileDescriptorProto:
    """Return what Protobuf's compiler makes of a text, without the names for JSON that it adds."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "orders.proto").write_text(text)
        out = Path(folder, "out")
        root = Path(protoc.__file__).parent / "_proto"
        arguments = ["", f"-I{folder}", f"-I{root}", f"--descriptor_set_out={out}", "orders.proto"]
        assert protoc.main(arguments) == 0, text
        (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    return bare(file)


def bare(file: FileDescriptorProto) -> FileDescriptorProto:
    """Return a file without what says nothing: names for JSON, and the order of nested messages."""
    copy = FileDescriptorProto.FromString(file.SerializeToString())
    for message in copy.message_type:
        _bare(message)
    return copy


def _bare(message: DescriptorProto) -> None:
    for field in message.field:
        field.ClearField("json_name")
    nested = sorted(message.nested_type, key=lambda inner: inner.name)
    for inner in nested:
        for field in inner.field:
            field.ClearField("json_name")
        _bare(inner)
    ordered = [DescriptorProto.FromString(inner.SerializeToString()) for inner in nested]
    del message.nested_type[:]
    message.nested_type.extend(ordered)


NEUTRAL = {
    "long": Primitive.LONG,
    "int": Primitive.INT,
    "money": Decimal(precision=12, scale=2),
    "double": Primitive.DOUBLE,
    "text": Primitive.STRING,
    "flag": Primitive.BOOLEAN,
    "day": Primitive.DATE,
    "moment": Primitive.TIMESTAMPTZ,
}


@settings(max_examples=20, deadline=None)
@given(tables(tuple(TYPES)))
def test_pandera_finds_exactly_the_failures_that_landing_finds(drawn: tuple[pa.Table, list]):
    """Row by row and rule by rule, on every type."""
    table, rules = drawn
    contract = contract_of(tuple(Field(name=n, type=NEUTRAL[n]) for n in TYPES), rules=tuple(rules))
    expected = {(b.row, b.path, b.rule) for b in explain(table, find_violations(table, rules))}
    frame = pl.DataFrame({name: pl.Series(name, table.column(name)) for name in TYPES})

    found: set[tuple[int, str, str]] = set()
    try:
        frame_schema(contract).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.to_dicts()
        found = {(case["index"], case["column"], case["check"]) for case in cases}

    assert found == expected
