"""Two processes that got different answers about a schema: each record is refused or landed, never both."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ingest.landing import run_streams
from ingest.schemas import SchemaDesk
from lake.broker import SchemaRegistry, create_topic
from lake.clock import SystemClock
from lake.settings import Settings
from tests.fakes.crashing_catalog import CrashingCatalog
from tests.fakes.framed_orders import CONTRACT, FIRST, SECOND, avro, order
from tests.fakes.hands import Hands
from tests.fakes.killed import KilledError
from tests.fakes.registry import FakeRegistry, fake_registry
from tests.fakes.streams import produce, rows

pytestmark = pytest.mark.stack

LATE = 2  # the schema that only one of them found


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        made.register(1, json.dumps(FIRST))
        made.register(LATE, json.dumps(SECOND))
        yield made


@pytest.fixture
def settings(lake_settings: Settings, registry: FakeRegistry) -> Settings:
    """Give a topic of records of two schemas."""
    create_topic(lake_settings.broker, CONTRACT.topic, partitions=1)
    made = lake_settings.model_copy(update={"registry": registry.settings()})
    late = (avro(LATE, SECOND, **order(n), note="x") for n in range(20, 30))
    produce(made, CONTRACT.topic, *(avro(1, FIRST, **order(n)) for n in range(20)), *late)
    return made


def looked_up(settings: Settings, *numbers: int) -> SchemaDesk:
    """Return the lookups of a process that found these schemas and no others."""
    desk = SchemaDesk(
        settings.registry, SystemClock(), lambda: SchemaRegistry(settings.registry, SystemClock())
    )
    desk.ask(numbers).result(30)
    return desk


def check(settings: Settings, *, refused: int) -> None:
    """Each of the thirty records is in exactly one of the tables, once."""
    landed = [row["meta"]["offset"] for row in rows(settings, settings.landing.raw_schema, CONTRACT)]
    bad = [row["offset"] for row in rows(settings, settings.landing.quarantine_schema, CONTRACT)]
    assert sorted(landed + bad) == list(range(30))
    assert len(bad) == refused


def test_a_zombie_that_knows_a_schema_leaves_alone_what_another_refused_without_it(
    settings: Settings,
) -> None:
    """The other one died before its table's commit: what it quarantined is final all the same."""
    zombie = Hands(settings, CONTRACT, schemas=looked_up(settings, 1, LATE))
    batch = zombie.read()
    dying = CrashingCatalog(settings, at=1, after=True)
    other = Hands(settings, CONTRACT, schemas=looked_up(settings, 1), catalog=dying)
    with pytest.raises(KilledError):
        other.writer.land(other.read())

    assert set(zombie.writer.land(batch).moved) == set(batch.ranges)
    run_streams(settings, [CONTRACT])
    check(settings, refused=10)


def test_a_zombie_that_lacks_a_schema_refuses_nothing_of_what_has_landed(settings: Settings) -> None:
    """The other one had no bad record, so nothing in quarantine says that it was there."""
    zombie = Hands(settings, CONTRACT, schemas=looked_up(settings, 1))
    batch = zombie.read()
    run_streams(settings, [CONTRACT])

    assert set(zombie.writer.land(batch).moved) == set(batch.ranges)
    check(settings, refused=0)
