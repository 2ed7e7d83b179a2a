"""Audited or invisible on Trino: refusals, lost answers, readers in a loop; one snapshot per publish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlglot import exp
from sqlmesh.core.state_sync import EngineAdapterStateSync

from lake.catalog.open import open_catalog
from lake.control import (
    AttemptState,
    Result,
    read_attempts,
    read_audit_results,
    read_evaluations,
    read_evidence,
)
from lake.errors import UnavailableError
from lake.mesh.engine import open_engine
from lake.mesh.errors import as_stock
from lake.mesh.trino import open_trino
from lake.mesh.trino.adapter import LakeTrinoAdapter
from lake.mesh.trino.queries import QUERY_ID
from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = pytest.mark.real

DAYS, ROWS = 10, 1000
PUBLISHES = [
    pytest.param(20, marks=pytest.mark.timeout(900)),
    pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
]


@pytest.fixture(scope="module")
def project(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with one audited incremental model and one FULL model, both on Trino."""
    with mesh_project(tmp_path_factory.mktemp("publish"), trino_lake) as project:
        project.sql(
            f"CREATE TABLE {{raw}}.s AS SELECT DATE '2026-01-01' + (i % {DAYS})::INT AS day,"
            f" (i // {DAYS})::INT AS id, 1::BIGINT AS v FROM range({ROWS}) r(i)"
        )
        project.model(
            "daily",
            "gateway trino, kind INCREMENTAL_BY_TIME_RANGE (time_column day), partitioned_by (month(day))",
            "SELECT day::DATE AS day, id::INT AS id, v::BIGINT AS v FROM {raw}.s"
            " WHERE day BETWEEN @start_date AND @end_date",
            audits="forall(criteria := (v > 0)), not_null(columns := (day))",
        )
        project.model(
            "total",
            "gateway trino, kind FULL",
            "SELECT COUNT(*)::BIGINT AS n, SUM(v)::BIGINT AS v FROM {me}.daily",
            audits="forall(criteria := (v > 0))",
        )
        project.model(
            "log",
            "gateway trino, kind INCREMENTAL_UNMANAGED, start '2026-01-01', cron '@daily'",
            "SELECT day::DATE AS day, id::INT AS id FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date",
        )
        yield project


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the planned project."""
    context = project.context()
    project.plan(context, execution_time="2026-01-11")
    yield context
    context.close()


def restate(project: MeshProject, context: Any) -> None:
    project.plan(
        context,
        restate_models=[f"{project.name}.daily"],
        start="2026-01-01",
        end="2026-01-10",
        execution_time="2026-01-11",
    )


def set_v(project: MeshProject, value: int) -> None:
    """Let the source hold a value in all rows; no publish may show two."""
    project.sql(f"UPDATE {{raw}}.s SET v = {value}")


def snapshots(project: MeshProject, context: Any, model: str = "daily") -> list[Any]:
    """Return the snapshots that Trino committed, oldest first; files are tidied up in others."""
    table = open_catalog(project.settings).load_table(project.physical(context, model))
    return [s for s in table.metadata.snapshots if QUERY_ID in s.summary.additional_properties]


def leftovers(project: MeshProject) -> list[str]:
    tables = open_catalog(project.settings).list_tables((f"sqlmesh__{project.name}",))
    return [name for _, name in tables if "__stage_" in name or "__copy_" in name]


def attempts(project: MeshProject, context: Any) -> Any:
    schema, table = project.physical(context, "daily")
    return read_attempts(project.settings.postgres, f"{schema}.{table}")


def test_a_publish_is_one_snapshot_that_can_be_traced(project: MeshProject, context: Any) -> None:
    """From the snapshot by its query to the attempt, and by the attempt to model, run and audits."""
    before = len(snapshots(project, context))
    restate(project, context)

    found = snapshots(project, context)
    newest = attempts(project, context)[0]
    assert len(found) == before + 1
    assert newest.state is AttemptState.LANDED
    assert newest.snapshot_id == found[-1].snapshot_id
    assert found[-1].summary.additional_properties[QUERY_ID] == newest.query_id
    (evaluation,) = [
        e
        for e in read_evaluations(project.settings.postgres, limit=100)
        if e.snapshot_id == newest.snapshot_id
    ]
    assert (evaluation.engine, evaluation.rows, evaluation.result) == ("trino", ROWS, Result.SUCCEEDED)
    audits = [a for a in read_audit_results(project.settings.postgres) if a.run_id == evaluation.run_id]
    assert {a.audit.split("(")[0] for a in audits} >= {"forall", "not_null"}
    assert leftovers(project) == []


def test_a_failing_audit_leaves_the_table_as_it_was(project: MeshProject, context: Any) -> None:
    """The same snapshot, the failing rows kept; the next plan after mending publishes."""
    before = [s.snapshot_id for s in snapshots(project, context)]
    project.sql("UPDATE {raw}.s SET v = -1 WHERE day = DATE '2026-01-03' AND id < 5")

    with pytest.raises(Exception, match="Plan application failed"):
        restate(project, context)

    assert [s.snapshot_id for s in snapshots(project, context)] == before
    assert attempts(project, context)[0].state is AttemptState.REFUSED
    failed = next(a for a in read_audit_results(project.settings.postgres) if a.failing)
    evidence = read_evidence(project.settings.postgres, failed.audit_result_id)
    assert failed.failing == 5
    assert [row["v"] for row in evidence.rows] == [-1] * 5
    assert leftovers(project) == []

    set_v(project, 1)
    restate(project, context)
    assert len(snapshots(project, context)) == len(before) + 1


def test_a_commit_whose_answer_is_lost_is_found_by_its_query(
    project: MeshProject, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It landed: nothing is repeated, and the plan succeeds."""
    stock, lost = LakeTrinoAdapter.run, []

    def run(self: Any, statement: exp.Expr, *, on_query: Any = None) -> int:
        rows = stock(self, statement, on_query=on_query)
        if on_query is not None:
            lost.append(statement)
            raise as_stock(UnavailableError("trino", "the answer was lost", hint=""))
        return rows

    before = len(snapshots(project, context))
    monkeypatch.setattr(LakeTrinoAdapter, "run", run)
    restate(project, context)

    assert len(lost) >= 1
    assert len(snapshots(project, context)) == before + 1
    assert attempts(project, context)[0].state is AttemptState.LANDED
    assert leftovers(project) == []


