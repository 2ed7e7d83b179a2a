"""Random schedules of mishaps against a model: every record is in table or quarantine, once, always.

The landing is the real one from its loop down to data files and manifests; broker and catalog are in
memory, so that hundreds of schedules take seconds. What only real processes show is in
`test_landing_killed.py`.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import ingest.landing
import ingest.opening
import ingest.stream_tables
import ingest.tables
import lake.catalog.tables
from ingest.commit_plan import CommitPlan
from ingest.landing import run_streams
from ingest.tables import open_quarantine, open_raw
from lake.broker import Topic
from lake.clock import SystemClock
from lake.errors import OutcomeUnknownError, UnavailableError
from lake.settings import LandingSettings, Settings
from lake.types import Partition, TableName
from tests.fakes.killed import KilledError
from tests.fakes.memory_catalog import MemoryCatalog, Mishap
from tests.fakes.memory_log import MemoryLog, MemoryReader, shard
from tests.fakes.soak import report
from tests.fakes.topic_world import POISON, fingerprint, record, transactions, wanted

PARTITIONS = 2
SEED = 20_261_125
_MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


class QuickClock(SystemClock):
    """Waiting takes no time, but deadlines come all the same."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


class NeverOpen:
    """A breaker that needs no PostgreSQL: every sixth record is bad here, and that is meant."""

    def begin(self) -> None:
        """Let everybody begin."""

    def judge(self, shards: object) -> None:
        """Find nothing wrong."""


