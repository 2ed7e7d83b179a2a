"""Land streams: the service behind `lake ingest run`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from ingest.report import Observer, StreamReport, ignore
from ingest.stream import StreamLanding
from ingest.tables import raw_name
from lake.catalog import LakeCatalog, load_table, open_catalog
from lake.clock import Clock, SystemClock
from lake.contracts import Contract, StreamKind
from lake.errors import BadInputError
from lake.settings import Settings


def choose(contracts: Sequence[Contract], streams: Sequence[str]) -> tuple[Contract, ...]:
    """Return the contracts of topics that are named, all of them when none is.

    Raises BadInputError for a name that no topic's contract has.
    """
    by_stream = {c.stream: c for c in contracts if c.kind is StreamKind.TOPIC}
    if unknown := [name for name in streams if name not in by_stream]:
        raise BadInputError(
            f"no contract of a topic describes {', '.join(unknown)}",
            hint=f"use {', '.join(by_stream) or 'a contract in ingest/contracts'}",
        )
    return tuple(by_stream[name] for name in streams or by_stream)


def run_streams(
    settings: Settings,
    contracts: Sequence[Contract],
    *,
    follow: bool = False,
    observer: Observer = ignore,
    stop: Event | None = None,
    catalog: LakeCatalog | None = None,
    clock: Clock | None = None,
) -> tuple[StreamReport, ...]:
    """Land every stream up to the end that its topic had at first; with `follow` until `stop` is set.

    One after the other, so that memory is bounded by one batch; with `follow` side by side. Repeating
    it lands what is new and nothing twice, whatever ended the run before.
    Raises the errors of lake.errors; what had landed by then stays, the next run goes on from there.
    """
    shared = catalog or open_catalog(settings)
    ended = stop or Event()
    landings = [
        StreamLanding(
            settings=settings,
            catalog=shared,
            contract=contract,
            clock=clock or SystemClock(),
            observer=observer,
            stop=ended,
        )
        for contract in contracts
    ]
    if not follow:
        return tuple(landing.run(follow=False) for landing in landings)

    def run(landing: StreamLanding) -> StreamReport:
        try:
            return landing.run(follow=True)
        finally:
            ended.set()  # one that fails ends the others: half of a service hides its failure

    with ThreadPoolExecutor(len(landings), "stream") as pool:
        futures = [pool.submit(run, landing) for landing in landings]
        try:
            return tuple(future.result() for future in futures)
        finally:
            ended.set()


def count_rows(settings: Settings, contract: Contract, *, catalog: LakeCatalog | None = None) -> int:
    """Return how many rows the stream's table holds, by the catalog's own figure; 0 without a table."""
    state = load_table(catalog or open_catalog(settings), raw_name(settings.landing, contract))
    return 0 if state is None else state.rows
