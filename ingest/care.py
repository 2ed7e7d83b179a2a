"""Care for landing's tables while something lands in them: after so many commits or files, in a thread.

It never stops or fails who lands: what goes wrong is logged, counted, and tried again later.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Lock

from lake.catalog import LakeCatalog, TableState
from lake.clock import Clock
from lake.log import get_logger
from lake.maintenance.care import Care, CarePolicy, care_for
from lake.maintenance.compact import CompactPolicy

log = get_logger("ingest")

_COMPACT_EVERY = 100  # commits of a table
_SWEEP_EVERY = 1_000
_MANY_FILES = 5_000  # more than at the last care: records are scattered over many partitions
_MEGABYTE = 1024 * 1024
# Landing shares its processors with this: a little at a time.
_POLICY = CarePolicy(seconds=60.0, compact=CompactPolicy(bytes_at_once=256 * _MEGABYTE))
# Late records go on coming into every partition: their files are put together before an hour is over.
_SCATTERED = replace(_POLICY, compact=replace(_POLICY.compact, quiet=timedelta(minutes=1), open_files=8))


class TableCare:
    """One for all streams of a process; `after_commit` returns at once and may be called by any thread."""

    def __init__(self, catalog: LakeCatalog, clock: Clock, *, care: Callable[..., Care] = care_for) -> None:
        self._catalog = catalog
        self._clock = clock
        self._care = care
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(1, "care")
        self._seen: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._under_way: Future[Care] | None = None
        self.failed = 0

    def after_commit(self, state: TableState) -> None:
        """Begin care for a table that has a hundred commits, or many files, more than at its last care.

        While another table is cared for, this one waits for its next commit. A process that commits once
        counts too: the hundredth commit is the hundredth, whoever made the others.
        """
        sequence = state.ancestry[0].sequence if state.ancestry else 0
        table = str(state.name)
        with self._lock:
            before = self._seen.setdefault(table, max(sequence - 1, 0))
            self._files[table] = min(self._files.get(table, state.files), state.files)
            is_scattered = state.files - self._files[table] >= _MANY_FILES
            is_due = sequence // _COMPACT_EVERY != before // _COMPACT_EVERY
            if self._is_busy or not (is_due or is_scattered):
                return
            self._seen[table], self._files[table] = sequence, state.files
            begun = self._under_way = self._pool.submit(
                self._care,
                self._catalog,
                state.name,
                clock=self._clock,
                policy=_SCATTERED if is_scattered else _POLICY,
                sweeps=sequence // _SWEEP_EVERY != before // _SWEEP_EVERY,
            )
        begun.add_done_callback(self._note)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True)

    @property
    def _is_busy(self) -> bool:
        return self._under_way is not None and not self._under_way.done()

    def _note(self, done: Future[Care]) -> None:
        if (error := done.exception()) is not None:
            self.failed += 1
            log.warning("care.failed", reason=str(error), failed=self.failed)
        else:
            log.info("care.done", table=done.result().table)
