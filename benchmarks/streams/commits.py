"""What a commit costs when there are many of them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import Figure, against_goal
from benchmarks.streams.child import measured
from benchmarks.streams.produce import produce
from benchmarks.streams.records import contract
from lake.contracts import Format
from lake.settings import Project, Settings

_ROWS = 100  # of a commit
_MARKS = (100, 300, 1_000, 3_000, 10_000)


def commits(project: Project, settings: Settings, count: int) -> Iterator[Figure]:
    """Commit many small batches of one stream, care for its table included."""
    own = contract(Format.JSON, "bench_commits")
    produce(settings, own, count * _ROWS)
    marks = [mark for mark in _MARKS if mark < count] + [count]
    found = measured(
        project,
        "land",
        written="json",
        topic=own.topic,
        landing={"commit_rows": _ROWS},
        marks=marks,
    )
    loads = found["loads"]
    for load in loads:
        name = f"commit {load['commits']}"
        yield against_goal(f"{name}: CPU of one, care included", load["milliseconds"], "ms", 100)
        yield Figure(metric=f"{name}: table's metadata document", value=load["document"], unit="KiB")
        yield Figure(metric=f"{name}: metadata in storage, a day's", value=load["stored"], unit="MiB")
        yield Figure(metric=f"{name}: resident memory", value=load["rss"], unit="MiB")
        yield Figure(metric=f"{name}: open files and sockets", value=load["open"], unit="")
    yield Figure(
        metric="CPU of a commit, the last mark against the first",
        value=round(loads[-1]["milliseconds"], 1),
        unit="ms",
        against=f"commit {loads[0]['commits']}",
        ratio=round(loads[-1]["milliseconds"] / loads[0]["milliseconds"], 2),
    )
