"""What an extract knows of its table may outgrow memory: it goes on on disk, or names the full folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ingest.extract import known
from lake.errors import TransientError
from tests.fakes.tiny_disk import tiny_disk

ROWS, BATCHES = 50_000, 10


def learn(spill: Path) -> known.Versions:
    """Learn more contents than 16 MB hold."""
    versions = known.Versions(spill, ["id"])
    for first in range(0, BATCHES * ROWS, ROWS):
        versions.take(pa.table({"id": pa.array(range(first, first + ROWS))}))
    return versions


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_MEMORY", "16MB")


def test_contents_that_memory_cannot_hold_go_to_a_folder_that_did_not_exist(tmp_path: Path) -> None:
    """Nothing known is forgotten: the first contents are known, the next are new."""
    spill = tmp_path / "state" / "spill"

    versions = learn(spill)

    assert any(spill.rglob("*.tmp*"))
    found = versions.take(pa.table({"id": pa.array([0, BATCHES * ROWS, 1])}))
    assert found.positions.to_pylist() == [1]


def test_a_disk_without_room_is_named_and_gets_its_space_back() -> None:
    """The error names the folder and what to do; nothing keeps it busy afterwards."""
    with tiny_disk("1m") as disk, pytest.raises(TransientError, match=f"nor into {disk}") as failed:
        learn(disk)
    assert f"df -h {disk}" in failed.value.hint
