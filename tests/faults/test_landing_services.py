"""Storage and catalog that fail in their own ways: landing stops or goes on, and loses nothing."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from ingest.landing import run_streams
from lake.catalog import LakeCatalog, load_table, open_catalog
from lake.errors import LakeError, OutcomeUnknownError, TransientError, UnavailableError
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.flaky_proxy import Whims, flaky_proxy
from tests.fakes.topic_world import TopicWorld, landed

pytestmark = pytest.mark.stack

SEED = 20_261_126


@pytest.fixture
def world(lake_settings: Settings) -> TopicWorld:
    return TopicWorld(lake_settings)


def changed(settings: Settings, section: str, **values: Any) -> Settings:
    return settings.model_copy(
        update={section: getattr(settings, section).model_copy(update=values), "variables": {}}
    )


def main_of(world: TopicWorld, schema: str) -> Any:
    state = load_table(open_catalog(world.settings), TableName(schema=schema, name=world.contract.stream))
    return None if state is None else state.main


def test_storage_that_fails_now_and_then_is_asked_again(world: TopicWorld) -> None:
    """Requests and answers get lost, late and doubled: a run lands or says that it could not."""
    print("seed", SEED)  # noqa: T201
    whims = Whims(random.Random(SEED), share=0.1)
    with flaky_proxy(world.settings.storage.endpoint, whims) as endpoint:
        flaky = changed(changed(world.settings, "storage", endpoint=endpoint), "landing", commit_rows=100)
        for _ in range(3):
            world.produce(300)
            with contextlib.suppress(TransientError, OutcomeUnknownError):
                run_streams(flaky, [world.contract])
    assert sum(whims.done.values()) >= 5
    run_streams(world.settings, [world.contract])
    world.check()


def test_storage_that_refuses_our_key_is_said_and_nothing_advances(world: TopicWorld) -> None:
    """Credentials that expired: no commit without files, and the next run with good ones completes."""
    world.produce(50)
    expired = changed(world.settings, "storage", secret_key=SecretStr("expired"))

    with pytest.raises(LakeError, match="storage"):
        run_streams(expired, [world.contract])

    assert main_of(world, world.settings.landing.raw_schema) is None
    run_streams(world.settings, [world.contract])
    world.check()


def test_a_manifest_that_is_gone_is_loud_and_nothing_is_committed(world: TopicWorld) -> None:
    """A damaged table takes no more rows: main stays where it is."""
    world.poison_every = 10**9
    world.produce(50)
    run_streams(world.settings, [world.contract])
    raw = TableName(schema=world.settings.landing.raw_schema, name=world.contract.stream)
    state = load_table(open_catalog(world.settings), raw)
    assert state is not None
    state.handle.io.delete(state.handle.current_snapshot().manifest_list)
    world.produce(50)

    with pytest.raises(LakeError, match=str(raw)):
        run_streams(world.settings, [world.contract])

    assert main_of(world, raw.schema) == state.main


class NoQuarantine(LakeCatalog):
    """Answers for every table but those of one schema."""

    def commit_table(self, table: Any, *arguments: Any) -> Any:
        if table.name()[0] == self.lake_settings.landing.quarantine_schema:
            raise requests.ConnectionError
        return super().commit_table(table, *arguments)


def test_a_quarantine_that_is_down_stops_landing_before_anything_advances(world: TopicWorld) -> None:
    """Bad records are never dropped: without a place for them the good ones wait too."""
    world.poison_every = 10
    world.produce(50)
    short = changed(world.settings, "landing", deadline_seconds=1.0)

    with pytest.raises(OutcomeUnknownError, match=world.settings.landing.quarantine_schema):
        run_streams(short, [world.contract], catalog=NoQuarantine(short))

    assert main_of(world, world.settings.landing.raw_schema) is None
    run_streams(world.settings, [world.contract])
    world.check()


def test_a_catalog_that_hangs_is_given_up_by_the_deadline(world: TopicWorld) -> None:
    """It takes the connection and never answers; without a timeout landing would wait for ever."""
    world.produce(50)
    assert sum(landed(run_streams(world.settings, [world.contract]))) == 50
    catalog = open_catalog(changed(world.settings, "catalog", timeout_seconds=1.0))
    world.produce(50)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        catalog.uri = f"http://127.0.0.1:{mute.getsockname()[1]}"

        with pytest.raises(UnavailableError, match="catalog"):
            run_streams(world.settings, [world.contract], catalog=catalog)

    run_streams(world.settings, [world.contract])
    world.check()
