"""`lake gateway` and `lake connect` as people and programs see them."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import connect, gateway
from lake.control import read_acts
from lake.errors import BadInputError, UnavailableError
from lake.stack import stop_service
from tests.fakes.gateway_world import basket_line

pytestmark = pytest.mark.stack


@pytest.fixture
def lake(stack_project, monkeypatch):
    """Run a command inside the project of the running stack; return (exit code, stdout)."""
    monkeypatch.chdir(stack_project.root)

    def run(cli, *words):
        result = CliRunner().invoke(cli, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return run


def document(output):
    """Read the JSON document behind what was logged before it."""
    start = min(n for n in (output.find("\n{"), output.find("\n[")) if n >= 0) if output[0] == "2" else 0
    return json.loads(output[start:])


def test_a_gateway_started_beside_the_stack_takes_records_until_its_key_is_revoked(
    lake, stack, stack_project
):
    """run, key create, send, list, revoke: the way of the docs, each act in the audit log."""
    code, output = lake(gateway.cli, "run", "--json")
    assert code == 0
    url = document(output)["url"]
    try:
        _, again = lake(gateway.cli, "run")
        assert url in again  # kept, at the same address

        _, output = lake(gateway.cli, "key", "create", "till", "--stream", "transactions", "--json")
        made = document(output)
        answer = httpx.post(
            f"{url}/v1/streams/transactions",
            json=basket_line(1),
            headers={"authorization": f"Bearer {made['key']}"},
            timeout=60,
        )
        assert answer.status_code == 202, answer.text

        _, listed = lake(gateway.cli, "key", "list")
        assert made["key_id"] in listed
        assert made["key"] not in listed
        code, _ = lake(gateway.cli, "key", "revoke", made["key_id"], "--reason", "lost")
        assert code == 0
        _, output = lake(gateway.cli, "key", "list", "--json")
        assert {k["state"] for k in document(output) if k["key_id"] == made["key_id"]} == {"revoked"}
        acts = [(act.act, act.reason) for act in read_acts(stack.postgres, limit=12)]
        assert ("gateway.key.revoke", "lost") in acts
        assert "gateway.key.create" in {act for act, _ in acts}
        assert made["key"] not in str(read_acts(stack.postgres, limit=12))
    finally:
        stop_service(stack_project, "gateway")


def test_a_key_for_an_unknown_stream_is_refused(lake):
    """The message names what the gateway takes."""
    with pytest.raises(BadInputError, match="transactions"):
        lake(gateway.cli, "key", "create", "x", "--stream", "no_such_stream")
    with pytest.raises(BadInputError):
        lake(gateway.cli, "key", "revoke", "000000000000")


def test_connect_that_is_not_there_is_said_so(lake, monkeypatch):
    """Nothing listens: the setting to check is named."""
    monkeypatch.setenv("LAKE_CONNECT__URL", "http://127.0.0.1:9")

    with pytest.raises(UnavailableError, match="does not answer") as error:
        lake(connect.cli, "stats")
    assert "LAKE_CONNECT__URL" in error.value.hint
