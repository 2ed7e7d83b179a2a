"""Two processes that need a missing table at once get the same one, whatever the catalog does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from lake.catalog import TableSpec, ensure_table, load_table, open_catalog
from lake.settings import Settings
from lake.types import Field, Primitive, TableName

pytestmark = pytest.mark.stack

CREATORS = 3


def test_creators_at_once_get_one_table(lake_settings: Settings) -> None:
    """Nobody holds a table that a later creation has replaced."""
    catalogs = [open_catalog(lake_settings) for _ in range(CREATORS)]
    together = Barrier(CREATORS)
    for number in range(5):
        name = TableName(schema=lake_settings.landing.raw_schema, name=f"t{number}")
        spec = TableSpec(name=name, fields=(Field(name="a", type=Primitive.LONG),))

        def create(creator: int, spec: TableSpec = spec) -> str:
            together.wait()
            return ensure_table(catalogs[creator], spec).uuid

        with ThreadPoolExecutor(CREATORS) as pool:
            got = set(pool.map(create, range(CREATORS)))
        present = load_table(catalogs[0], name)
        assert present is not None
        assert got == {present.uuid}
