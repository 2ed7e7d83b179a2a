"""The shape of the compose file as processes: Kafka, MinIO, Apache's catalog, PostgreSQL, Trino on top."""

from __future__ import annotations

import pytest

from ingest.landing import run_streams
from lake.control import migrate
from lake.settings import LandingSettings, Project, Settings
from tests.fakes.mesh import mesh_project
from tests.fakes.topic_world import TopicWorld
from tests.real.conftest import RunningKafka
from tests.real.engines import read
from tests.real.peers import start_trino

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def production(apache_project: Project, apache: Settings, kafka: RunningKafka) -> Settings:
    """Start Trino over MinIO and Apache's catalog; Kafka brings the topics."""
    migrate(apache.postgres)
    trino = start_trino(apache_project)
    return apache.model_copy(update={"trino": trino, "broker": kafka.made.plain})


def test_records_land_from_kafka_and_both_engines_read_them(production: Settings) -> None:
    """Each record once, in table or quarantine; the tables are the same on DuckDB and on Trino."""
    own = LandingSettings(raw_schema="shape_raw", quarantine_schema="shape_quarantine")
    broker = production.broker.model_copy(update={"topic_prefix": "shape."})
    world = TopicWorld(production.model_copy(update={"landing": own, "broker": broker}))
    for _ in range(2):
        world.produce(1_000)
        run_streams(world.settings, [world.contract])
        world.check()

    found = read(
        world.settings,
        "SELECT basket_id, product_id, sales_value, transaction_timestamp FROM lake.shape_raw.transactions"
        " ORDER BY basket_id",
    )
    assert len(found) == len(world.raw())
    refused = read(
        world.settings, "SELECT stream, count(*) FROM lake.shape_quarantine.records GROUP BY stream"
    )
    assert refused == [("transactions", 2_000 - len(found))]


def test_models_of_both_engines_share_the_tables(
    production: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One plan, a model on each engine and a view over both; a restatement replaces, an environment shows."""
    with mesh_project(tmp_path_factory.mktemp("shape"), production) as project:
        project.sql(
            "CREATE TABLE {raw}.s AS SELECT DATE '2026-01-01' + (i % 5)::INT AS day, i::BIGINT AS v"
            " FROM range(50) r(i)"
        )
        for gateway in ("lake", "trino"):
            project.model(
                f"by_{gateway}",
                f"kind INCREMENTAL_BY_TIME_RANGE (time_column day), gateway {gateway}",
                "SELECT s.day::DATE AS day, SUM(s.v)::BIGINT AS v FROM {raw}.s AS s"
                " WHERE s.day BETWEEN @start_date AND @end_date GROUP BY s.day",
                audits="forall(criteria := (v > 0)), not_null(columns := (day))",
            )
        project.model(
            "both",
            "kind VIEW",
            "SELECT l.day::DATE AS day, l.v::BIGINT AS here, t.v::BIGINT AS there"
            " FROM {me}.by_lake AS l JOIN {me}.by_trino AS t ON l.day = t.day",
        )
        context = project.context()
        span = {"start": "2026-01-01", "end": "2026-01-05", "execution_time": "2026-01-06"}
        project.plan(context, execution_time="2026-01-06")
        sql = f"SELECT day, here, there FROM lake.{project.name}.both ORDER BY day"
        first = read(project.settings, sql)
        project.sql("UPDATE {raw}.s SET v = v + 1")
        project.plan(context, restate_models=[f"{project.name}.by_lake", f"{project.name}.by_trino"], **span)
        project.plan(context, "dev_shape", include_unmodified=True, **span)
        context.close()

        assert [here for _, here, there in first] == [225 + 10 * n for n in range(5)]
        assert [here == there for _, here, there in first] == [True] * 5
        again = [(day, here + 10, there + 10) for day, here, there in first]
        assert read(project.settings, sql) == again
        assert read(project.settings, sql.replace(".both", "__dev_shape.both")) == again
