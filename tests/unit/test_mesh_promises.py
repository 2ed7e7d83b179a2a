"""What a change of models breaks for those who read columns: pure, each kind of break once."""

from __future__ import annotations

from typing import Any

import pytest

from lake.control.published import MartContract
from lake.mesh.promises import find_breaks, reached
from lake.mesh.readers import Reader

WIDER = {("INT", "BIGINT")}
CONTRACT = Reader(
    name="contract m.v 1.0.0 (for crm)",
    model="m.v",
    columns={"id": "BIGINT", "tier": "TEXT"},
    file="v.contract.yaml",
    version="1.0.0",
    consumers=("crm",),
)
SYNC = Reader(name="sync s", model="m.v", columns={"id": "", "n": ""}, file="s.sync.yaml")
DEPLOYED = MartContract(
    model="m.v", version="1.0.0", columns={"id": "BIGINT", "tier": "TEXT"}, consumers=["crm"]
)
NOW = {"id": "BIGINT", "tier": "TEXT", "n": "INT"}


def breaks(
    columns: dict[str, str] | None, *readers: Reader, deployed: tuple[MartContract, ...] = (), **rest: Any
) -> list[str]:
    found = find_breaks(
        readers,
        deployed,
        models=rest.get("models", {"m.v": columns}),
        before=rest.get("before", {}),
        fits=lambda one, other: one == other or (one, other) in WIDER,
    )
    return [str(item) for item in found]


def test_columns_that_stay_break_nothing_and_unknown_ones_are_not_guessed_at() -> None:
    """New and wider columns are fine."""
    assert breaks({**NOW, "new": "DATE"}, CONTRACT, SYNC, deployed=(DEPLOYED,)) == []
    assert breaks({**NOW, "n": "BIGINT"}, SYNC, before={"m.v": NOW}) == []
    assert breaks(None, CONTRACT, SYNC) == []


@pytest.mark.parametrize(
    ("columns", "before", "said"),
    [
        (
            {"id": "BIGINT", "n": "INT"},
            {},
            "m.v.tier (TEXT) would be gone, and contract m.v 1.0.0 (for crm) reads it",
        ),
        ({**NOW, "id": "INT"}, {}, "m.v.id would become INT, which does not hold every BIGINT, and contract"),
        (
            {"id": "BIGINT", "tier": "TEXT", "m": "INT"},
            {"m.v": NOW},
            "m.v.n (INT) would be gone, and sync s reads it",
        ),
        ({**NOW, "n": "INT"}, {"m.v": {**NOW, "n": "BIGINT"}}, "m.v.n would become INT"),
    ],
    ids=["dropped", "narrowed", "renamed", "narrowed under a sync"],
)
def test_what_a_reader_would_lose_is_named_with_the_reader(
    columns: dict[str, str], before: dict[str, Any], said: str
) -> None:
    """Column, what happens to it, and who reads it."""
    [found] = breaks(columns, CONTRACT, SYNC, before=before)
    assert found.startswith(said)


def test_a_model_that_is_gone_takes_its_readers_with_it() -> None:
    """One line for each."""
    assert len(breaks({}, CONTRACT, SYNC, models={})) == 2


def local(version: str, **migrations: str) -> Reader:
    return Reader(
        name=f"contract m.v {version}",
        model="m.v",
        columns={"id": "BIGINT"},
        file="v.contract.yaml",
        version=version,
        migrations=migrations,
    )


def test_a_promise_is_taken_back_by_a_new_major_version_with_a_migration_only() -> None:
    """Deleting the line, the file or the migration does not do it."""
    columns = {"id": "BIGINT"}
    assert breaks(columns, local("2.0.0", tier="read segment"), deployed=(DEPLOYED,)) == []
    for contract in (local("1.1.0", tier="read segment"), local("2.0.0")):
        [found] = breaks(columns, contract, deployed=(DEPLOYED,))
        assert (
            found
            == "m.v.tier (TEXT) would be gone from the contract, and contract m.v 1.0.0 (for crm) reads it"
        )
    assert len(breaks(columns, deployed=(DEPLOYED,))) == 1


def test_everything_below_a_model_is_reached_once() -> None:
    """Diamonds and circles end."""
    assert reached("a", {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["a"]}) == {"a", "b", "c", "d"}
