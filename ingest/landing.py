"""Land streams: the service behind `lake ingest run`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from ingest.care import TableCare
from ingest.feed import Feed
from ingest.intake import DecodePool
from ingest.memory import made_for_records
from ingest.opening import Opening
from ingest.report import Observer, StreamReport, ignore
from ingest.schemas import open_desk
from lake.broker import LogReader
from lake.catalog import LakeCatalog, open_catalog
from lake.clock import Clock, SystemClock
from lake.contracts import Contract, StreamKind
from lake.errors import BadInputError
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("ingest")

_COMMITTERS = 2  # commits wait for storage and catalog most of the time; each holds a batch in memory


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
    project: Sequence[Contract] = (),
    follow: bool = False,
    observer: Observer = ignore,
    stop: Event | None = None,
    catalog: LakeCatalog | None = None,
    clock: Clock | None = None,
) -> tuple[StreamReport, ...]:
    """Land every stream up to the end that its topic had at first; with `follow` until `stop` is set.

    All of them share one consumer, the threads that decode and those that commit, and one budget of
    memory. `project` are all contracts where not all of them land here: a topic's records are told apart
    by all of its streams. Repeating it lands what is new and nothing twice, whatever ended the run before.
    Raises the errors of lake.errors; what had landed by then stays, the next run goes on from there.
    A stream whose table, topic or contract is wrong stops alone; its error is raised when the others
    have ended.
    """
    shared, time = catalog or open_catalog(settings), clock or SystemClock()
    decoders, committers = DecodePool(), ThreadPoolExecutor(_COMMITTERS, "commit")
    schemas = open_desk(settings, project or contracts, time)
    reader = LogReader(
        settings.broker,
        group=f"lakemesh.{settings.landing.raw_schema}",
        max_poll_seconds=2 * settings.landing.deadline_seconds + 60,
        idle_seconds=0.5 if follow else 0.05,
    )
    care = TableCare(shared, time)
    opening = Opening(
        settings=settings,
        project=project or contracts,
        catalog=shared,
        decoders=decoders,
        committers=committers,
        schemas=schemas,
        clock=time,
        observer=observer,
        care=care,
    )
    ended = stop or Event()
    try:
        lanes, failures = opening.open(contracts)
        log.info("landing.started", streams=len(lanes))
        started = time.monotonic()
        if lanes:
            feed = Feed(
                reader,
                lanes,
                settings=settings.landing,
                clock=time,
                stop=ended,
                reopen=opening.reopen,
            )
            with made_for_records():
                feed.run(follow=follow)
            lanes = list(feed.lanes)
    finally:
        committers.shutdown(wait=True)
        care.close()
        decoders.close()
        schemas.close()
        reader.close()
    failures += [lane.failure for lane in lanes if lane.failure is not None]
    if failures:
        raise failures[0]
    return tuple(lane.report(started) for lane in lanes)
