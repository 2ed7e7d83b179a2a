"""What every kind of source gives to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ingest.extract.records import Block, Records


class Feed(Protocol):
    """One walk through a resource, from where its cursor stands."""

    ascending: bool
    """Records come in the order of the cursor's column: what has landed is complete up to the newest."""

    resumed: bool
    """The walk goes on with what an earlier run left: what changed since then may have slipped past it."""

    complete: bool
    """The walk began at the beginning: what it did not meet is not there."""

    def blocks(self) -> Iterator[Block]:
        """Yield what there is; ends when the walk has ended, nothing when the source has not changed."""

    def settled(
        self, since: str | None, is_known: Callable[[Records], bool], *, moved: bool
    ) -> Mapping[str, Any]:
        """Return the place after the walk; `moved` says that it found something new.

        `since` is what will be asked for next; `is_known` tells whether all of some records have landed.
        """
