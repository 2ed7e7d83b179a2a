"""Every model kind that SQLMesh offers works on Iceberg through stock SQLMesh, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lake.catalog.open import open_catalog
from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project
from tests.fakes.model_kinds import (
    LACKING,
    check_later_runs,
    check_nested,
    check_refused,
    check_rows,
    lay_out,
)

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_kinds")]


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project with a model of each kind over one source of 100 rows."""
    with mesh_project(tmp_path_factory.mktemp("kinds"), stack, tasks=4) as project:
        lay_out(project)
        yield project


def test_a_model_of_each_kind_has_its_rows(project: MeshProject, context: Any) -> None:
    """What the first plan built, four models at a time and three batches of one."""
    check_rows(project, context, 0)


def test_nested_and_decimal_types_survive(project: MeshProject, context: Any) -> None:
    """A struct with a list of decimals comes back as it went in, through a table and two views."""
    check_nested(project, context)


# Partitions as a model's header says them: as the table has them, and how many hold rows.
CUTS = {
    "hour(at), truncate(2, word)": ({"at": "hour", "word": "truncate[2]"}, 8),
    "month(at), bucket(4, id)": ({"at": "month", "id": "bucket[4]"}, 8),
    "day(at), truncate(50, id)": ({"at": "day", "id": "truncate[50]"}, 4),
    "year(at), word": ({"at": "year", "word": "identity"}, 3),
}
CUT = """\
SELECT
  TIMESTAMP '2026-11-01' + INTERVAL 1 HOUR * (id % 4)::INT + INTERVAL 1 MONTH * (id // 4 % 2)::INT AS at,
  id, ('ab' || (id % 3))::TEXT AS word
FROM {raw}.s WHERE id < 100"""


def test_a_table_is_cut_as_its_model_says(project: MeshProject, context: Any) -> None:
    """Each of Iceberg's transforms reaches the table, its rows lie in files by it and are read back."""
    for number, cut in enumerate(CUTS):
        kind = "kind INCREMENTAL_BY_TIME_RANGE (time_column at), start '2026-11-01'"
        project.model(f"cut_{number}", f"{kind}, partitioned_by ({cut})", CUT)
    context.load()
    project.plan(context, "dev_cuts", execution_time="2026-12-31")
    for number, (cut, (transforms, partitions)) in enumerate(CUTS.items()):
        snapshot = context.get_snapshot(f"{project.name}.cut_{number}", raise_if_missing=True)
        schema, table = (part.strip('"') for part in snapshot.table_name().split(".")[-2:])
        handle = open_catalog(project.settings).load_table((schema, table))
        columns = {f.source_id: str(f.transform) for f in handle.spec().fields}
        assert {handle.schema().find_column_name(c): t for c, t in columns.items()} == transforms, cut
        assert len({str(task.file.partition) for task in handle.scan().plan_files()}) == partitions, cut
        rows = context.fetchdf(f"SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS d FROM lake.{schema}.{table}")
        assert (int(rows.n[0]), int(rows.d[0])) == (100, 100), cut
        (project.project.root / "models" / f"cut_{number}.sql").unlink()
    context.load()


def test_a_later_run_adds_what_is_new_and_a_restatement_repeats_nothing(
    project: MeshProject, context: Any
) -> None:
    """Rows of a new day arrive once in each kind; a changed value closes an old version of SCD type 2."""
    check_later_runs(project, context)


def test_two_runs_of_one_context_go_on_at_once(project: MeshProject, context: Any) -> None:
    """Each thread's run has its own publishes: neither closes the cursors of the other."""
    errors: list[BaseException] = []
    start = threading.Barrier(2)

    def run(model: str) -> None:
        start.wait()
        try:
            for day in ("2027-01-02", "2027-01-03"):
                context.run(select_models=[f"{project.name}.{model}"], execution_time=day, end=day)
        except BaseException as error:  # noqa: BLE001  a thread's errors are looked at below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(model,)) for model in ("untyped", "by_key")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert context.engine_adapter.runtime.publication is None


def test_what_the_engine_lacks_is_refused_before_anything_is_applied(
    project: MeshProject, context: Any
) -> None:
    """The plan names each model and what to do instead; no environment and no table comes of it."""
    check_refused(project, context, LACKING)


def test_two_lakes_in_one_process_have_adapters_of_their_own(
    project: MeshProject, context: Any, stack: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The second project sees its own tables, and closing it leaves the first one open."""
    with mesh_project(tmp_path_factory.mktemp("other"), stack) as other:
        other.model("whole", "kind FULL", "SELECT 7::INT AS seven")
        second = other.context()
        other.plan(second)
        assert second.engine_adapter is not context.engine_adapter
        assert list(second.fetchdf(f"SELECT * FROM {other.name}.whole").seven) == [7]
        second.close()
    assert int(context.fetchdf(f"SELECT COUNT(*) AS n FROM {project.name}.whole").n[0]) == 3
