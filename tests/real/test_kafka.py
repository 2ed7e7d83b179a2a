"""Apache Kafka as a production broker is reached: SCRAM over TLS, by the clients that landing uses."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from ingest.landing import run_streams
from lake.broker.probe import count_brokers
from lake.errors import LakeError
from lake.settings import BrokerSettings, Settings
from tests.fakes.topic_world import TopicWorld
from tests.real.conftest import RunningKafka

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def signed_in(kafka: RunningKafka) -> BrokerSettings:
    """Say how a client signs in."""
    return kafka.made.signed_in


def test_the_signed_in_client_is_let_in(signed_in: BrokerSettings) -> None:
    """User, password, and an authority that signed the broker's certificate."""
    assert count_brokers(signed_in, timeout=30.0) == 1


def test_a_wrong_password_is_refused(signed_in: BrokerSettings) -> None:
    """And the message holds neither password."""
    wrong = signed_in.model_copy(update={"sasl_password": SecretStr("wrong-password")})

    with pytest.raises(LakeError) as caught:
        count_brokers(wrong, timeout=10.0)

    assert "wrong-password" not in str(caught.value)


def test_a_certificate_of_somebody_else_is_refused(signed_in: BrokerSettings) -> None:
    """Whoever answers there must be the broker that the authority knows."""
    assert signed_in.ca_file is not None
    foreign = signed_in.model_copy(update={"ca_file": signed_in.ca_file.with_name("foreign.pem")})

    with pytest.raises(LakeError):
        count_brokers(foreign, timeout=10.0)


def test_records_land_once_over_the_signed_in_connection(
    signed_in: BrokerSettings, lake_settings: Settings
) -> None:
    """Produced, landed and landed again: each offset in table or quarantine, once."""
    broker = signed_in.model_copy(update={"topic_prefix": lake_settings.broker.topic_prefix})
    world = TopicWorld(settings=lake_settings.model_copy(update={"broker": broker}))
    for _ in range(2):
        world.produce(3_000)
        run_streams(world.settings, [world.contract])

        world.check()
