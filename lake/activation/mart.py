"""The mart's side of a plan: its rows at pinned snapshots, behind a port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lake.activation.definition import Sync
from lake.control.activation_values import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class MartState:
    """Records by key, and the snapshot of every table that they were read from."""

    records: Mapping[str, Payload]
    snapshots: Mapping[str, int]


class Mart(Protocol):
    """Where the wanted state is read; the real one is `lake.activation.lake_mart`."""

    def snapshots(self, sync: Sync) -> Mapping[str, int]:
        """Return the current snapshot of each table under the sync's model, without reading rows."""

    def read(self, sync: Sync) -> MartState:
        """Return the records of the sync's model at one state of its tables."""
