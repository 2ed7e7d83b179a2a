"""SQLMesh's connection pools, except that recycling leaves the threads alone that are still at work.

The stock pools close what every other thread holds, which rolls back whatever it has open: two plans
or runs in two threads of one Context would undo each other.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sqlmesh.utils.connection_pool import ThreadLocalConnectionPool, ThreadLocalSharedConnectionPool
from typing_extensions import override


class ThreadCursors(ThreadLocalSharedConnectionPool):
    """One DuckDB for a Context, a cursor for each thread: a session with a transaction of its own."""

    @override
    def close_all(self, exclude_calling_thread: bool = False) -> None:
        if not exclude_calling_thread:
            super().close_all()
            return
        with self._thread_cursors_lock:
            for ident, cursor in _of_ended_threads(self._thread_cursors).items():
                cursor.close()
                del self._thread_cursors[ident]
                self._thread_attributes.pop(ident, None)
                self._discard_transaction(ident)


class ThreadConnections(ThreadLocalConnectionPool):
    """A connection for each thread."""

    @override
    def close_all(self, exclude_calling_thread: bool = False) -> None:
        if not exclude_calling_thread:
            super().close_all()
            return
        with self._thread_cursors_lock, self._thread_connections_lock:
            for ident, connection in _of_ended_threads(self._thread_connections).items():
                connection.close()
                del self._thread_connections[ident]
                self._thread_cursors.pop(ident, None)
                self._thread_attributes.pop(ident, None)
                self._discard_transaction(ident)


def _of_ended_threads(held: Mapping[Any, Any]) -> dict[Any, Any]:
    alive = {thread.ident for thread in threading.enumerate()}
    return {ident: thing for ident, thing in held.items() if ident not in alive}
