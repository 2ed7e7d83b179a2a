"""Write the history of runs beside the data path: in the background, bounded, never in its way (I8)."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  registers before us that pools end, so it acts after us
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lake.control import Record, migrate, write_history
from lake.errors import LakeError
from lake.log import get_logger
from lake.settings import PostgresSettings

log = get_logger("mesh")

_CAPACITY = 10_000
_BATCH = 200
_FLUSH_SECONDS = 10.0


class History:
    """A queue of records and one thread that writes them; what can't be kept is counted and dropped."""

    def __init__(self, settings: PostgresSettings, *, capacity: int = _CAPACITY) -> None:
        self._settings = settings
        self._queue: queue.Queue[Record | threading.Event | Callable[[], object]] = queue.Queue(capacity)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def put(self, *records: Record) -> None:
        """Hand records over; returns at once."""
        self._start()
        for record in records:
            try:
                self._queue.put_nowait(record)
            except queue.Full:
                self.dropped += 1

    def put_now(self, *records: Record) -> None:
        """Write records before going on; in the background when that fails."""
        try:
            migrate(self._settings)
            write_history(self._settings, records)
        except LakeError as error:
            log.warning("history.delayed", reason=error.message)
            self.put(*records)

    def afterwards(self, act: Callable[[], object]) -> None:
        """Do something in the background once what was handed over so far is written; left out when full."""
        self._start()
        with suppress(queue.Full):
            self._queue.put_nowait(act)

    def flush(self, timeout: float = _FLUSH_SECONDS) -> bool:
        """Wait until everything handed over so far is written or dropped; False when it takes too long."""
        if self._thread is None:
            return True
        done = threading.Event()
        try:
            self._queue.put(done, timeout=timeout)
        except queue.Full:
            return False
        return done.wait(timeout)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="history", daemon=True)
                self._thread.start()
                _before_exit(self.flush)

    def _work(self) -> None:
        ready = False
        while True:
            batch = self._take()
            records: list[Any] = [item for item in batch if isinstance(item, Record)]
            try:
                if records and not ready:
                    migrate(self._settings)
                    ready = True
                if records:
                    write_history(self._settings, records)
            except Exception as error:  # noqa: BLE001  this thread's boundary: history never stops a run
                self.dropped += len(records)
                reason = error.message if isinstance(error, LakeError) else type(error).__name__
                log.warning("history.dropped", records=len(records), total=self.dropped, reason=reason)
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
                elif not isinstance(item, Record):
                    self._act(item)

    @staticmethod
    def _act(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  see _work
            reason = error.message if isinstance(error, LakeError) else type(error).__name__
            log.warning("history.unappended", reason=reason)

    def _take(self) -> list[Any]:
        """Return what waits, at least one item."""
        batch: list[Any] = [self._queue.get()]
        while len(batch) < _BATCH:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch


def _before_exit(act: Callable[[], object]) -> None:
    """Have something done when the program ends and its thread pools still take work.

    `atexit` comes too late for that: files are written by pools, and the last act is to write some.
    """
    getattr(threading, "_register_atexit", atexit.register)(act)
