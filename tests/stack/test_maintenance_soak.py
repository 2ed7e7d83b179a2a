"""Many commits with care in between: each looks at no more than the first did, and every row is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lake.catalog import TableSpec, commit, ensure_table, load_table, open_catalog, write_files
from lake.catalog.live_files import read_live_files
from lake.catalog.retention import landing_retention
from lake.clock import Deadline, SystemClock
from lake.maintenance.care import CarePolicy, care_for
from lake.maintenance.compact import CompactPolicy
from lake.settings import Settings
from lake.types import Field, Primitive, TableName

pytestmark = pytest.mark.stack

FIELDS = tuple(Field(name=f"c{n}", type=Primitive.LONG) for n in range(10))
POOLED = 25 * 2  # connections of a storage client, which it opens as it needs them, and what wakes each
POLICY = CarePolicy(compact=CompactPolicy(quiet=timedelta(0)))


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a commit finds: snapshots and manifests to look at, live files, and its processor time.

    `document` is the size of the table's metadata document in KiB, `memory` this process's in MiB.
    """

    snapshots: int
    manifests: int
    files: int
    milliseconds: float
    document: float
    memory: float
    open_files: int


def soak(settings: Settings, *, commits: int, care_every: int) -> list[Load]:
    """Commit, care now and then, and report the load right before each care."""
    catalog, clock = open_catalog(settings), SystemClock()
    name = TableName(schema=settings.landing.raw_schema, name="soak")
    state = ensure_table(catalog, TableSpec(name=name, fields=FIELDS))
    loads: list[Load] = []
    process = psutil.Process()
    spent: list[float] = []
    for number in range(1, commits + 1):
        files = write_files(state, pa.table({f.name: pa.array([number] * 50) for f in FIELDS}))
        began = time.process_time()
        outcome = commit(
            catalog,
            state,
            files=files,
            properties={"ingest.position.c/t/0": str(number)},
            deadline=Deadline.after(60, clock),
            retain=landing_retention(settings.landing),
        )
        spent.append(time.process_time() - began)
        state = outcome.state
        if number % care_every == 0:
            live = read_live_files(state)
            loads.append(
                Load(
                    snapshots=len(state.handle.metadata.snapshots),
                    manifests=len(live.manifests),
                    files=len(live.files),
                    milliseconds=median(spent) * 1000,
                    document=len(state.handle.metadata.model_dump_json()) / 1024,
                    memory=process.memory_info().rss / 2**20,
                    open_files=process.num_fds(),
                )
            )
            spent.clear()
            care_for(catalog, name, clock=clock, policy=POLICY, folders={}, sweeps=number % 1000 == 0)
            found = load_table(catalog, name)
            assert found is not None
            state = found
    total = state.handle.scan(selected_fields=("c0",)).to_arrow()["c0"]
    assert total.length() == 50 * commits
    assert pc.sum(total).as_py() == 50 * commits * (commits + 1) // 2
    assert state.properties["ingest.position.c/t/0"] == str(commits)
    return loads


def assert_flat(loads: list[Load], settings: Settings, *, care_every: int) -> None:
    """Compare the last rounds with the first: nothing may have grown with the number of commits."""
    landing = settings.landing
    for load in loads:
        assert load.snapshots <= landing.retained_snapshots + landing.retained_hours + 2
        assert load.files <= care_every + 4
        assert load.manifests <= care_every + 12
        assert load.document <= 4 * landing.retained_snapshots + 4 * landing.retained_hours
        assert load.open_files <= loads[0].open_files + 2 * POOLED
    assert loads[-1].manifests <= max(load.manifests for load in loads[:3]) + 4


def test_sixty_commits_with_care_stay_as_light_as_twenty(lake_settings: Settings) -> None:
    """The short version of the soak."""
    loads = soak(lake_settings, commits=60, care_every=20)
    assert_flat(loads, lake_settings, care_every=20)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_ten_thousand_commits_stay_as_light_as_a_hundred(lake_settings: Settings) -> None:
    """What it costs is printed, what it looks at is asserted."""
    loads = soak(lake_settings, commits=10_000, care_every=100)
    for place in (0, 9, 24, 49, 74, 99):
        print(f"after {(place + 1) * 100} commits: {loads[place]}")  # noqa: T201 - the soak's evidence
    assert_flat(loads, lake_settings, care_every=100)
