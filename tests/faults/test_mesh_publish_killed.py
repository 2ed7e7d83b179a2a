"""kill -9 between each pair of steps of a publish: the table is old or new, and the next run heals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.control import AttemptState, read_attempts
from lake.mesh.once import missing
from lake.settings import Settings
from tests.fakes.killed_plan import STEPS
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_killed")]

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 11, 1)
PER_DAY = 10


class Victim:
    """A project whose run is killed in a child, and the child that forks one victim per line."""

    def __init__(self, project: MeshProject, context: Any) -> None:
        self.project, self.context, self.day = project, context, FIRST
        self.forker = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.killed_plan", str(project.project.root)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def new_day(self) -> None:
        self.day += timedelta(days=1)
        self.project.sql(f"INSERT INTO {{raw}}.s SELECT DATE '{self.day}', i FROM range({PER_DAY}) r(i)")

    def kill(self, step: str, model: str) -> int:
        """Run up to the day in a child that is killed at the step; return the signal that ended it."""
        assert self.forker.stdin is not None
        assert self.forker.stdout is not None
        self.forker.stdin.write(f"{step}|{self.project.name}.{model}|{self.moment}\n")
        self.forker.stdin.flush()
        return int(self.forker.stdout.readline())

    def heal(self) -> None:
        """Run up to the day as anybody would."""
        self.context.run(execution_time=self.moment)

    def count(self, model: str) -> int:
        table = ".".join(self.project.physical(self.context, model))
        return int(self.project.sql(f"SELECT COUNT(*) FROM lake.{table}")[0][0])

    @property
    def moment(self) -> str:
        """Return half an hour after the newest day's end."""
        return f"{self.day + timedelta(days=1)} 00:30:00"

    @property
    def days(self) -> int:
        return (self.day - FIRST).days + 1


@pytest.fixture(scope="module")
def victim(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Plan one model that appends and one that adds up by key, for a first day."""
    with mesh_project(tmp_path_factory.mktemp("killed"), stack) as project:
        project.sql(
            f"CREATE TABLE {{raw}}.s AS SELECT DATE '{FIRST}' AS day, i::BIGINT AS v"
            f" FROM range({PER_DAY}) r(i)"
        )
        query = (
            "SELECT day::DATE AS day, v::BIGINT AS v FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
        )
        start = f", start '{FIRST}', cron '@daily'"
        project.model("log", f"kind INCREMENTAL_UNMANAGED{start}", query, audits="not_null(columns := (day))")
        project.model(
            "sums",
            "kind INCREMENTAL_BY_UNIQUE_KEY (unique_key v, when_matched WHEN MATCHED THEN UPDATE SET"
            f" target.n = target.n + source.n){start}",
            "SELECT v::BIGINT AS v, COUNT(*)::BIGINT AS n FROM {raw}.s"
            " WHERE day BETWEEN @start_date AND @end_date GROUP BY v",
        )
        context = project.context()
        project.plan(context, execution_time=f"{FIRST + timedelta(days=1)} 00:30:00")
        victim = Victim(project, context)
        yield victim
        assert victim.forker.stdin is not None
        victim.forker.stdin.close()
        victim.forker.wait()
        context.close()


@pytest.mark.parametrize("step", [step for step in STEPS if "tidy" not in step])
def test_a_run_killed_at_any_step_leaves_old_or_new_and_the_next_run_heals(victim: Victim, step: str) -> None:
    """Rows of a model that appends are there once, whether the kill came before or after COMMIT."""
    victim.heal()
    old = victim.count("log")
    assert old == PER_DAY * victim.days
    victim.new_day()
    assert victim.kill(step, "log") == signal.SIGKILL
    landed = victim.count("log")
    assert landed == old + (PER_DAY if "COMMIT" in step or "record" in step else 0)
    if "record" in step:
        victim.new_day()  # the next run's interval is larger than the one that landed
    victim.heal()
    assert victim.count("log") == PER_DAY * victim.days
    table = ".".join(victim.project.physical(victim.context, "log"))
    assert AttemptState.OPEN not in [a.state for a in read_attempts(victim.project.settings.postgres, table)]


@pytest.mark.parametrize("step", ["after COMMIT", "before tidying", "before the tidy commit"])
def test_a_merge_that_adds_up_adds_once(victim: Victim, step: str) -> None:
    """Killed after its COMMIT, or before its files are tidied: each row counts once."""
    victim.heal()
    victim.new_day()
    assert victim.kill(step, "sums") == signal.SIGKILL
    victim.heal()
    [(least, most)] = victim.context.engine_adapter.fetchall(
        f"SELECT MIN(n), MAX(n) FROM {victim.project.name}.sums"
    )
    assert (least, most) == (victim.days, victim.days)


@pytest.mark.parametrize(
    ("there", "rest"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(-5, 3)], [(3, 10)]),
        ([(4, 6), (2, 5)], [(0, 2), (6, 10)]),
        ([(8, 20), (1, 2)], [(0, 1), (2, 8)]),
        ([(20, 30)], [(0, 10)]),
    ],
)
def test_what_is_evaluated_is_what_has_not_landed(
    there: list[tuple[int, int]], rest: list[tuple[int, int]]
) -> None:
    """Half-open intervals, overlapping or beyond."""
    assert list(missing((0, 10), there)) == rest  # type: ignore[arg-type, comparison-overlap]