class Landing(RuleBasedStateMachine):
    """Produce, land with mishaps, look after tables, in any order; `model` is what was produced."""

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lakemesh-schedule-"))
        self.contract = transactions()
        self.log = MemoryLog()
        self.model: dict[tuple[int, int], bytes] = {}
        self.settings = Settings(
            project_root=self.folder,
            landing=LandingSettings(commit_rows=11, commit_files=5, retained_snapshots=5),
        )
        self.catalog = MemoryCatalog(self.settings, self.folder)
        self.clock = QuickClock()
        self.produced = 0
        self.read: dict[tuple[str, int | None], list[dict]] = {}
        topic = Topic(
            name=self.contract.topic, id="memory", partitions=tuple(map(Partition, range(PARTITIONS)))
        )
        self.world = contextlib.ExitStack()
        for module, name, stand_in in (
            (ingest.landing, "LogReader", lambda *_, **__: MemoryReader(self.log)),
            (ingest.opening, "describe_topics", lambda *_, **__: {self.contract.topic: topic}),
            (ingest.opening, "StreamBreaker", lambda *_: NeverOpen()),
            (ingest.tables, "record_deployed", lambda *_, **__: None),
            (lake.catalog.tables, "exclusive", lambda *_, **__: contextlib.nullcontext()),
        ):
            self.world.enter_context(patch.object(module, name, stand_in))

    def teardown(self) -> None:
        """Whatever happened, a last run without mishaps completes it, and one more adds nothing."""
        try:
            self.catalog.mishaps.clear()
            self.land()
            snapshots = self.raw().handle.metadata.current_snapshot_id
            self.land()
            assert self.raw().handle.metadata.current_snapshot_id == snapshots
            assert self.landed().keys() | self.refused().keys() == self.model.keys()
            self.tally.update(schedules=1, records=len(self.model))
        finally:
            self.world.close()
            shutil.rmtree(self.folder)

    @initialize()
    def tables(self) -> None:
        """Both tables are there from the beginning."""
        with patch("ingest.tables.refresh_view", lambda *_: None):
            open_raw(self.catalog, self.settings.landing, self.contract)
            open_quarantine(self.catalog, self.settings.landing, self.contract)
        self.produce(count=12, draw=random.Random(0))

    @rule(count=st.integers(1, 30), draw=st.randoms(use_true_random=False))
    def produce(self, count: int, draw: random.Random) -> None:
        """Append records: one in six poison, one in four of another year, some after a gap."""
        for _ in range(count):
            astray = draw.choice((0, 0, 0, draw.randrange(-4000, 4000)))
            moment = _MIDNIGHT + timedelta(hours=7 * self.produced, days=astray)
            poison = draw.randrange(6) == 0
            value = draw.choice(POISON) if poison else record(self.produced, moment, draw)
            where = draw.randrange(PARTITIONS)
            self.log.append(shard(self.contract.topic, where), value, gap=draw.choice((0, 0, 0, 1, 3)))
            self.model[where, self.log.ends[shard(self.contract.topic, where)] - 1] = value
            self.produced += 1

    @rule(mishaps=st.lists(st.sampled_from(list(Mishap)), min_size=1, max_size=6))
    def land_with(self, mishaps: list[Mishap]) -> None:
        """Land while commits meet these mishaps, one each; the run may die, or say that it can't know."""
        self.catalog.mishaps = list(mishaps)
        self.catalog.rival = self.land
        seen = len(self.catalog.seen)
        with contextlib.suppress(KilledError, OutcomeUnknownError, UnavailableError):
            self.land()
        self.tally.update(mishaps=sum(m is not Mishap.NONE for m in self.catalog.seen[seen:]))
        self.catalog.mishaps.clear()

    @rule(table=st.sampled_from(("raw", "quarantine")))
    def care(self, table: str) -> None:
        """Maintenance between runs: main moves, older snapshots go."""
        self.catalog.care((table, self.contract.stream))

    @invariant()
    def nothing_is_doubled_or_invented(self) -> None:
        """Both tables can be read, hold each coordinate once, and what it says is what was produced."""
        landed, refused = self.landed(), self.refused()
        assert landed.keys() & refused.keys() == set()
        assert (landed.keys() | refused.keys()) <= self.model.keys()
        for place, row in landed.items():
            assert fingerprint(row) == wanted(self.model[place])
        for place, row in refused.items():
            assert row["value"] == self.model[place]
            assert self.model[place] in POISON

    def land(self) -> None:
        """Run landing to the end of the log, as another process would."""
        run_streams(self.settings, [self.contract], catalog=self.catalog, clock=self.clock)

    def raw(self):
        return self._state("raw")

    def _state(self, schema: str):
        return lake.catalog.tables.load_table(
            self.catalog, TableName(schema=schema, name=self.contract.stream)
        )

    def landed(self) -> dict[tuple[int, int], dict]:
        rows = self._rows("raw")
        return self._once(((r["meta"]["partition"], r["meta"]["offset"]), r) for r in rows)

    def refused(self) -> dict[tuple[int, int], dict]:
        return self._once(((r["partition"], r["offset"]), r) for r in self._rows("quarantine"))

    def _rows(self, schema: str) -> list[dict]:
        """Read a table, each of its snapshots once: nothing in one ever changes."""
        state = self._state(schema)
        if state is None:
            return []
        at = schema, state.handle.metadata.current_snapshot_id
        if at not in self.read:
            self.read[at] = state.handle.scan().to_arrow().to_pylist()
        return self.read[at]

    @staticmethod
    def _once(rows) -> dict[tuple[int, int], dict]:
        found = list(rows)
        counted = Counter(place for place, _ in found)
        assert [place for place, n in counted.items() if n > 1] == []
        return dict(found)


def run_schedules(count: int) -> None:
    print(f"{count} schedules, seed {SEED}")  # noqa: T201
    Landing.tally.clear()
    profile = settings(
        max_examples=count,
        stateful_step_count=6,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(seed(SEED)(Landing), settings=profile)
    report("landing schedules", SEED, **Landing.tally)


@pytest.mark.timeout(600)
def test_a_hundred_random_schedules_lose_and_double_nothing() -> None:
    """Crashes, lost, late and doubled requests, rivals and maintenance in any order."""
    run_schedules(100)


def test_the_schedules_find_a_writer_that_does_not_look_where_the_table_stands() -> None:
    """Without the comparison of positions, a rival or a lost answer shows as doubled records."""

    def stage_all(_stored, ranges):
        return CommitPlan(stage=tuple(sorted(ranges)), drop=())

    with patch.object(ingest.stream_tables, "plan_commit", stage_all), pytest.raises(AssertionError):
        run_schedules(100)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_random_schedules_lose_and_double_nothing() -> None:
    """The same, ten times as many."""
    run_schedules(1000)
