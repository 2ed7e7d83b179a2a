"""Where records wait for the schemas that they name, and later ones behind them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from ingest.schemas import SchemaDesk
from lake.broker import Chunk
from lake.log import get_logger

log = get_logger("ingest")


class Anteroom:
    """One stream's; used by the reading thread. `needs` tells the schema ids that a chunk names."""

    def __init__(self, stream: str, needs: Callable[[Chunk], set[int]], schemas: SchemaDesk) -> None:
        self._stream = stream
        self._needs = needs
        self._schemas = schemas
        self._waiting: deque[Chunk] = deque()
        self._lookup: Future[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether records wait for the lookup of a schema."""
        return self._lookup is not None

    def enter(self, chunk: Chunk) -> None:
        self._waiting.append(chunk)

    def leave(self, take: Callable[[Chunk], None]) -> None:
        """Have what need wait no longer taken, in its order; raises what a lookup ended with."""
        if self._lookup is not None:
            if not self._lookup.done():
                return
            lookup, self._lookup = self._lookup, None
            lookup.result()
        while self._waiting:
            unknown = {n for n in self._needs(self._waiting[0]) if not self._schemas.is_settled(n)}
            if unknown:
                log.info("schemas.looked_up", stream=self._stream, ids=sorted(unknown)[:10])
                self._lookup = self._schemas.ask(unknown)
                return
            take(self._waiting.popleft())

    def clear(self) -> None:
        """Forget what waits: it is read again."""
        self._waiting.clear()
        self._lookup = None
