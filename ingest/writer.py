"""Write a batch: data files, quarantine first, then rows and positions in one commit (design §4, 4-6)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from ingest.batch import Batch, Checked, Range
from ingest.commit_plan import CommitPlan, never_back, plan_commit
from ingest.events import newest_event
from ingest.lateness import Lateness, measure, to_summary
from ingest.meta import with_meta
from ingest.positions import Position, check_history, read_positions, to_properties
from ingest.quarantine import BadRecord, to_rows
from ingest.quarantine.breaker import Judged, StreamBreaker
from ingest.spread import before, find_cuts
from ingest.written import Written
from lake.broker import Topic
from lake.catalog import (
    LakeCatalog,
    Landed,
    NewSnapshot,
    TableState,
    WrittenFile,
    commit,
    load_table,
    write_files,
)
from lake.catalog.horizons import Horizon, read_horizons
from lake.catalog.horizons import to_properties as horizon_properties
from lake.catalog.retention import landing_retention
from lake.clock import Clock, Deadline
from lake.contracts import Contract, Fence, Framing, Routing, check_fence, fence_properties
from lake.errors import UnavailableError
from lake.log import get_logger
from lake.settings import Settings
from lake.types import Offset, Partition

log = get_logger("ingest")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Writer:
    """Land batches of one stream; one at a time, from any thread.

    Holds the tables as the last answer showed them. The catalog's comparison of main is the fence:
    a writer that is no longer the only one loses the commit, not the data.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: LakeCatalog,
        contract: Contract,
        topic: Topic,
        raw: TableState,
        quarantine: TableState,
        clock: Clock,
        breaker: StreamBreaker | None = None,
        routing: Routing | None = None,
    ) -> None:
        self._settings = settings
        self._breaker = breaker
        self._routing = routing
        self.catalog = catalog
        self._contract = contract
        self._topic = topic
        self._clock = clock
        self.raw = raw
        self.quarantine = quarantine
        self._refused: dict[Partition, Offset] = {}
        self.begin()

    def begin(self) -> None:
        """Take what the quarantine says now for what the reading goes by.

        A later look at it, after a conflict over other partitions, must not count: a record that somebody
        else has refused since is final, and whoever reads from here does not know it yet.
        """
        self._refused = {p: position.offset for p, position in self.positions(self.quarantine).items()}

    def positions(self, state: TableState) -> dict[Partition, Position]:
        """Return the positions of this stream's topic in a table."""
        return read_positions(state, cluster=self._settings.broker.cluster, topic_id=self._topic.id)

    def horizons(self, state: TableState) -> dict[Partition, Horizon]:
        """Return up to what times a table says that the partitions have landed."""
        return read_horizons(state, cluster=self._settings.broker.cluster, topic_id=self._topic.id)

    def land(self, batch: Batch) -> Written:
        """Write and commit; returns only when the outcome is known.

        Raises UnavailableError or OutcomeUnknownError (the next run reads the tables and goes on),
        HistoryError when a table is not the one that was read, RefusedError when the breaker is open.
        """
        deadline = Deadline.after(self._settings.landing.deadline_seconds, self._clock)
        parts = {p: [future.result() for future in futures] for p, futures in batch.parts.items()}
        cuts = find_cuts(self.raw, parts, self._settings.landing.commit_files)
        if cuts:
            log.warning("batch.cut", stream=self._contract.stream, partitions=sorted(cuts))
            parts = {p: before(found, cuts[p]) if p in cuts else found for p, found in parts.items()}
            batch = _ending(batch, cuts)
        bad = {p: [r for checked in found for r in checked.bad] for p, found in parts.items()}
        self._judge(parts, bad)
        if self._is_overtaken(batch):
            return Written(landed=0, quarantined=0, commits=0, positions={}, moved=tuple(batch.ranges))
        # 4 Data files; none mixes partitions, so that a partition can be dropped from a commit.
        files = {p: self._write_rows(p, checked) for p, checked in parts.items()}
        # 5a Bad records first: their position tells the next run that they are final.
        refused = self._quarantine({p: records for p, records in bad.items() if records}, batch, deadline)
        quarantined = sum(len(bad[p]) for p in refused.stage)
        if refused.drop:
            commits = int(bool(refused.stage))
            return Written(
                landed=0, quarantined=quarantined, commits=commits, positions={}, moved=tuple(batch.ranges)
            )
        # 5b Good rows, positions and stamp in one commit.
        ranges = {p: replace(r, produced_at=_newest(parts.get(p, ()))) for p, r in batch.ranges.items()}
        state, plan = self._commit_ranges(
            self.raw,
            ranges,
            files,
            deadline,
            horizons=self._horizons(parts, batch),
            summary=to_summary(self._lateness(parts)),
        )
        self.raw = state
        positions = {p: batch.ranges[p].next for p in plan.stage}
        if plan.drop:
            log.warning("batch.moved", stream=self._contract.stream, partitions=list(plan.drop))
        staged = [file for p in plan.stage for file in files.get(p, ())]
        return Written(
            landed=sum(file.rows for file in staged),
            quarantined=quarantined,
            commits=bool(refused.stage) + bool(plan.stage),
            positions=positions,
            moved=(*plan.drop, *cuts),
            files=len(staged),
        )

    def _is_overtaken(self, batch: Batch) -> bool:
        """Look whether another process landed or refused records of this batch by now.

        What judges alike meets at the commits. But of a schema that came late one process may have heard
        and another not: then the one has nothing to commit where the other has (ADR 15).
        """
        if self._contract.framing is not Framing.REGISTRY:
            return False
        raw = load_table(self.catalog, self.raw.name)
        quarantine = load_table(self.catalog, self.quarantine.name)
        if raw is None or quarantine is None:
            return False  # the commit says so
        refused = {p: Range(expected=self._refused.get(p), next=r.next) for p, r in batch.ranges.items()}
        landed = plan_commit(self.positions(raw), batch.ranges)
        return bool(landed.drop or plan_commit(self.positions(quarantine), refused).drop)

    def _judge(
        self, parts: Mapping[Partition, Sequence[Checked]], bad: Mapping[Partition, Sequence[BadRecord]]
    ) -> None:
        """Stop before anything is committed when too many records are bad."""
        if self._breaker is None:
            return
        self._breaker.judge(
            {
                f"{self._topic.name}/{p}": Judged(
                    good=pa.chunked_array(
                        [chunk for checked in found for chunk in checked.coordinates.column("offset").chunks],
                        pa.int64(),
                    ),
                    bad=bad[p],
                )
                for p, found in parts.items()
            }
        )

    def _quarantine(
        self, bad: Mapping[Partition, Sequence[BadRecord]], batch: Batch, deadline: Deadline
    ) -> CommitPlan:
        """Commit bad records; what the plan drops another writer has quarantined or moved."""
        if not bad:
            return CommitPlan(stage=(), drop=())
        ranges = {p: never_back(self._refused.get(p), batch.ranges[p].next) for p in bad}
        files = {
            p: write_files(
                self.quarantine,
                to_rows(
                    records,
                    source=self._topic.name,
                    contract_version=self._contract.version,
                    first_seen=self._clock.now(),
                ),
            )
            for p, records in bad.items()
        }
        state, plan = self._commit_ranges(self.quarantine, ranges, files, deadline)
        self.quarantine = state
        self._refused |= {p: ranges[p].next for p in plan.stage}
        return plan

    def _commit_ranges(
        self,
        state: TableState,
        ranges: Mapping[Partition, Range],
        files: Mapping[Partition, Sequence[WrittenFile]],
        deadline: Deadline,
        *,
        horizons: Mapping[Partition, Horizon] = MappingProxyType({}),
        summary: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[TableState, CommitPlan]:
        """Commit what still belongs on top of the table; 6: on a conflict look again, per partition."""
        attempt = 0
        while True:
            stored = self.positions(state)
            plan = plan_commit(stored, ranges)
            if not plan.stage:
                return state, plan
            # The contract may have been deployed anew while this batch was read (lake.contracts.fence).
            fence = check_fence(str(state.name), state.properties, self._contract, self._routing)
            claim = fence_properties(self._contract, self._routing) if fence is Fence.UNCLAIMED else {}
            for partition in plan.stage:
                if partition in stored:
                    check_history(state, partition, stored[partition])
            outcome = commit(
                self.catalog,
                state,
                files=[file for p in plan.stage for file in files.get(p, ())],
                properties=partial(
                    self._properties,
                    state,
                    {p: ranges[p] for p in plan.stage},
                    {p: horizon for p, horizon in horizons.items() if p not in plan.drop},
                    claim,
                ),
                deadline=deadline,
                retain=landing_retention(self._settings.landing),
                summary=summary,
            )
            if isinstance(outcome, Landed):
                return outcome.state, plan
            log.info("commit.conflict", table=str(state.name), attempt=attempt)
            state = outcome.state
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311
            self._clock.sleep(min(pause, deadline.remaining()))
            if deadline.expired():
                raise UnavailableError(
                    "catalog", f"{state.name}: other writers kept winning; nothing of the batch landed"
                )
            attempt += 1

    def _properties(
        self,
        state: TableState,
        ranges: Mapping[Partition, Range],
        horizons: Mapping[Partition, Horizon],
        claim: Mapping[str, str],
        snapshot: NewSnapshot,
    ) -> dict[str, str]:
        cluster, topic = self._settings.broker.cluster, self._topic.id
        reached = to_properties(
            cluster,
            topic,
            {p: found.next for p, found in ranges.items()},
            snapshot,
            produced={p: at for p, found in ranges.items() if (at := found.produced_at) is not None},
        )
        return {**reached, **horizon_properties(state, cluster, topic, horizons), **claim}

    def _horizons(
        self, parts: Mapping[Partition, Sequence[Checked]], batch: Batch
    ) -> dict[Partition, Horizon]:
        """Return what a batch tells of the partitions: all of the topic's, so that none is forgotten."""
        now, name = self._clock.now(), self._contract.event_time
        newest = {
            p: newest_event(pa.concat_tables([c.rows for c in found]).column(name), now)
            for p, found in parts.items()
        }
        return {p: Horizon(newest=newest.get(p), looked=batch.looked.get(p)) for p in self._topic.partitions}

    def _lateness(self, parts: Mapping[Partition, Sequence[Checked]]) -> Lateness | None:
        every = [checked for found in parts.values() for checked in found]
        if not every:
            return None
        return measure(
            pa.concat_tables([c.rows for c in every]).column(self._contract.event_time),
            pa.concat_tables([c.coordinates for c in every]).column("produced_at"),
            self._contract.allowed_lateness,
        )

    def _write_rows(self, partition: Partition, parts: Sequence[Checked]) -> tuple[WrittenFile, ...]:
        rows = pa.concat_tables([part.rows for part in parts])
        coordinates = pa.concat_tables([part.coordinates for part in parts])
        landed = with_meta(
            rows,
            coordinates,
            source=self._topic.name,
            partition=partition,
            version=self._contract.version,
            landed_at=self._clock.now(),
        )
        return write_files(self.raw, landed)


def _ending(batch: Batch, cuts: Mapping[Partition, Offset]) -> Batch:
    """Return a batch that ends earlier in some partitions, whose end it has not seen then."""
    return replace(
        batch,
        ranges={p: replace(own, next=cuts.get(p, own.next)) for p, own in batch.ranges.items()},
        looked={p: moment for p, moment in batch.looked.items() if p not in cuts},
    )


def _newest(parts: Sequence[Checked]) -> datetime | None:
    """Return when the newest of the records was produced, good and bad ones; None when nobody knows."""
    times = [pc.max(part.coordinates.column("produced_at")).as_py() for part in parts]
    times += [record.produced_at for part in parts for record in part.bad]
    return max((moment for moment in times if moment is not None), default=None)
