"""A contract guessed from a sample can be read, and its own sample lands by it."""

from __future__ import annotations

import json
from decimal import Decimal as Number
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.check import ContractCheck
from lake.contracts import parse_contract
from lake.contracts.infer import Origin, guess_columns, write_contract
from lake.errors import BadInputError

ORIGIN = Origin(stream="orders", owner="shop", topic="orders")
scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=4)
    | st.decimals(-(10**6), 10**6, places=2) | st.dates().map(str)
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "B c"]), inner, max_size=2)
    ),
    max_leaves=5,
)
extra = st.dictionaries(st.sampled_from(["x", "email", "total", "meta"]), anything, max_size=3)


def encode(value: Any) -> str:
    """Write decimals as numbers with their own digits."""
    if isinstance(value, Number):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value)


@settings(max_examples=80, deadline=None)
@given(st.lists(extra, min_size=1, max_size=6))
def test_a_guessed_contract_lands_its_own_sample(rows: list[dict[str, Any]]):
    """Whatever the values are: what has no type in common is left out and named."""
    records = [{"id": n, "at": f"2026-01-01T00:00:{n:02d}Z", **row} for n, row in enumerate(rows)]
    try:
        text = write_contract(guess_columns(records), ORIGIN, sampled=len(records))
    except BadInputError:
        assume(False)
    contract = parse_contract(text)

    split = ContractCheck(contract).split([encode(record).encode() for record in records])

    assert dict(split.failures) == {}
    assert split.rows.num_rows == len(records)
    assert contract.primary_key