def test_a_commit_that_never_ran_is_made_anew(
    project: MeshProject, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trino knows no such query: the whole interval is evaluated again and lands once."""
    stock, refused = LakeTrinoAdapter.run, []

    def run(self: Any, statement: exp.Expr, *, on_query: Any = None) -> int:
        if on_query is not None and not refused:
            refused.append(statement)
            on_query("20260101_000000_00000_xxxxx")
            raise as_stock(UnavailableError("trino", "the connection was refused", hint=""))
        return stock(self, statement, on_query=on_query)

    before = len(snapshots(project, context))
    monkeypatch.setattr(LakeTrinoAdapter, "run", run)
    restate(project, context)

    assert len(snapshots(project, context)) == before + 1
    states = [a.state for a in attempts(project, context)[:2]]
    assert states == [AttemptState.LANDED, AttemptState.CONFLICT]


def test_a_publish_that_was_killed_is_settled_by_the_next(
    project: MeshProject, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its commit: the attempt is lost, its stage goes, the next plan heals."""
    stock = LakeTrinoAdapter.run

    def run(self: Any, statement: exp.Expr, *, on_query: Any = None) -> int:
        if on_query is not None:
            raise KeyboardInterrupt
        if isinstance(statement, exp.Drop):
            return 0  # a killed process drops nothing
        return stock(self, statement, on_query=on_query)

    before = [s.snapshot_id for s in snapshots(project, context)]
    with monkeypatch.context() as patch:
        patch.setattr(LakeTrinoAdapter, "run", run)
        patch.setattr("lake.mesh.publish.settle_attempt", lambda *_, **__: None)
        with pytest.raises((KeyboardInterrupt, Exception)):
            restate(project, context)
    assert [s.snapshot_id for s in snapshots(project, context)] == before
    assert leftovers(project) != []

    restate(project, context)

    assert leftovers(project) == []
    assert attempts(project, context)[1].state is AttemptState.LOST
    assert attempts(project, context)[0].state is AttemptState.LANDED


@pytest.mark.parametrize("publishes", PUBLISHES)
def test_readers_in_a_loop_see_one_state_or_the_next(
    project: MeshProject, context: Any, publishes: int
) -> None:
    """On Trino and on DuckDB, during publishes and refusals: all rows, all with one audited value."""
    seen: dict[str, list[tuple[int, int, int]]] = {"trino": [], "duckdb": []}
    errors: list[BaseException] = []
    done = threading.Event()
    sql = f"SELECT count(*), min(v), max(v) FROM lake.{'.'.join(project.physical(context, 'daily'))}"

    def read_trino() -> None:
        with open_trino(project.settings.trino) as connection:
            while not done.is_set():
                cursor = connection.cursor()
                cursor.execute(sql)
                seen["trino"].append(tuple(cursor.fetchall()[0]))

    def read_duckdb() -> None:
        engine = open_engine(project.settings, read_only=True)
        while not done.is_set():
            seen["duckdb"].append(engine.execute(sql).fetchall()[0])
        engine.close()

    def guarded(read: Any) -> None:
        try:
            read()
        except BaseException as error:  # noqa: BLE001  a thread's errors are looked at below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(read,)) for read in (read_trino, read_duckdb)]
    for thread in threads:
        thread.start()
    refused = 0
    try:
        for number in range(1, publishes + 1):
            set_v(project, -1 if number % 4 == 0 else number)
            try:
                restate(project, context)
            except Exception:
                if number % 4:
                    raise
                refused += 1
    finally:
        done.set()
        for thread in threads:
            thread.join()

    print({engine: (len(rows), len(set(rows))) for engine, rows in seen.items()}, "refused", refused)  # noqa: T201  figures for the log
    assert errors == []
    assert refused == publishes // 4
    for rows in seen.values():
        assert len(rows) > publishes
        assert len(set(rows)) > 2
        assert [row for row in rows if row[0] != ROWS or row[1] != row[2] or row[1] < 1] == []


def test_rows_that_landed_before_a_kill_are_not_appended_again(
    project: MeshProject, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between Trino's commit and SQLMesh's record: the next run records what is there."""
    count = f"SELECT count(*) FROM lake.{'.'.join(project.physical(context, 'log'))}"
    [(before,)] = project.sql(count)
    project.sql("INSERT INTO {raw}.s SELECT DATE '2026-01-11', i::INT, 1 FROM range(7) r(i)")

    def run() -> None:
        context.run(select_models=[f"{project.name}.log"], execution_time="2026-01-12 00:30:00")

    stock = EngineAdapterStateSync.add_snapshots_intervals

    def killed(self: Any, intervals: Any) -> None:
        if intervals:
            raise RuntimeError("killed")
        stock(self, intervals)

    with monkeypatch.context() as patch:
        patch.setattr(EngineAdapterStateSync, "add_snapshots_intervals", killed)
        with suppress(Exception):  # whether a failed run raises or returns is SQLMesh's own
            run()
    assert project.sql(count) == [(before + 7,)]

    run()
    assert project.sql(count) == [(before + 7,)]
    project.sql("INSERT INTO {raw}.s SELECT DATE '2026-01-12', i::INT, 1 FROM range(3) r(i)")
    context.run(select_models=[f"{project.name}.log"], execution_time="2026-01-13 00:30:00")
    assert project.sql(count) == [(before + 10,)]
