"""The private parts of pyiceberg that `lake.catalog.commits` stands on are as they were."""

from __future__ import annotations

import inspect

import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Transaction
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
)

from lake.catalog import TableSpec, ensure_table, load_table, open_catalog
from lake.settings import Settings
from lake.types import Field, Primitive, TableName


@pytest.mark.stack
def test_a_transaction_collects_the_updates_and_requirements_that_we_send(lake_settings: Settings) -> None:
    """One snapshot on main, required to be where it was, with its id known before anything is sent."""
    catalog = open_catalog(lake_settings)
    name = TableName(schema=lake_settings.landing.raw_schema, name="t")
    fields = (Field(name="a", type=Primitive.LONG),)
    table = ensure_table(catalog, TableSpec(name=name, fields=fields)).handle
    transaction = Transaction(table)
    append = transaction.update_snapshot(snapshot_properties={"stamp": "x"}).merge_append()
    append.commit()
    transaction.set_properties({"p": "1"})
    updates = [type(update) for update in transaction._updates]
    assert updates == [AddSnapshotUpdate, SetSnapshotRefUpdate, SetPropertiesUpdate]
    added = transaction._updates[0]
    assert isinstance(added, AddSnapshotUpdate)
    assert added.snapshot.snapshot_id == append.snapshot_id
    assert added.snapshot.sequence_number == table.metadata.next_sequence_number()
    assert [type(r) for r in transaction._requirements] == [AssertRefSnapshotId]
    present = load_table(catalog, name)
    assert present is not None
    assert present.main is None


def test_the_catalog_takes_requirements_and_updates_and_deletes_nothing() -> None:
    """`commit_table` only sends; the clean-up that deletes manifests is in `commit_transaction`."""
    assert list(inspect.signature(RestCatalog.commit_table).parameters) == [
        "self",
        "table",
        "requirements",
        "updates",
    ]
    assert "delete" not in inspect.getsource(inspect.unwrap(RestCatalog.commit_table))


def test_a_new_session_passes_the_hook_that_bounds_its_requests() -> None:
    """`_config_headers` is the first to see a session: the token is fetched through our adapter too."""
    source = inspect.getsource(RestCatalog._create_session)
    assert source.index("_config_headers") < source.index("auth")
