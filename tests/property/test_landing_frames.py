"""Framed records: whatever stands before or after, a record is read by its own schema or refused."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.codec import JsonCodec, frame_ids
from ingest.codec.frame import EMPTY, FRAME, FramedCodec
from lake.types import Field, Primitive

FIELDS = (Field(name="i", type=Primitive.LONG), Field(name="s", type=Primitive.STRING))
JSON = JsonCodec(FIELDS)


class NoSchemas:
    """For records that need none."""

    def known(self, number: int) -> None:
        del number


CODEC = FramedCodec(FIELDS, NoSchemas(), any_schema=JSON)
BODIES = st.one_of(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=4)).map(
        lambda pair: json.dumps({"i": pair[0], "s": pair[1]}).encode()
    ),
    st.binary(max_size=6),
)
HEADS = st.sampled_from([b"\x00\x00\x00\x00\x01", b"\x00\x00\x00\x00\x02", b"\x00\xff\xff\xff\xff"])
FRAMED = st.tuples(HEADS, BODIES).map(b"".join)
BROKEN = st.one_of(st.none(), BODIES, st.binary(max_size=5))


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAMED | BROKEN, max_size=20))
@example([None, b"", b"\x00", b"\x01\x00\x00\x00\x01{}", b"\x00\x00\x00\x00\x01{}", b"\x00\x00\x00\x00\x01"])
def test_a_frame_changes_nothing_but_where_the_record_begins(payloads: list[bytes | None]) -> None:
    """The rows are those of the bare records in their order; the others are refused, each for its reason."""
    bare = [p[5:] if p is not None and len(p) >= 5 and p[:1] == b"\x00" else None for p in payloads]
    framed, plain = CODEC.decode(payloads), JSON.decode(bare)
    assert framed.rows.equals(plain.rows)
    assert [row.index for row in framed.bad] == [row.index for row in plain.bad]
    for row in framed.bad:
        if bare[row.index] is None:
            assert row.failures[0].rule == (FRAME if payloads[row.index] else EMPTY)


@given(st.lists(FRAMED | BROKEN, max_size=20))
def test_only_whole_frames_name_a_schema(payloads: list[bytes | None]) -> None:
    """What is no frame must not send anybody to the registry."""
    whole = [p for p in payloads if p is not None and len(p) >= 5 and p[:1] == b"\x00"]
    assert frame_ids(payloads) == {int.from_bytes(p[1:5]) for p in whole}
    assert CODEC.needs(payloads) == set()
