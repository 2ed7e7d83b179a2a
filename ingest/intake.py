"""Collect what is read into batches while a pool decodes and checks it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from ingest.batch import Batch, Checked, Range, RecordCheck, join_chunks
from ingest.codec import Failure
from ingest.routing import Router
from ingest.spread import commit_age
from lake.broker import Chunk
from lake.clock import Clock
from lake.settings import LandingSettings
from lake.types import Offset, Partition

_BLOCK_RECORDS = 8_192  # what the fast path decodes at once; larger gains nothing, smaller costs
_WAITING_BLOCKS = 4  # raw bytes that may wait for the pool: beyond it reading pauses
_RECORD_OVERHEAD = 150  # bytes of a record besides its value: key, coordinates, Python objects
_PASSING_SECONDS = 60.0  # after so long a position moves over records of other streams alone
_DECODERS = 1  # Arrow's readers work beside the reading thread; more threads only raise the memory


class DecodePool:
    """The threads that decode for every stream of a process; `submit` waits while too much waits already."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_DECODERS, "decode")
        self._running: deque[Future[Checked]] = deque()

    def submit(self, work: Callable[[], Checked]) -> Future[Checked]:
        while len(self._running) >= _WAITING_BLOCKS:
            self._running.popleft().exception()  # waits; the batch's reader sees the error itself
        future = self._pool.submit(work)
        self._running.append(future)
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True, kw_only=True)
class _Open:
    """What the open batch holds of one partition."""

    expected: Offset | None  # where the table stands, None: never landed
    next: Offset | None  # what is to be read next
    final: frozenset[Offset]  # quarantined beyond the table's position
    refused: dict[int, Failure] = field(default_factory=dict)  # by offset: bad whatever they hold
    has_passed: bool = False  # records of other streams: the position goes on over them
    waiting: list[Chunk] = field(default_factory=list)
    parts: list[Future[Checked]] = field(default_factory=list)
    records: int = 0
    bytes: int = 0

    def restart(self) -> None:
        self.expected, self.waiting, self.parts, self.records, self.bytes = self.next, [], [], 0, 0
        self.refused, self.has_passed = {}, False


class Intake:
    """The open batch of one stream; used by the reading thread."""

    def __init__(
        self,
        check: RecordCheck,
        pool: DecodePool,
        settings: LandingSettings,
        clock: Clock,
        router: Router | None = None,
    ) -> None:
        self._check = check
        self._router = router
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._open: dict[Partition, _Open] = {}
        self._opened_at = 0.0
        self._seconds = settings.commit_seconds

    def begin(self, partition: Partition, position: Offset | None, final: frozenset[Offset]) -> None:
        """Expect a partition from its position on; what was open of it is forgotten."""
        self._open[partition] = _Open(expected=position, next=position, final=final)

    def end(self, partition: Partition) -> None:
        """Take no more of a partition; what was open of it is forgotten."""
        self._open.pop(partition, None)

    def expected(self, partition: Partition) -> Offset | None:
        """Return the position that the open batch builds on; None when it never landed or isn't read."""
        found = self._open.get(partition)
        return found.expected if found is not None else None

    def reached(self, partition: Partition) -> Offset | None:
        """Return the next offset to read; None before the first record of a partition never landed."""
        found = self._open.get(partition)
        return found.next if found is not None else None

    @property
    def records(self) -> int:
        return sum(o.records for o in self._open.values())

    @property
    def bytes(self) -> int:
        return sum(o.bytes for o in self._open.values())

    def pace(self, files: int) -> None:
        """Let the next batch grow older when the last commit made many files."""
        landing = self._settings
        self._seconds = commit_age(
            files, seconds=landing.commit_seconds, files_per_minute=landing.files_per_minute
        )

    def add(self, chunk: Chunk) -> None:
        """Take the records that were not taken before; those of partitions not begun are left out."""
        own = self._open.get(chunk.partition)
        if own is None:
            return
        if own.next is not None and chunk.offsets[0] < own.next:
            chunk = chunk.pick([n for n, offset in enumerate(chunk.offsets) if offset >= own.next])
            if not chunk:
                return
        if not self._is_open():
            self._opened_at = self._clock.monotonic()
        own.next = Offset(chunk.offsets[-1] + 1)
        if self._router is not None:
            routed = self._router.route(chunk)
            own.has_passed = own.has_passed or len(routed.chunk) < len(chunk)
            own.refused |= routed.refused
            chunk = routed.chunk
            if not chunk:
                return
        own.records += len(chunk)
        own.bytes += sum(map(len, filter(None, chunk.values))) + _RECORD_OVERHEAD * len(chunk)
        own.waiting.append(chunk)
        if sum(map(len, own.waiting)) >= _BLOCK_RECORDS:
            self._submit(own)

    def _submit(self, own: _Open) -> None:
        chunks, own.waiting = own.waiting, []
        final, refused = own.final, dict(own.refused)
        own.parts.append(self._pool.submit(lambda: self._check.check(join_chunks(chunks), final, refused)))

    def _is_open(self) -> bool:
        return any(own.records or own.has_passed for own in self._open.values())

    def is_full(self) -> bool:
        """Tell whether size, memory or age ask for a commit; one that only moves positions may wait."""
        records = self.records
        if not records and not self._is_open():
            return False
        age = self._clock.monotonic() - self._opened_at
        return (
            records >= self._settings.commit_rows
            or self.bytes >= self._settings.commit_bytes
            or age >= (self._seconds if records else _PASSING_SECONDS)
        )

    def seal(self, looked: Mapping[Partition, datetime] = MappingProxyType({})) -> Batch | None:
        """Return what was taken as a batch and begin the next one after it; None when there is nothing."""
        taken = {p: own for p, own in self._open.items() if own.records or own.has_passed}
        if not taken:
            return None
        for own in taken.values():
            if own.waiting:
                self._submit(own)
        batch = Batch(
            ranges={
                p: Range(expected=own.expected, next=own.next)
                for p, own in taken.items()
                if own.next is not None
            },
            parts={p: tuple(own.parts) for p, own in taken.items() if own.parts},
            records=sum(own.records for own in taken.values()),
            bytes=sum(own.bytes for own in taken.values()),
            looked=dict(looked),
        )
        for own in taken.values():
            own.restart()
        return batch
