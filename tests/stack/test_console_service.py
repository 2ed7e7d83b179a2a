"""`lake console` as people run it: one process beside the stack, kept when it runs, ended by name."""

from __future__ import annotations

import json

import httpx
import psutil
import pytest

from lake.stack import ServiceState, inspect, stop_service
from tests.fakes.commands import lake

pytestmark = pytest.mark.stack


def test_the_console_starts_once_answers_on_this_machine_alone_and_ends(
    stack, stack_project, lake_environment
):
    """The second call keeps the first one's process; nothing listens beyond 127.0.0.1."""
    try:
        url = started(stack, lake_environment)
        assert httpx.get(f"{url}/_stcore/health", trust_env=False).status_code == 200
        assert "<html" in httpx.get(url, trust_env=False).text
        (console,) = [s for s in inspect(stack_project) if s.service == "console"]
        assert console.state is ServiceState.READY
        assert started(stack, lake_environment) == url
        (again,) = [s for s in inspect(stack_project) if s.service == "console"]
        assert again.pid == console.pid
        listening = [
            c.laddr.ip for c in psutil.Process(console.pid).net_connections() if c.status == "LISTEN"
        ]
        assert set(listening) == {"127.0.0.1"}
    finally:
        assert stop_service(stack_project, "console")
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def started(settings, environment) -> str:
    done = lake(settings, environment, "console", "--no-open", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["url"]
