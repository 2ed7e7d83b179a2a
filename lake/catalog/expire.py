"""Drop old snapshots of a table that nobody commits to; one that is written to does it with its commits."""

from __future__ import annotations

import requests
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID, RemoveSnapshotsUpdate

from lake.catalog.commits import expirable
from lake.catalog.errors import mapped
from lake.catalog.open import LakeCatalog, within
from lake.catalog.retention import Retention
from lake.catalog.tables import TableState, load_table
from lake.clock import Deadline
from lake.log import get_logger

log = get_logger("catalog")


def expire_snapshots(
    catalog: LakeCatalog, state: TableState, retention: Retention, *, deadline: Deadline
) -> int:
    """Take expired snapshots out of the metadata and return how many; no file is deleted, main stays.

    Ends early when somebody else commits meanwhile, or when the outcome of one step is not known: repeating
    it does the rest, and a step that was applied twice is the same as once.
    """
    count = 0
    while not deadline.expired() and (old := expirable(state, retention, deadline.clock.now(), coming=0)):
        metadata = state.handle.metadata
        requirements = (
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertRefSnapshotId.model_validate({"ref": "main", "snapshot-id": metadata.current_snapshot_id}),
        )
        updates = (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": old}),)
        with within(deadline), mapped(f"expire snapshots of {state.name}"):
            try:
                catalog.commit_table(state.handle, requirements, updates)
            except (CommitFailedException, CommitStateUnknownException, requests.RequestException) as error:
                log.info("expiry.left", table=str(state.name), reason=type(error).__name__)
                return count
        count += len(old)
        present = load_table(catalog, state.name)
        if present is None:
            return count
        state = present
    return count
