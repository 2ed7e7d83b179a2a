"""What maintenance decides: which snapshots stay, which files go, which are put together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lake.catalog.inventory import StoredFile, plain_path
from lake.catalog.live_files import LiveFile, LiveFiles
from lake.catalog.retention import Kept, Retention, plan_expiry
from lake.maintenance.compact import CompactPolicy, plan_compaction
from lake.maintenance.sweep import SweepPolicy, plan_sweep
from lake.types import SnapshotId

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
AGES = st.lists(st.integers(0, 72 * 60), min_size=1, max_size=60, unique=True)  # minutes
fast = settings(deadline=None)


def snapshots(ages: list[int]) -> list[Kept]:
    """Return one snapshot per age, numbered from the oldest."""
    return [
        Kept(id=SnapshotId(n), sequence=n, committed_at=NOW - timedelta(minutes=age))
        for n, age in enumerate(sorted(ages, reverse=True))
    ]


@fast
@given(AGES, st.integers(1, 20), st.integers(0, 48), st.data())
def test_the_newest_the_named_and_the_last_of_each_hour_stay(
    ages: list[int], newest: int, hours: int, data: st.DataObject
) -> None:
    """Counted another way; the head of main always stays, and what goes is in order of age."""
    every = snapshots(ages)
    named = frozenset(data.draw(st.sets(st.sampled_from([s.id for s in every]))))
    gone = plan_expiry(every, Retention(newest=newest, hours=hours), named=named, now=NOW)
    kept = [s for s in every if s.id not in gone]
    assert named <= {s.id for s in kept}
    assert every[-newest:] == [s for s in kept if s in every[-newest:]]
    assert sorted(gone) == list(gone)
    young = [s for s in every if s.committed_at > NOW - timedelta(hours=hours)]
    for snapshot in young:
        same = [s for s in young if f"{s.committed_at:%d%H}" == f"{snapshot.committed_at:%d%H}"]
        assert same[-1] in kept
    assert len(kept) <= newest + hours + 1 + len(named)


def test_two_days_of_commits_every_minute_leave_some_seventy_snapshots() -> None:
    """What a reader of the metadata has to parse is bounded."""
    every = snapshots(list(range(72 * 60)))
    gone = plan_expiry(every, Retention(newest=20, hours=48), named=frozenset(), now=NOW)
    assert 65 <= len(every) - len(gone) <= 70


FILES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), max_size=8)  # path to age, hours


@fast
@given(
    FILES,
    st.frozensets(st.sampled_from("abcdefgh")),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), max_size=8),
)
def test_a_file_is_deleted_only_when_it_is_old_unreached_and_was_condemned_long_ago(
    ages: dict[str, int], reachable: frozenset[str], condemned: dict[str, int]
) -> None:
    """Each of the three alone keeps it; what is reached again is forgotten."""
    files = {
        path: StoredFile(path=path, bytes=1, modified_at=NOW - timedelta(hours=age))
        for path, age in ages.items()
    }
    since = {path: NOW - timedelta(hours=age) for path, age in condemned.items()}
    plan = plan_sweep(files, reachable, since, policy=SweepPolicy(), now=NOW)
    lost = {path for path, age in ages.items() if age >= 24 and path not in reachable}
    assert set(plan.delete) == {path for path in lost if condemned.get(path, 0) >= 24}
    assert set(plan.condemn) == lost - condemned.keys()
    assert set(plan.pardon) == condemned.keys() - lost


def test_a_path_has_one_spelling() -> None:
    """Engines write the same file differently: it must not look unreached."""
    assert plain_path("s3a://b//x/y=1%3A2/z.parquet") == "s3://b/x/y=1%3A2/z.parquet"
    assert plain_path("file:///tmp/x") == "file:///tmp/x"


@st.composite
def live_files(draw: st.DrawFn) -> LiveFiles:
    files = [
        LiveFile(
            path=f"f{n}",
            partition=(draw(st.integers(0, 1)), draw(st.sampled_from("pq"))),
            rows=1,
            bytes=draw(st.integers(1, 100)),
            sequence=draw(st.integers(1, 9)),
        )
        for n in range(draw(st.integers(0, 25)))
    ]
    shared = {(0, "p"): ("d",)} if draw(st.booleans()) else {}
    return LiveFiles(files=tuple(files), shared=shared, equality=draw(st.integers(0, 9)) == 0, manifests=())


@fast
@given(live_files(), st.integers(0, 9), st.integers(10, 200))
def test_groups_hold_small_quiet_files_of_one_partition_and_fit_into_one_file(
    live: LiveFiles, quiet_until: int, target: int
) -> None:
    """No file twice, none that is still young, none of a partition that deletes reach as a whole."""
    policy = CompactPolicy(target_bytes=target, open_files=3, closed_files=2, bytes_at_once=500)
    groups = plan_compaction(live, policy, spec_id=0, quiet_until=quiet_until)
    chosen = [file.path for group in groups for file in group]
    assert len(chosen) == len(set(chosen))
    assert sum(file.bytes for group in groups for file in group) <= 500
    for group in groups:
        assert len({file.partition for file in group}) == 1
        assert group[0].partition[0] == 0
        assert group[0].partition not in live.shared
        assert not live.equality
        assert len(group) >= 2
        assert sum(file.bytes for file in group) <= target
        assert all(file.sequence <= quiet_until for file in group)
        others = [f for f in live.files if f.partition == group[0].partition]
        if any(f.sequence > quiet_until for f in others):
            assert len(group) >= 3
