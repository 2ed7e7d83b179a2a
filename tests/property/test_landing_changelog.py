"""Changelogs: the view shows what a database would hold after the same changes, whatever the partitions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.batch import RecordCheck
from ingest.changelog.view import latest_query
from ingest.meta import with_meta
from lake.broker import Chunk, Shard
from lake.contracts import Contract, Format, Mode, Rule, RuleKind
from lake.contracts.derive import avro_schema
from lake.types import Field, Offset, Partition, Primitive, TableName
from tests.fakes.streams import topic_contract

CONTRACT = topic_contract(
    "people",
    (
        Field(name="id", type=Primitive.LONG, required=True),
        Field(name="name", type=Primitive.STRING, required=True),
        Field(name="born", type=Primitive.DATE),
    ),
    event_time="born",
    mode=Mode.UPSERT,
    rules=(
        Rule(kind=RuleKind.REQUIRED, path="id"),
        Rule(kind=RuleKind.REQUIRED, path="name"),
        Rule(kind=RuleKind.MIN_LENGTH, path="name", argument=1),
    ),
)
CDC = replace(CONTRACT, mode=Mode.CDC)


class NoSchemas:
    def known(self, number: int) -> None:
        del number


def chunk(partition: int, records: list[tuple[int, bytes | None, bytes | None, int]]) -> Chunk:
    """Return records of (offset, key, value, milliseconds)."""
    return Chunk(
        shard=Shard("people", Partition(partition)),
        offsets=[Offset(r[0]) for r in records],
        keys=[r[1] for r in records],
        values=[r[2] for r in records],
        produced=[r[3] for r in records],
    )


def landed(contract: Contract, chunks: list[Chunk]) -> tuple[pa.Table, dict[int, str]]:
    """Return the rows of the table, and the first rule of each bad record by its offset."""
    check = RecordCheck(contract, NoSchemas())
    tables, bad = [], {}
    for own in chunks:
        checked = check.check(own)
        bad |= {record.offset: record.failures[0].rule for record in checked.bad}
        tables.append(
            with_meta(
                checked.rows,
                checked.coordinates,
                source="people",
                partition=own.partition,
                version="1.0.0",
                landed_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
    return pa.concat_tables(tables), bad


def latest(contract: Contract, rows: pa.Table) -> dict[int, str]:
    """Return what the view shows: names by id."""
    name = TableName(schema="raw", name="people")
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.raw")
        connection.register("given", rows)
        connection.execute("CREATE TABLE lake.raw.people AS FROM given")
        found = connection.execute(latest_query(name, contract)).fetchall()
    assert len({row[0] for row in found}) == len(found)
    return {row[0]: row[1] for row in found}


STEPS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["put", "put", "delete", "spread"]),
        st.text("abc", min_size=1, max_size=3),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.booleans(), st.randoms(use_true_random=False))
def test_the_view_shows_what_a_database_would_hold(steps: list[Any], cdc: bool, draw: Any) -> None:  # noqa: FBT001
    """Keys move between partitions on the way; files and rows lie in any order."""
    contract = CDC if cdc else CONTRACT
    wanted: dict[int, str] = {}
    logs: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    spread = 2
    for moment, (key, action, name) in enumerate(steps):
        if action == "spread":
            spread = 3 if spread == 2 else 2
            continue
        log = logs[key % spread]
        value, own_key = None, str(key).encode()
        row = {"id": key, "name": name}
        if action == "put":
            op, before = ("u", {"id": key}) if key in wanted else ("c", None)
            wanted[key] = name
            value = {"before": before, "after": row, "op": op, "ts_ms": moment} if cdc else row
        else:
            wanted.pop(key, None)
            if cdc and name != "a":  # else only the tombstone behind it is left, the log was compacted
                value = {"before": {"id": key, "name": None}, "after": None, "op": "d", "ts_ms": moment}
        payload = None if value is None else json.dumps(value).encode()
        log.append((len(log), own_key, payload, moment))
        if cdc and action == "delete" and payload is not None:
            log.append((len(log), own_key, None, moment))
    chunks = [chunk(partition, log) for partition, log in logs.items() if log]
    if not chunks:
        return
    rows, bad = landed(contract, chunks)
    assert bad == {}
    assert rows.num_rows == sum(map(len, logs.values()))
    order = list(range(rows.num_rows))
    draw.shuffle(order)
    assert latest(contract, rows.take(order)) == wanted


def test_what_is_no_change_of_a_row_is_refused_and_the_others_keep_their_places() -> None:
    """Truncations, messages, envelopes without a row, rows without a key, rules that are broken."""
    after = {"id": 1, "name": "x"}
    records = [
        {"op": "c", "after": after},
        {"op": "t"},
        {"op": "u", "after": None},
        {"after": after},
        {"op": "c", "after": {"id": None, "name": "x"}},
        {"op": "r", "after": {"id": 2, "name": ""}},
        {"op": "d", "before": None},
        {"op": "c", "after": {"id": "x", "name": "y"}},
        {"schema": {"type": "struct"}, "payload": {"op": "u", "after": {"id": 3, "name": "z", "born": 365}}},
        {"op": "d", "before": {"id": 3}},
    ]
    keys = [None] * len(records)
    own = [(n, keys[n], json.dumps(r).encode(), 0) for n, r in enumerate(records)]
    rows, bad = landed(CDC, [chunk(0, own)])
    assert bad == {1: "op", 2: "op", 3: "op", 4: "required", 5: "minLength", 6: "key", 7: "type"}
    found = rows.to_pylist()
    assert [(r["meta"]["offset"], r["meta"]["op"], r["id"], r["name"]) for r in found] == [
        (0, "insert", 1, "x"),
        (8, "update", 3, "z"),
        (9, "delete", 3, None),
    ]
    assert found[1]["born"].isoformat() == "1971-01-01"
    assert found[2]["change"]["before"]["id"] == 3


@pytest.mark.parametrize(
    ("kind", "key", "wanted"),
    [
        (Primitive.LONG, b"7", 7),
        (Primitive.LONG, b'{"id": 7}', 7),
        (Primitive.LONG, b'{"schema": {}, "payload": {"id": 7}}', 7),
        (Primitive.STRING, b"7", "7"),
        (Primitive.STRING, b'"7"', "7"),
        (Primitive.STRING, b'{"id": "7"}', "7"),
        (Primitive.DATE, b"2025-01-31", "2025-01-31"),
        (Primitive.LONG, None, None),
        (Primitive.LONG, b"seven", None),
        (Primitive.LONG, b'{"other": 7}', None),
        (Primitive.STRING, b"\xff", None),
    ],
)
def test_a_tombstone_deletes_the_row_of_its_key_or_is_refused(kind: Primitive, key: Any, wanted: Any) -> None:
    """A key may be the value itself or an object; one that says no key is nobody's deletion."""
    contract = replace(CONTRACT, fields=(Field(name="id", type=kind), *CONTRACT.fields[1:]), rules=())
    rows, bad = landed(contract, [chunk(0, [(0, key, None, 0)])])
    if wanted is None:
        assert bad == {0: "key"}
    else:
        assert [(str(r["id"]), r["name"], r["meta"]["op"]) for r in rows.to_pylist()] == [
            (str(wanted), None, "delete")
        ]


def test_avro_and_json_envelopes_make_the_same_changes() -> None:
    """The formats differ in bytes alone."""
    contract = replace(CDC, format=Format.AVRO)
    schema = fastavro.parse_schema(json.loads(avro_schema(contract)))
    old, new = {"id": 1, "name": "a", "born": None}, {"id": 1, "name": "b", "born": None}
    changes = [
        {"before": None, "after": old, "op": "c", "ts_ms": 5},
        {"before": old, "after": new, "op": "u", "ts_ms": 6},
        {"before": {**new, "name": None}, "after": None, "op": "d", "ts_ms": 7},
    ]
    written = []
    for change in changes:
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, change)
        written.append(out.getvalue())
    as_json = [json.dumps(change).encode() for change in changes]
    tables = [
        landed(own, [chunk(0, [(n, None, value, 0) for n, value in enumerate(values)])])[0]
        for own, values in ((contract, written), (CDC, as_json))
    ]
    assert tables[0].to_pylist() == tables[1].to_pylist()
    assert [row["meta"]["op"] for row in tables[0].to_pylist()] == ["insert", "update", "delete"]
