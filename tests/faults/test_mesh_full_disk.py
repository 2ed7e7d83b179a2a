"""The disk fills up during a publish: nothing is published, all stays readable, with room it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.clock import Deadline, SystemClock
from lake.control import migrate
from lake.errors import LakeError
from lake.mesh.context import WarmContext
from lake.settings import Settings, load_settings
from lake.stack import start, stop
from tests.conftest import FOLDER_PREFIX, make_project
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.xdist_group("mesh_full_disk")]

SIZE = 400 * 1024 * 1024
LEFT = 6 * 1024 * 1024
ROWS = 3_000_000  # 24 MB that don't compress


@pytest.fixture
def small_disk() -> Iterator[tuple[Path, Settings]]:
    """Run a stack whose object storage has a file system of its own, with little room."""
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
    project = make_project(folder)
    storage = project.state / "seaweed"
    storage.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", storage], check=True, capture_output=True
    )
    try:
        start(project)
        settings = load_settings(project=project)
        migrate(settings.postgres)
        yield storage, settings
    finally:
        stop(project)
        subprocess.run(["umount", storage], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path) -> Path:
    """Take all room but a little."""
    free = shutil.disk_usage(folder).free
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - LEFT)
    return filler


def total(mesh: MeshProject, table: str) -> list[tuple[int, int]]:
    return mesh.sql(f"SELECT COUNT(*), MAX(round) FROM lake.{table}")


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_publishes_nothing_and_the_next_plan_heals(
    small_disk: tuple[Path, Settings], tmp_path: Path
) -> None:
    """The error names the storage and the next step; the table has the rows and the snapshot it had."""
    storage, settings = small_disk
    with mesh_project(tmp_path / "mesh", settings) as mesh:
        query = "SELECT hash(i, {round}) AS h, {round}::INT AS round FROM range({rows}) AS r(i)"
        mesh.model("noise", "kind FULL", query.format(round=1, rows=ROWS), audits="not_null(columns := (h))")
        warm = WarmContext(mesh.project)
        with warm.use() as context:
            mesh.plan(context)
            table = ".".join(mesh.physical(context, "noise"))
        assert total(mesh, table) == [(ROWS, 1)]
        filler = fill(storage)
        with pytest.raises(LakeError) as raised, warm.use() as context:
            mesh.plan(context, restate_models=[f"{mesh.name}.noise"])
        print(raised.value)  # noqa: T201  for whoever runs the soak
        assert "noise" in raised.value.message
        assert "can't store a file" in raised.value.message
        assert "df -h" in raised.value.message
        assert total(mesh, table) == [(ROWS, 1)], "read while the disk is full"
        filler.unlink()
        deadline = Deadline.after(240, SystemClock())
        while True:  # SeaweedFS looks for room once a minute
            try:
                with warm.use() as context:
                    mesh.plan(context, restate_models=[f"{mesh.name}.noise"])
                break
            except LakeError:
                assert not deadline.expired()
                deadline.clock.sleep(5)
        assert total(mesh, table) == [(ROWS, 1)]
        warm.close()
