"""Find out what became of a commit whose answer was lost: ask the catalog until it answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from lake.clock import Deadline
from lake.errors import TransientError
from lake.mesh import iceberg
from lake.mesh.runtime import Runtime
from lake.types import TableName

if TYPE_CHECKING:
    from lake.catalog.tables import TableState

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


def read_back(runtime: Runtime, table: TableName, deadline: Deadline) -> TableState | None:
    """Load a table's state, asking again until the catalog answers or the time is used up."""
    number = 0
    while True:
        number += 1
        try:
            with iceberg.within(deadline):
                return iceberg.load_table(runtime.catalog, table)
        except TransientError:
            if deadline.expired():
                raise
            deadline.clock.sleep(min(pause(number), deadline.remaining()))


def pause(number: int) -> float:
    """Seconds before the next try: exponential with full jitter."""
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number))  # noqa: S311  jitter is no secret
