"""Settings of Python's garbage collector, for commands and for processes that move records.

The broker's client makes an object for each record. With its defaults the collector looks at everything
that a process holds, again and again, because of them: a quarter of landing's processor time, although
none of them is ever part of a cycle.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 50_000  # objects more than at the last look before the collector looks again


def collect_rarely() -> None:
    """Let the collector leave alone what is there now, and look at the rest less often."""
    gc.freeze()
    gc.set_threshold(_YOUNG)


@contextmanager
def made_for_records() -> Iterator[None]:
    """Collect rarely within the block."""
    before = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
