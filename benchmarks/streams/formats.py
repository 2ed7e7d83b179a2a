"""How fast landing is: each format against the floor of the same run, and what poison costs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import Figure, against_goal, at_least
from benchmarks.streams.child import measured
from benchmarks.streams.produce import produce
from benchmarks.streams.records import contract
from lake.contracts import Format
from lake.settings import Project, Settings

GOALS = {Format.JSON: 150_000, Format.AVRO: 250_000, Format.PROTOBUF: 200_000}
GOAL_MEGABYTES = 600.0
_ROUNDS = 2  # the one with the least processor time counts: others on the machine only ever add


def formats(project: Project, settings: Settings, records: int) -> Iterator[Figure]:
    """Land each format and its floor, in turns."""
    for written, goal in GOALS.items():
        own = contract(written)
        size = produce(settings, own, records)
        low, used, memory = [], [], 0.0
        for turn in range(_ROUNDS):
            bare = measured(project, "floor", written=written.value, topic=own.topic)
            landed = measured(
                project, "land", written=written.value, topic=own.topic, stream=f"{own.stream}_{turn}"
            )
            assert bare["rows"] == landed["rows"] == records
            low.append(bare["cpu"])
            used.append(landed["cpu"])
            memory = max(memory, landed["megabytes"])
        rate, most = records / min(used), records / min(low)
        name = f"{written.value} of {size:.0f} B"
        yield at_least(f"{name}: records per CPU second", rate, "rec/s", goal)
        if written is Format.JSON:
            yield at_least(f"{name}: bytes per CPU second", rate * size / 1e6, "MB/s", 40)
        yield Figure(metric=f"{name}: the floor", value=round(most), unit="rec/s")
        yield at_least(f"{name}: of the floor", rate / most, "", 0.7)
        yield against_goal(f"{name}: memory of the process", memory, "MB", GOAL_MEGABYTES)


def poison(project: Project, settings: Settings, records: int) -> Iterator[Figure]:
    """Land the same records clean, with one bad one, and with one in a hundred, in turns."""
    kinds = {"clean": 0, "rare": records, "frequent": 100}
    used: dict[str, list[float]] = {name: [] for name in kinds}
    for name, every in kinds.items():
        produce(settings, contract(Format.JSON, f"bench_{name}"), records, poison_every=every)
    for turn in range(_ROUNDS + 1):
        for name in kinds:
            topic = f"bench_{name}"
            found = measured(project, "land", written="json", topic=topic, stream=f"{topic}_{turn}")
            assert found["rows"] == records
            used[name].append(found["cpu"])
    for name, most in (("rare", 0.02), ("frequent", 0.2)):
        cost = min(used[name]) / min(used["clean"]) - 1
        label = f"one in {records}" if name == "rare" else "one in a hundred"
        yield Figure(
            metric=f"poison, {label}: CPU more than clean",
            value=round(100 * cost, 1),
            unit="%",
            against=f"goal < {100 * most:g} %",
            ratio=round(cost / most, 2),
        )
