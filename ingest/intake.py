"""Collect what is read into batches while a pool decodes and checks it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from ingest.batch import Batch, Checked, Range, RecordCheck, join_chunks
from lake.broker import Chunk
from lake.clock import Clock
from lake.settings import LandingSettings
from lake.types import Offset, Partition

_BLOCK_RECORDS = 8_192  # what the fast path decodes at once; larger gains nothing, smaller costs
_WAITING_BLOCKS = 4  # raw bytes that may wait for the pool: beyond it reading pauses
_RECORD_OVERHEAD = 150  # bytes of a record besides its value: key, coordinates, Python objects


class Intake:
    """The open batch of one stream; used by the reading thread."""

    def __init__(
        self, check: RecordCheck, pool: ThreadPoolExecutor, settings: LandingSettings, clock: Clock
    ) -> None:
        self._check = check
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._expected: dict[Partition, Offset | None] = {}
        self._final: Mapping[Partition, frozenset[Offset]] = {}
        self._running: deque[Future[Checked]] = deque()
        self._clear()

    def begin(
        self, positions: Mapping[Partition, Offset | None], final: Mapping[Partition, frozenset[Offset]]
    ) -> None:
        """Forget everything and expect these positions; `final` are offsets quarantined beyond them."""
        self._clear()
        self._expected = dict(positions)
        self._final = final

    def _clear(self) -> None:
        self._next: dict[Partition, Offset] = {}
        self._raw: defaultdict[Partition, list[Chunk]] = defaultdict(list)
        self._parts: defaultdict[Partition, list[Future[Checked]]] = defaultdict(list)
        self._records = 0
        self._bytes = 0
        self._opened_at = 0.0

    def reached(self, partition: Partition) -> Offset | None:
        """Return the next offset to read; None before the first record of a partition never landed."""
        return self._next.get(partition, self._expected.get(partition))

    def add(self, chunk: Chunk) -> None:
        """Take records; they have to follow what was taken before."""
        if not self._records:
            self._opened_at = self._clock.monotonic()
        self._records += len(chunk)
        self._bytes += sum(map(len, filter(None, chunk.values))) + _RECORD_OVERHEAD * len(chunk)
        self._next[chunk.partition] = Offset(chunk.offsets[-1] + 1)
        waiting = self._raw[chunk.partition]
        waiting.append(chunk)
        if sum(map(len, waiting)) >= _BLOCK_RECORDS:
            self._submit(chunk.partition)

    def _submit(self, partition: Partition) -> None:
        chunks = self._raw.pop(partition)
        while len(self._running) >= _WAITING_BLOCKS:
            self._running.popleft().exception()  # waits; the batch's reader sees the error itself
        final = self._final.get(partition, frozenset())
        future = self._pool.submit(self._work, chunks, final)
        self._running.append(future)
        self._parts[partition].append(future)

    def _work(self, chunks: list[Chunk], final: frozenset[Offset]) -> Checked:
        return self._check.check(join_chunks(chunks), final)

    def is_full(self) -> bool:
        """Tell whether size, memory or age ask for a commit."""
        if not self._records:
            return False
        return (
            self._records >= self._settings.commit_rows
            or self._bytes >= self._settings.commit_bytes
            or self._clock.monotonic() - self._opened_at >= self._settings.commit_seconds
        )

    def seal(self) -> Batch | None:
        """Return what was taken as a batch and begin the next one after it; None when there is nothing."""
        if not self._records:
            return None
        for partition in list(self._raw):
            self._submit(partition)
        batch = Batch(
            ranges={p: Range(expected=self._expected.get(p), next=n) for p, n in self._next.items()},
            parts={p: tuple(futures) for p, futures in self._parts.items()},
            records=self._records,
        )
        self._expected |= self._next
        self._clear()
        return batch
