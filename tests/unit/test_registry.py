"""The registry's client: what it keeps, how long it waits, and what it says when it gets no answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lake.broker import SchemaRegistry
from lake.clock import Deadline, SystemClock
from lake.errors import ConfigurationError, TerminalError, UnavailableError
from tests.fakes.registry import FakeRegistry, fake_registry

CLOCK = SystemClock()
AVRO = '{"type": "record", "name": "r", "fields": []}'


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        yield made


def soon() -> Deadline:
    return Deadline.after(0.3, CLOCK)


def test_a_schema_that_was_found_needs_the_registry_no_more(registry: FakeRegistry) -> None:
    """An id never changes its meaning, so a registry that is down stops nobody who knows it."""
    registry.register(7, AVRO)
    client = SchemaRegistry(registry.settings(), CLOCK)
    found = client.find(7, soon())
    registry.status = 503
    assert found is not None
    assert (found.id, found.kind, found.text) == (7, "AVRO", AVRO)
    assert client.find(7, soon()) == client.known(7) == found
    assert len(registry.asked) == 1


def test_a_schema_that_appears_late_is_waited_for(registry: FakeRegistry) -> None:
    """A record may overtake its schema when a registry is replicated."""
    client = SchemaRegistry(registry.settings(), CLOCK)
    assert client.find(8, soon()) is None
    timer = threading.Timer(0.2, registry.register, (8, AVRO))
    timer.start()
    found = client.find(8, Deadline.after(30, CLOCK))
    timer.join()
    assert found is not None


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_registry_that_gives_no_answer_is_named(registry: FakeRegistry, status: int) -> None:
    """It says nothing about the schema, so it must not be taken for "there is none"."""
    registry.status = status
    with pytest.raises(UnavailableError, match="registry") as caught:
        SchemaRegistry(registry.settings(), CLOCK).find(1, soon())
    assert caught.value.service == "registry"
    nowhere = registry.settings(url="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        SchemaRegistry(nowhere, CLOCK).find(1, soon())


def test_credentials_go_with_each_request_and_a_refusal_says_what_to_check(registry: FakeRegistry) -> None:
    """Basic authentication; a wrong password is no outage."""
    registry.credentials = "lake:secret"
    registry.register(1, AVRO)
    right = registry.settings(username="lake", password="secret")
    assert SchemaRegistry(right, CLOCK).find(1, soon()) is not None
    with pytest.raises(ConfigurationError, match="refused") as caught:
        SchemaRegistry(registry.settings(username="lake", password="wrong"), CLOCK).find(1, soon())
    assert "registry.password" in caught.value.hint
    assert "wrong" not in str(caught.value)


def test_the_latest_of_a_subject_is_asked_for_again_only_after_a_while(registry: FakeRegistry) -> None:
    """An id is for ever, "latest" is not."""
    registry.register(1, AVRO, subject="s-value")
    kept = SchemaRegistry(registry.settings(), CLOCK)
    fresh = SchemaRegistry(registry.settings(latest_seconds=0.000001), CLOCK)
    assert [c.latest("s-value", soon()).id for c in (kept, fresh)] == [1, 1]  # type: ignore[union-attr]
    registry.register(2, AVRO, subject="s-value")
    fresh._client._latest_version_cache.clear()
    assert [c.latest("s-value", soon()).id for c in (kept, fresh)] == [1, 2]  # type: ignore[union-attr]
    assert kept.latest("other-value", soon()) is None
    assert kept.subjects(2, soon()) == {"s-value"}


def test_referred_schemas_come_with_it_each_before_those_that_need_it(registry: FakeRegistry) -> None:
    """Protobuf imports and Avro references need one another, through others too."""
    registry.register(1, "deep", "PROTOBUF", subject="deep.proto")
    deep = {"name": "deep.proto", "subject": "deep.proto", "version": 1}
    registry.register(2, "middle", "PROTOBUF", subject="middle.proto", references=[deep])
    middle = {"name": "middle.proto", "subject": "middle.proto", "version": 1}
    registry.register(3, "top", "PROTOBUF", subject="t", references=[middle, deep])
    found = SchemaRegistry(registry.settings(), CLOCK).find(3, soon())
    assert found is not None
    assert [(f.name, f.text) for f in found.files] == [("deep.proto", "deep"), ("middle.proto", "middle")]
    registry.register(4, "top", "PROTOBUF", references=[{"name": "x", "subject": "gone", "version": 1}])
    with pytest.raises(TerminalError, match="gone"):
        SchemaRegistry(registry.settings(), CLOCK).find(4, soon())
