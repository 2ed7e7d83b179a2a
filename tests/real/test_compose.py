"""The compose file as Docker's own library reads it, and what it mounts, run as the containers run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from lake.control import read_acts
from lake.settings import Project, Settings
from tests.conftest import ROOT
from tests.fakes.connect_server import FakeConnect
from tests.fakes.http_server import Handler, serve
from tests.real.peers import installed

pytestmark = pytest.mark.real

FILE = ROOT / "docker-compose.yml"
BIN = Path(sys.executable).parent


def compose(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Read a compose file as `docker compose config` does, by its library's own program.

    That program, other than the command, leaves variables empty: they are filled in before.
    """
    program, _ = installed("compose")
    file = folder / "docker-compose.yml"
    file.write_text(re.sub(r"\$\{[A-Z_0-9]+:\?[^}]*\}", "x", text), encoding="utf-8")
    return subprocess.run(
        [str(program / "cmd"), "--no-interpolation", "--format", "json", str(file)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compose_s_own_library_accepts_the_file(tmp_path: Path) -> None:
    """Schema, references, merged anchors; each service has what it had from the anchors."""
    text = FILE.read_text(encoding="utf-8")
    done = compose(tmp_path, text)

    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == set(yaml.safe_load(text)["services"])
    assert services["connect-streams"]["environment"]["LAKE_PROFILE"] == "external"


@pytest.mark.parametrize("wrong", ["port: 1", "ports: 8088", "depends_on: {c: {condition: ready}}"])
def test_it_refuses_a_file_that_is_wrong(tmp_path: Path, wrong: str) -> None:
    """Or the test before would prove nothing."""
    done = compose(tmp_path, f"services: {{a: {{image: b, {wrong}}}}}\n")

    assert done.returncode != 0
    assert "services.a" in done.stderr


def test_trino_here_reads_the_very_files_that_compose_mounts(trino_project: Project) -> None:
    """A change of one is a change of the other."""
    mounted = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]["trino"]["volumes"]
    (etc,) = (ROOT / v.split(":")[0] for v in mounted if v.split(":")[1] == "/etc/trino")

    assert (trino_project.state / "trino" / "etc").resolve() == etc.resolve()


@contextmanager
def served(fake: FakeConnect) -> Iterator[str]:
    """Serve the fake Connect over HTTP; yield its address."""

    class Connect(Handler):
        def handle_any(self) -> None:
            request = httpx.Request(self.command, f"http://connect{self.path}", content=self.read_body())
            response = fake.handle(request)
            self.answer(response.status_code, response.content)

    with serve(Connect) as url:
        yield url


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 120
    while not true():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < ends
        threading.Event().wait(0.05)


def test_streams_that_connect_forgot_are_put_back(
    lake_settings: Settings, lake_environment: dict[str, str]
) -> None:
    """The service that keeps them looks again and again, and acts only when something is to do."""
    service = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]["connect-streams"]
    (script,) = (ROOT / v.split(":")[0] for v in service["volumes"])
    fake = FakeConnect()
    with served(fake) as url:
        process = subprocess.Popen(
            ["/bin/sh", str(script), *service["command"]],
            cwd=lake_settings.project_root,
            env={
                **lake_environment,
                "PATH": f"{BIN}:/usr/bin:/bin",
                "LAKE_CONNECT__URL": url,
                "CONNECT_SECONDS": "0.2",
            },
            text=True,
        )
        try:
            for times in (1, 2):  # each is written down when it begins and when it ends
                until(lambda: len(applied(lake_settings)) == 2 * times, process)  # noqa: B023  called at once
                assert set(fake.streams) == {"lakemesh_http_to_topic"}
                fake.streams.clear()
            until(lambda: set(fake.streams) == {"lakemesh_http_to_topic"}, process)
        finally:
            process.terminate()
            process.wait(timeout=60)

    assert {method for method, _ in fake.calls} == {"POST"}
    assert len(fake.calls) == 3


def applied(settings: Settings) -> list[str]:
    return [act.act for act in read_acts(settings.postgres) if act.act == "connect.apply"]
