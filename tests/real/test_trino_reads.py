"""What others write, read by both engines: the history, landing's tables and the views over them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.landing import run_streams
from lake.control import migrate
from lake.control.history_log import KINDS
from lake.mesh.ops import append_history, table_spec
from lake.settings import HistorySettings, Settings
from lake.types import quote_identifier
from tests.fakes.deployed import deploy, majors
from tests.fakes.mesh import MeshProject, mesh_project, write_endpoints
from tests.fakes.topic_world import TopicWorld
from tests.real.engines import read
from tests.stack.test_landing_changelog import LATEST, land_people

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def planned(trino_lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project that was planned: a model on each engine, with an audit."""
    with mesh_project(tmp_path_factory.mktemp("reads"), trino_lake) as project:
        write_endpoints(
            project.project, trino_lake, database=project.name, history={"ops_schema": f"{project.name}_ops"}
        )
        project.sql("CREATE TABLE {raw}.s AS SELECT i::BIGINT AS v FROM range(7) r(i)")
        for name in ("lake", "trino"):
            project.model(
                f"on_{name}",
                f"kind FULL, gateway {name}",
                "SELECT s.v::BIGINT AS v FROM {raw}.s AS s",
                audits="not_null(columns := (v))",
            )
        context = project.context()
        project.plan(context)
        context.engine_adapter.runtime.history.flush()
        context.close()
        yield project


def test_the_history_says_the_same_on_both_engines(planned: MeshProject) -> None:
    """Every column of every table of `lake.ops`; models of both engines are in it."""
    history = HistorySettings(ops_schema=f"{planned.name}_ops")
    settings = planned.settings.model_copy(update={"history": history})
    append_history(settings)

    found = {}
    for kind in KINDS:
        columns = [field.name for field in table_spec(history.ops_schema, kind).fields]
        listed = ", ".join(map(quote_identifier, columns))
        sql = f"SELECT {listed} FROM lake.{history.ops_schema}.{kind} ORDER BY {columns[0]}"
        found[kind] = [dict(zip(columns, row, strict=True)) for row in read(settings, sql)]

    assert all(found[kind] for kind in ("plans", "runs", "evaluations", "audit_results", "promotions"))
    assert {row["engine"] for row in found["evaluations"]} == {"duckdb", "trino"}
    assert {row["rows"] for row in found["evaluations"]} == {7}
    assert [row["status"] for row in found["audit_results"]] == ["passed", "passed"]


def test_the_latest_rows_of_a_changelog_are_the_same_on_both_engines(lake_settings: Settings) -> None:
    """A view of landing, in one text for both; and the table of changes beneath it."""
    land_people(lake_settings)
    schema = lake_settings.landing.raw_schema

    latest = read(lake_settings, f"SELECT id, name FROM lake.{schema}.people_latest ORDER BY id")
    changes = read(
        lake_settings,
        'SELECT id, name, meta.op, meta.produced_at, meta."partition", meta."offset"'
        f" FROM lake.{schema}.people ORDER BY 5, 6",
    )

    assert latest == LATEST
    assert len(changes) == 10


def test_landed_refused_and_united_rows_are_the_same_on_both_engines(lake_settings: Settings) -> None:
    """A stream's table, the view over two major versions of it, and the view over all quarantines."""
    migrate(lake_settings.postgres)
    world = TopicWorld(lake_settings)
    first, second = majors(world.contract)
    world.produce(300)
    run_streams(world.settings, [first])
    deploy(world.settings, second, first)
    raw, refused = lake_settings.landing.raw_schema, lake_settings.landing.quarantine_schema
    key = 'basket_id, product_id, quantity, transaction_timestamp, meta."partition", meta."offset"'

    lines = read(
        lake_settings,
        f"SELECT {key}, sales_value FROM lake.{raw}.transactions ORDER BY basket_id, product_id",
    )
    united = read(
        lake_settings,
        f"SELECT {key}, sales_cents FROM lake.{raw}.transactions_v2_all ORDER BY basket_id, product_id",
    )
    records = read(
        lake_settings,
        'SELECT stream, reason, "partition", "offset", first_seen, state, resolution_reason, resolved_at'
        f' FROM lake.{refused}.records ORDER BY "partition", "offset"',
    )

    assert len(lines) == 297
    assert [(*row[:-1], int(row[-1] * 100)) for row in lines] == united
    assert len(records) == 3
    assert {row[0] for row in records} == {"transactions"}
