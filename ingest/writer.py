"""Write a batch: data files, then bad records, then rows and positions in one commit (design §4, 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ingest.batch import Batch, Checked, Range
from ingest.commit_plan import CommitPlan, never_back, plan_commit
from ingest.events import newest_event
from ingest.lateness import Lateness, measure, to_summary
from ingest.meta import with_meta
from ingest.quarantine import BadRecord, to_rows
from ingest.quarantine.breaker import Judged, StreamBreaker
from ingest.spread import before, cut_batch, find_cuts
from ingest.stream_tables import StreamTables
from ingest.written import Written
from lake.broker import Topic
from lake.catalog import WrittenFile, write_files
from lake.catalog.horizons import Horizon
from lake.clock import Clock, Deadline
from lake.contracts import Contract, Framing
from lake.log import get_logger
from lake.settings import LandingSettings
from lake.types import Offset, Partition

log = get_logger("ingest")


class Writer:
    """Land batches of one stream; one at a time, from any thread."""

    def __init__(
        self,
        *,
        settings: LandingSettings,
        tables: StreamTables,
        contract: Contract,
        topic: Topic,
        clock: Clock,
        breaker: StreamBreaker | None = None,
    ) -> None:
        self.tables = tables
        self._settings = settings
        self._breaker = breaker
        self._contract = contract
        self._topic = topic
        self._clock = clock
        self._refused: dict[Partition, Offset] = {}
        self.begin()

    def begin(self) -> None:
        """Take what the quarantine says now for what the reading goes by.

        A later look at it, after a conflict over other partitions, must not count: a record that somebody
        else has refused since is final, and whoever reads from here does not know it yet.
        """
        known = self.tables.positions(self.tables.quarantine)
        self._refused = {p: position.offset for p, position in known.items()}

    def land(self, batch: Batch) -> Written:
        """Write and commit; returns only when the outcome is known.

        Raises UnavailableError or OutcomeUnknownError (the next run reads the tables and goes on),
        HistoryError when a table is not the one that was read, RefusedError when the breaker is open.
        """
        deadline = Deadline.after(self._settings.deadline_seconds, self._clock)
        parts = {p: [future.result() for future in futures] for p, futures in batch.parts.items()}
        cuts = find_cuts(self.tables.raw, parts, self._settings.commit_files)
        if cuts:
            log.warning("batch.cut", stream=self._contract.stream, partitions=sorted(cuts))
            parts = {p: before(found, cuts[p]) if p in cuts else found for p, found in parts.items()}
            batch = cut_batch(batch, cuts)
        bad = {p: [r for checked in found for r in checked.bad] for p, found in parts.items()}
        self._judge(parts, bad)
        if self._is_overtaken(batch):
            return Written(moved=tuple(batch.ranges))
        # 4 Data files; none mixes partitions, so that a partition can be dropped from a commit.
        files = {p: self._write_rows(p, checked) for p, checked in parts.items()}
        # 5a Bad records first: their position tells the next run that they are final.
        refused = self._quarantine({p: records for p, records in bad.items() if records}, batch, deadline)
        quarantined = sum(len(bad[p]) for p in refused.stage)
        if refused.drop:
            commits = int(bool(refused.stage))
            return Written(quarantined=quarantined, commits=commits, moved=tuple(batch.ranges))
        # 5b Good rows, positions and stamp in one commit.
        ranges = {p: replace(r, produced_at=_newest(parts.get(p, ()))) for p, r in batch.ranges.items()}
        plan = self.tables.commit_rows(
            ranges,
            files,
            deadline,
            horizons=self._horizons(parts, batch),
            summary=to_summary(self._lateness(parts)),
        )
        if plan.drop:
            log.warning("batch.moved", stream=self._contract.stream, partitions=list(plan.drop))
        staged = [file for p in plan.stage for file in files.get(p, ())]
        return Written(
            landed=sum(file.rows for file in staged),
            quarantined=quarantined,
            commits=bool(refused.stage) + bool(plan.stage),
            positions={p: batch.ranges[p].next for p in plan.stage},
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
        raw, quarantine = self.tables.look()
        if raw is None or quarantine is None:
            return False  # the commit says so
        refused = {p: Range(expected=self._refused.get(p), next=r.next) for p, r in batch.ranges.items()}
        landed = plan_commit(self.tables.positions(raw), batch.ranges)
        return bool(landed.drop or plan_commit(self.tables.positions(quarantine), refused).drop)

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
                self.tables.quarantine,
                to_rows(
                    records,
                    source=self._topic.name,
                    contract_version=self._contract.version,
                    first_seen=self._clock.now(),
                ),
            )
            for p, records in bad.items()
        }
        plan = self.tables.commit_refused(ranges, files, deadline)
        self._refused |= {p: ranges[p].next for p in plan.stage}
        return plan

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
        return write_files(self.tables.raw, landed)


def _newest(parts: Sequence[Checked]) -> datetime | None:
    """Return when the newest of the records was produced, good and bad ones; None when nobody knows."""
    times = [pc.max(part.coordinates.column("produced_at")).as_py() for part in parts]
    times += [record.produced_at for part in parts for record in part.bad]
    return max((moment for moment in times if moment is not None), default=None)
