"""What commands print: lines that programs can cut, and no notation of Python."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.cli import frame


def test_a_struct_in_a_cell_is_shown_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Times in it as ISO 8601, nulls as JSON has them; a null cell is empty."""
    meta = {"source": "till", "landed_at": datetime(2026, 1, 2, tzinfo=UTC), "op": None}

    frame.print_table("", ("id", "note", "meta"), [(1, None, meta), (2, "ä", ["ä"])])

    assert capsys.readouterr().out.splitlines() == [
        "id\tnote\tmeta",
        '1\t\t{"source": "till", "landed_at": "2026-01-02T00:00:00+00:00", "op": null}',
        '2\tä\t["ä"]',
    ]
