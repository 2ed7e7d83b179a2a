"""Activation: keep a destination in step with a mart (design §4), each change delivered once (I6)."""

from lake.activation.apply import Report, apply_sync
from lake.activation.definition import Destination, Guards, Sync
from lake.activation.destination import Target, open_destination
from lake.activation.diff import accept, diff
from lake.activation.lake_mart import LakeMart, open_mart
from lake.activation.mart import Mart, MartState
from lake.activation.plan import make_plan
from lake.activation.sync_file import find_sync, read_syncs

__all__ = [
    "Destination",
    "Guards",
    "LakeMart",
    "Mart",
    "MartState",
    "Report",
    "Sync",
    "Target",
    "accept",
    "apply_sync",
    "diff",
    "find_sync",
    "make_plan",
    "open_destination",
    "open_mart",
    "read_syncs",
]
