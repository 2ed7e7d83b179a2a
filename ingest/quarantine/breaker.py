"""The circuit breaker of a stream: too large a share of bad records stops it before anything is committed.

It drops nothing: the batch that opens it stays in the log, positions stay where they are. Its state is in
PostgreSQL, so that other processes of the stream and the next run stop too. Closing it lets through what the
log holds at that moment, bad records into quarantine, and judges again from there on.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ingest.quarantine.cause import Cause
from ingest.quarantine.table import BadRecord
from lake.clock import Clock
from lake.contracts import Breaker, Contract, StreamKind
from lake.control.breakers import BreakerState, open_breaker, read_breaker, take_run
from lake.errors import RefusedError, UnavailableError
from lake.log import get_logger
from lake.settings import PostgresSettings

log = get_logger("quarantine")

_LOOK_SECONDS = 10.0  # how long another process's decision may stay unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Records of one shard that are about to be committed: offsets of the good ones, and the bad ones."""

    good: pa.ChunkedArray
    bad: Sequence[BadRecord]

    def beyond(self, offset: int) -> Judged:
        """Return those from an offset on."""
        if offset == 0:
            return self
        return Judged(
            good=self.good.filter(pc.greater_equal(self.good, offset)),
            bad=[record for record in self.bad if record.offset >= offset],
        )


class Window:
    """The last records, batch by batch; as few batches as hold `limit.records`."""

    def __init__(self, limit: Breaker) -> None:
        self._limit = limit
        self._batches: deque[tuple[int, int]] = deque()
        self.records = self.bad = 0

    def add(self, records: int, bad: int) -> None:
        self._batches.append((records, bad))
        self.records, self.bad = self.records + records, self.bad + bad
        while self.records - self._batches[0][0] >= self._limit.records:
            old, old_bad = self._batches.popleft()
            self.records, self.bad = self.records - old, self.bad - old_bad

    @property
    def is_too_bad(self) -> bool:
        return self.records >= self._limit.records and self.bad > self._limit.share * self.records


class StreamBreaker:
    """One stream in one process; used by one thread at a time."""

    def __init__(self, settings: PostgresSettings, contract: Contract, clock: Clock) -> None:
        self._settings = settings
        self._contract = contract
        self._clock = clock
        self._window = Window(contract.breaker)
        self._let_through: Mapping[str, int] = {}
        self._judges = True
        self._looked_at = clock.monotonic()

    def begin(self) -> None:
        """Raise RefusedError when the breaker is open, UnavailableError when nobody can tell."""
        state = read_breaker(self._settings, self._contract.stream)
        self._take(state)
        if self._contract.kind is StreamKind.EXTRACT:
            self._judges = not take_run(self._settings, self._contract.stream)

    def judge(self, shards: Mapping[str, Judged]) -> None:
        """Count a batch that is about to be committed; raises RefusedError when it must not be.

        `shards` are by `topic/partition`; records before the offset that was let through don't count.
        """
        self._look()
        if not self._judges:
            return
        judged = [found.beyond(self._let_through.get(shard, 0)) for shard, found in shards.items()]
        bad = [record for found in judged for record in found.bad]
        self._window.add(sum(len(found.good) for found in judged) + len(bad), len(bad))
        if self._window.is_too_bad:
            self._open(bad)

    def _open(self, bad: Sequence[BadRecord]) -> None:
        window, stream = self._window, self._contract.stream
        causes = Counter(
            Cause(stream=stream, rule=record.failures[0].rule, path=record.failures[0].path) for record in bad
        )
        cause = str(causes.most_common(1)[0][0]) if causes else ""
        state = BreakerState(
            stream=stream,
            is_open=True,
            records=window.records,
            bad=window.bad,
            share_limit=self._contract.breaker.share,
            cause=cause,
        )
        log.error(
            "breaker.opened",
            stream=stream,
            records=window.records,
            bad=window.bad,
            limit=self._contract.breaker.share,
            cause=cause,
        )
        try:
            open_breaker(
                self._settings,
                stream,
                records=state.records,
                bad=state.bad,
                share_limit=state.share_limit,
                cause=cause,
            )
        except UnavailableError as error:  # the batch is not committed, so the next run judges it again
            log.warning("breaker.not_kept", stream=stream, reason=error.message)
        raise refusal(state)

    def _look(self) -> None:
        """Now and then ask whether another process opened the breaker; that may fail."""
        if self._clock.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = self._clock.monotonic()
        try:
            self._take(read_breaker(self._settings, self._contract.stream))
        except UnavailableError as error:
            log.warning("breaker.not_read", stream=self._contract.stream, reason=error.message)

    def _take(self, state: BreakerState) -> None:
        if state.is_open:
            raise refusal(state)
        self._let_through = state.let_through


def refusal(state: BreakerState) -> RefusedError:
    """Say that a stream stands still, why, and what to do."""
    return RefusedError(
        f"{state.stream}: its circuit breaker is open: {state.bad} of the last {state.records} records were"
        f" bad, more than {state.share_limit:.4g} of them{f' (most: {state.cause})' if state.cause else ''};"
        " nothing is lost, landing stands still",
        hint=f'mend the source or the contract, then lake ingest resume {state.stream} --reason "…"',
    )
