"""The signal `landed` keeps an interval open while a partition of its stream lags behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_signal")]

SIGNAL = Path(__file__).parents[2] / "signals" / "landed.py"


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a stream of two partitions, the second landed up to noon of the third day only."""
    with mesh_project(tmp_path_factory.mktemp("signal"), stack) as project:
        project.sql(
            "CREATE TABLE {raw}.s AS"
            " SELECT TIMESTAMPTZ '2026-11-01 00:00:00+00' + INTERVAL (i) HOUR AS moment,"
            " {{'partition': 0}} AS meta FROM range(120) r(i) UNION ALL"
            " SELECT TIMESTAMPTZ '2026-11-01 00:00:00+00' + INTERVAL (i) HOUR, {{'partition': 1}}"
            " FROM range(61) r(i)"
        )
        project.write("signals/landed.py", SIGNAL.read_text(encoding="utf-8"))
        project.write("signals/__init__.py", "")
        project.model(
            "hours",
            "kind INCREMENTAL_BY_TIME_RANGE (time_column moment), start '2026-11-01',"
            f" signals (landed(stream := s, event_time := moment, schema := {project.raw}))",
            "SELECT moment::TIMESTAMPTZ AS moment FROM {raw}.s WHERE moment BETWEEN @start_dt AND @end_dt",
        )
        yield project


def newest(context: Any, project: MeshProject) -> str:
    return str(context.engine_adapter.fetchone(f"SELECT MAX(moment)::DATE FROM {project.name}.hours")[0])


def test_an_interval_closes_when_every_partition_is_past_it(project: MeshProject) -> None:
    """By the rows first, then by what landing says, and a partition read to its end holds nobody up."""
    context = project.context()
    project.plan(context)
    assert newest(context, project) == "2026-11-02", "the third day is half landed in partition 1"
    project.sql("INSERT INTO {raw}.s VALUES (TIMESTAMPTZ '2026-11-04 00:00:00+00', {{'partition': 1}})")
    context.run()
    assert newest(context, project) == "2026-11-03"
    facts = {
        0: {"newest": "2026-11-05T23:00:00+00:00", "read_to_end_at": None},
        1: {"newest": "2026-11-04T00:00:00+00:00", "read_to_end_at": "2026-11-05T00:10:00+00:00"},
    }
    pairs = ", ".join(f"'ingest.event_time.c/t/{p}': '{json.dumps(f)}'" for p, f in facts.items())
    project.engine.execute(f"CALL set_iceberg_table_properties(lake.{project.raw}.s, {{{pairs}}})").fetchall()
    context.run()
    assert newest(context, project) == "2026-11-04", "nothing is to come for the fourth day"
    context.close()
