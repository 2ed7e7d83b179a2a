"""The collector's settings while records are moved, and that nobody else keeps them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ingest.memory import made_for_records


@pytest.fixture(autouse=True)
def _pythons_defaults() -> Iterator[None]:
    """Take back what `tests/conftest.py` sets for all other tests."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_is_as_before_whatever_happened_inside() -> None:
    """Thresholds and what is left alone come back, after an error too."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(ArithmeticError):
        _fail(before[0], frozen)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def _fail(threshold: int, frozen: int) -> None:
    with made_for_records():
        assert gc.get_threshold()[0] > threshold
        assert gc.get_freeze_count() > frozen
        raise ArithmeticError


def test_records_that_come_and_go_start_no_collection() -> None:
    """A list a record, as the client makes messages: with the defaults each thousand starts one."""
    runs: list[str] = []

    def count(phase: str, _: object) -> None:
        runs.append(phase)

    gc.callbacks.append(count)
    try:
        with made_for_records():
            for _ in range(20):
                assert len([[number] for number in range(2_000)]) == 2_000
        assert not runs
        for _ in range(20):
            assert len([[number] for number in range(2_000)]) == 2_000
        assert runs
    finally:
        gc.callbacks.remove(count)
