"""Trino as `lake up --with trino` starts it: signed in over TLS, on loopback, beside the other services."""

from __future__ import annotations

import socket

import psutil
import pytest
from pydantic import SecretStr

from lake.mesh.trino import open_trino
from lake.settings import load_settings
from lake.stack import ServiceState, inspect, probe, start
from lake.stack.state import read_state

pytestmark = pytest.mark.real


def test_a_real_query_answers(trino_lake):
    """The owner signs in with the generated password and reads the catalog."""
    with open_trino(trino_lake.trino) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1 + 1")

        assert cursor.fetchall() == [[2]]


def test_it_is_one_of_the_services(trino_project):
    """`lake status` asks it, and a second start keeps it as it is."""
    before = read_state(trino_project).children["trino"]

    found = {status.service: status.state for status in inspect(trino_project)}
    report = start(trino_project)

    assert found["trino"] is ServiceState.READY
    assert "trino" in report.kept
    assert read_state(trino_project).children["trino"] == before


@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_comes_in_without_the_password(trino_lake, password):
    """Neither with another one nor with none."""
    settings = trino_lake.trino.model_copy(update={"password": SecretStr(password)})

    answer = probe.trino(settings, "SELECT 1", timeout=30)

    assert not answer.ok
    assert answer.detail == "password of lake refused"


def test_the_plain_port_lets_no_client_in(trino_project, trino_lake):
    """It is for the server itself: a password sent there would travel in clear."""
    port = read_state(trino_project).ports["trino.http"]
    settings = trino_lake.trino.model_copy(update={"http_scheme": "http", "port": port})

    answer = probe.trino(settings, "SELECT 1", timeout=30)

    assert not answer.ok


def test_it_listens_on_loopback_alone(trino_project):
    """No port of it is open to the network."""
    live = psutil.Process(read_state(trino_project).children["trino"].pid)
    listening = [c for c in live.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]

    addresses = {c.laddr.ip.removeprefix("::ffff:") for c in listening}
    assert {c.laddr.port for c in listening} >= {read_state(trino_project).ports["trino.https"]}
    assert addresses == {"127.0.0.1"}
    assert all(c.family in {socket.AF_INET, socket.AF_INET6} for c in listening)


def test_its_secrets_are_in_nobody_s_arguments(trino_project):
    """Everybody on the machine can read those."""
    live = psutil.Process(read_state(trino_project).children["trino"].pid)
    secrets = load_settings(project=trino_project).secrets()

    assert secrets
    assert not [secret for secret in secrets if secret in " ".join(live.cmdline())]
