"""The two tables of a stream while it lands: where they stand, and the commits that move them (design §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from ingest.batch import Range
from ingest.commit_plan import CommitPlan, plan_commit
from ingest.positions import Position, check_history, read_positions, to_properties
from ingest.quarantine import final_offsets
from ingest.tables import open_quarantine, open_raw
from lake.broker import Topic
from lake.catalog import LakeCatalog, Landed, NewSnapshot, TableState, WrittenFile, commit, load_table
from lake.catalog.horizons import Horizon, read_horizons
from lake.catalog.horizons import to_properties as horizon_properties
from lake.catalog.retention import landing_retention
from lake.clock import Deadline
from lake.contracts import Contract, Fence, Routing, check_fence, fence_properties
from lake.errors import HistoryError, UnavailableError
from lake.log import get_logger
from lake.settings import Settings
from lake.types import Offset, Partition

log = get_logger("ingest")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class StreamTables:
    """The stream's table and its quarantine as the last answer showed them; used by one thread at a time.

    The catalog's comparison of main is the fence: a writer that is no longer the only one loses the
    commit, not the data.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: LakeCatalog,
        contract: Contract,
        topic: Topic,
        routing: Routing | None = None,
    ) -> None:
        """Open both, created when they are missing; raises ContractMovedError as `open_raw` does."""
        self._cluster = settings.broker.cluster
        self._landing = settings.landing
        self.catalog = catalog
        self._contract = contract
        self._topic = topic
        self._routing = routing
        self.raw = open_raw(catalog, settings.landing, contract, routing)
        self.quarantine = open_quarantine(catalog, settings.landing, contract, routing)

    def positions(self, state: TableState) -> dict[Partition, Position]:
        """Return the positions of this stream's topic in a table."""
        return read_positions(state, cluster=self._cluster, topic_id=self._topic.id)

    def horizons(self) -> dict[Partition, Horizon]:
        """Return up to what times the stream's table says that the partitions have landed."""
        return read_horizons(self.raw, cluster=self._cluster, topic_id=self._topic.id)

    def final(self, partition: Partition, low: Offset, high: Offset) -> frozenset[Offset]:
        """Return which offsets from `low` to before `high` lie in quarantine."""
        return final_offsets(
            self.quarantine, source=self._topic.name, partition=partition, low=low, high=high
        )

    def look(self) -> tuple[TableState | None, TableState | None]:
        """Return both tables as they are now, None: dropped; nothing that was known is changed."""
        return load_table(self.catalog, self.raw.name), load_table(self.catalog, self.quarantine.name)

    def reload(self) -> None:
        """Take both as they are now; raises HistoryError when one is gone or the stream's was replaced."""
        raw, quarantine = self.look()
        if raw is None or quarantine is None or raw.uuid != self.raw.uuid:
            raise HistoryError(
                f"{self.raw.name} or its quarantine was dropped or replaced while landing wrote to it",
                hint="lake ingest status",
            )
        self.raw, self.quarantine = raw, quarantine

    def commit_refused(
        self,
        ranges: Mapping[Partition, Range],
        files: Mapping[Partition, Sequence[WrittenFile]],
        deadline: Deadline,
    ) -> CommitPlan:
        """Commit bad records and their positions to the quarantine."""
        self.quarantine, plan = self._commit(self.quarantine, ranges, files, deadline)
        return plan

    def commit_rows(
        self,
        ranges: Mapping[Partition, Range],
        files: Mapping[Partition, Sequence[WrittenFile]],
        deadline: Deadline,
        *,
        horizons: Mapping[Partition, Horizon],
        summary: Mapping[str, str],
    ) -> CommitPlan:
        """Commit good rows, positions and horizons to the stream's table."""
        self.raw, plan = self._commit(self.raw, ranges, files, deadline, horizons=horizons, summary=summary)
        return plan

    def _commit(
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
                retain=landing_retention(self._landing),
                summary=summary,
            )
            if isinstance(outcome, Landed):
                return outcome.state, plan
            log.info("commit.conflict", table=str(state.name), attempt=attempt)
            state = outcome.state
            deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
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
        cluster, topic = self._cluster, self._topic.id
        reached = to_properties(
            cluster,
            topic,
            {p: found.next for p, found in ranges.items()},
            snapshot,
            produced={p: at for p, found in ranges.items() if (at := found.produced_at) is not None},
        )
        return {**reached, **horizon_properties(state, cluster, topic, horizons), **claim}
