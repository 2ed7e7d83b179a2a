"""Files stay few: however often a model is published, and however many environments come and go."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pyarrow.fs import FileSelector

from lake.catalog.live_files import read_live_files
from lake.catalog.open import open_catalog
from lake.catalog.tables import TableState, list_tables, load_table
from lake.catalog.views import list_schemas, list_views
from lake.control import AttemptState, read_attempts
from lake.mesh.stamps import STAMP, read_stamps
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_files")]

SOURCE = """\
CREATE TABLE {raw}.s AS
SELECT DATE '2026-11-01' + (i % 20)::INT AS day, i::BIGINT AS id FROM range(2000) r(i)"""


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project of a FULL model, one by key and one by time, the latter two on all days."""
    with mesh_project(tmp_path_factory.mktemp("files"), stack) as project:
        project.sql(SOURCE)
        between = "FROM {raw}.s WHERE day BETWEEN @start_date AND @end_date"
        start = ", start '2026-11-01'"
        project.model("whole", f"kind FULL{start}", "SELECT id, day FROM {raw}.s")
        project.model(
            "keyed", f"kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id){start}", f"SELECT id, day {between}"
        )
        project.model(
            "daily",
            f"kind INCREMENTAL_BY_TIME_RANGE (time_column day), partitioned_by (month(day)){start}",
            f"SELECT day, id {between}",
        )
        yield project


def state(project: MeshProject, context: Any, model: str) -> TableState:
    schema, name = project.physical(context, model)
    found = load_table(open_catalog(project.settings), TableName(schema=schema, name=name))
    assert found is not None
    return found


def files(state: TableState) -> tuple[int, int]:
    """Count main's data files and delete files."""
    live = read_live_files(state)
    return len(live.files), sum(len(f.deletes) for f in live.files)


@pytest.mark.parametrize(
    "refreshes", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_a_model_refreshed_again_and_again_has_the_files_of_one_refresh(
    project: MeshProject, context: Any, refreshes: int
) -> None:
    """No dead file and no delete file is left; metadata is bounded; attempts stay recognisable."""
    models = ("whole", "keyed", "daily")
    first = {model: files(state(project, context, model)) for model in models}
    before = read_seconds(project, context, models)
    for _ in range(refreshes):
        project.plan(
            context,
            restate_models=[f"{project.name}.{m}" for m in models],
            start="2026-11-01",
            end="2026-11-20",
        )
    retained = project.settings.engine.retained_snapshots
    for model in models:
        now = state(project, context, model)
        assert files(now) == first[model] == (1, 0), model
        assert now.rows == 2000
        assert len(now.handle.metadata.snapshots) <= min(retained, 3 * refreshes + 1)
        attempts = read_attempts(project.settings.postgres, str(now.name))[:3]
        assert {a.state for a in attempts} == {AttemptState.LANDED}
        assert [str(a.attempt_id) for a in attempts] == list(read_stamps(now.properties[STAMP]))[:3]
    assert project.sql(
        "SELECT COUNT(*), COUNT(DISTINCT id) FROM lake." + ".".join(project.physical(context, "keyed"))
    ) == [(2000, 2000)]
    after = read_seconds(project, context, models)
    print(f"{refreshes} refreshes of 3 models: 1 file each, reading {after / before:.2f} x as after one")  # noqa: T201


def read_seconds(project: MeshProject, context: Any, models: tuple[str, ...]) -> float:
    """Return the median time to read all rows of the models; to be told, the machine has other work too."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        for model in models:
            project.sql("SELECT SUM(id) FROM lake." + ".".join(project.physical(context, model)))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def test_single_days_published_one_by_one_are_put_together(project: MeshProject, context: Any) -> None:
    """Eight days restated one by one leave a few files, not one per day with a delete file each."""
    for day in range(1, 9):
        when = f"2026-11-{day:02}"
        project.plan(context, restate_models=[f"{project.name}.daily"], start=when, end=when)
    now = state(project, context, "daily")
    data, deletes = files(now)
    assert data < 7
    assert deletes < 7


@pytest.mark.parametrize(
    "cycles", [3, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_environments_that_come_and_go_leave_nothing(project: MeshProject, context: Any, cycles: int) -> None:
    """The same tables, views and schemas as before, and no file of a table that was dropped."""
    catalog = open_catalog(project.settings)

    def there() -> tuple[set[str], set[str], set[str]]:
        schemas = {s for s in list_schemas(catalog) if project.name in s}
        tables = {str(t) for s in schemas for t in list_tables(catalog, s)}
        return schemas, tables, {str(v) for s in schemas for v in list_views(catalog, s)}

    before = there()
    for cycle in range(cycles):
        project.model(
            "whole", "kind FULL, start '2026-11-01'", f"SELECT id, day, {cycle} AS c FROM {{raw}}.s"
        )
        project.model("over", "kind VIEW", "SELECT id FROM {me}.whole")
        context.load()
        project.plan(context, f"dev_{cycle}")
        context.invalidate_environment(f"dev_{cycle}", sync=True)
        context.run_janitor(ignore_ttl=True)
    assert there() == before
    physical = f"sqlmesh__{project.name}"
    some = state(project, context, "daily").handle
    root = some.location().removeprefix("s3://").split(f"/{physical}/")[0]
    storage = some.io.fs_by_scheme("s3", None)
    folders = {info.base_name for info in storage.get_file_info(FileSelector(f"{root}/{physical}"))}
    assert {f"{physical}.{name}" for name in folders} <= before[1]
    print(f"{cycles} environments came and went: {len(before[1])} tables, {len(before[2])} views as before")  # noqa: T201
