"""The running stack: where it listens, who may speak to it, how it is asked, what stands beside it."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from pydantic import SecretStr

from lake.errors import ConfigurationError, ConflictError, RefusedError, TerminalError
from lake.postgres import connect
from lake.settings import inherited_environment, load_settings
from lake.stack import (
    AppService,
    EventKind,
    ServiceState,
    inspect,
    inspection,
    probe,
    reserve_port,
    run_service,
    start,
    stop_service,
)
from lake.stack.doctor import examine
from lake.stack.ports import HOST, is_free
from lake.stack.state import read_state

pytestmark = pytest.mark.stack

SERVER = (
    "import http.server as h, sys;"
    "h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"
)


def family(project):
    for child in read_state(project).children.values():
        process = psutil.Process(child.pid)
        yield from (process, *process.children(recursive=True))


def test_nothing_listens_beyond_this_machine(stack_project):
    """Every listening socket of every child is bound to 127.0.0.1, and each is a port we chose."""
    listening = {
        connection.laddr
        for process in family(stack_project)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    chosen = set(read_state(stack_project).ports.values())
    assert {address.ip for address in listening} == {HOST}
    assert len(listening) >= 12
    assert {address.port for address in listening} - chosen <= {port + 10_000 for port in chosen}


def test_everything_on_disk_is_its_owners_alone(stack_project):
    """No file or folder under `.lake/` can be entered by others: the folder itself is closed."""
    assert stat.S_IMODE(stack_project.state.stat().st_mode) == 0o700
    own = [*stack_project.state.iterdir(), *stack_project.logs.iterdir()]
    assert {p.name for p in own if p.stat().st_mode & 0o077} == set()


def test_memory_is_measured_for_every_service(stack_project):
    """`status` shows what each takes; the goal for the sum is checked by `benchmarks/stack.py`."""
    measured = {s.service: s.memory_mb for s in inspect(stack_project)}

    assert set(measured) >= {"seaweed", "postgres", "tansu"}
    assert all(5 < value < 2000 for value in measured.values())


def test_up_twice_is_a_noop(stack_project):
    """Same processes, same ports, same credentials, nothing started."""
    before = (stack_project.state / "stack.json").read_text()
    events = []

    report = start(stack_project, on_event=events.append)

    assert report.started == ()
    assert {e.kind for e in events} == {EventKind.KEPT}
    assert json.loads((stack_project.state / "stack.json").read_text()) == json.loads(before)


def test_the_wrong_credentials_open_nothing(stack):
    """S3, catalog and PostgreSQL refuse another password, and the probe says so."""
    wrong = SecretStr("wrong")

    s3 = probe.storage(stack.storage.model_copy(update={"secret_key": wrong}), timeout=5)
    rest = probe.catalog(stack.catalog.model_copy(update={"client_secret": wrong}), timeout=5)
    sql = probe.postgres(stack.postgres.model_copy(update={"password": wrong}))
    nobody = probe.catalog(stack.catalog.model_copy(update={"client_id": ""}), timeout=5)

    assert [a.ok for a in (s3, rest, sql, nobody)] == [False] * 4
    assert "credentials refused" in s3.detail
    assert "wrong" not in " ".join(a.detail for a in (s3, rest, sql))


@pytest.mark.parametrize("wrong", [{"password": SecretStr("wrong")}, {"database": "nowhere"}])
def test_a_postgresql_that_refuses_us_is_no_postgresql_that_is_down(stack, wrong):
    """Waiting mends nothing: the error is one of configuration and names the settings."""
    with (
        pytest.raises(ConfigurationError, match=r"refuses user (?s:.*)LAKE_POSTGRES__"),
        connect(stack.postgres.model_copy(update=wrong)),
    ):
        pass


def test_buckets_exist_and_a_foreign_one_does_not(stack):
    """`files` is a bucket, `warehouse` a table bucket; the probe can say no."""
    missing_bucket = probe.storage(stack.storage.model_copy(update={"bucket": "nowhere"}), timeout=5)
    missing_warehouse = probe.catalog(stack.catalog.model_copy(update={"warehouse": "nowhere"}), timeout=5)

    assert probe.storage(stack.storage, write=True, timeout=5).ok
    assert probe.catalog(stack.catalog, timeout=5).ok
    assert not missing_bucket.ok
    assert not missing_warehouse.ok


def test_an_open_port_is_not_readiness(stack):
    """A server that accepts connections and says nothing, or the wrong thing, is not ready."""
    with socket.socket() as mute:
        mute.bind((HOST, 0))
        mute.listen()
        port = mute.getsockname()[1]
        at = f"http://{HOST}:{port}"
        s3 = stack.storage.model_copy(update={"endpoint": at})
        rest = stack.catalog.model_copy(update={"uri": at, "oauth2_server_uri": ""})
        kafka = stack.broker.model_copy(update={"bootstrap_servers": f"{HOST}:{port}"})
        sql = stack.postgres.model_copy(update={"port": port, "connect_timeout_seconds": 2})
        with ThreadPoolExecutor(4) as pool:
            answers = [
                pool.submit(probe.storage, s3, timeout=0.3),
                pool.submit(probe.catalog, rest, timeout=0.3),
                pool.submit(probe.broker, kafka, timeout=0.3),
                pool.submit(probe.postgres, sql),
            ]
            found = [answer.result() for answer in answers]

    assert [answer.ok for answer in found] == [False] * 4
    assert all(answer.detail for answer in found)


def test_every_kind_of_service_answers_a_real_question(stack):
    """All four probes pass on the stack that is up."""
    assert [
        probe.storage(stack.storage, timeout=5).ok,
        probe.catalog(stack.catalog, timeout=5).ok,
        probe.broker(stack.broker, timeout=5).ok,
        probe.postgres(stack.postgres).ok,
    ] == [True] * 4


def test_settings_find_the_stack_without_a_word(stack_project, stack):
    """endpoints.json is all that a command needs."""
    settings = load_settings(project=stack_project, environment={})

    assert settings.storage == stack.storage
    assert settings.broker.end_offsets_by == "fetch"
    with connect(settings.postgres) as connection:
        assert connection.execute("SELECT current_user AS who").fetchone() == {"who": "lake"}


def test_no_generated_secret_is_where_others_can_read_it(stack_project):
    """Not in a log, not on a command line, not in what inspect and doctor print."""
    state = read_state(stack_project)
    secrets = {state.credentials.secret_key, state.credentials.postgres_password}
    logs = "".join(p.read_text(errors="replace") for p in stack_project.logs.iterdir())
    lines = " ".join(word for process in family(stack_project) for word in process.cmdline())
    shown = repr(inspect(stack_project)) + repr(examine(stack_project))

    assert logs
    assert {where for where, text in (("logs", logs), ("ps", lines), ("output", shown))
            for secret in secrets if secret in text} == set()  # fmt: skip


@pytest.fixture
def server(stack_project):
    """Give a small web server as another room would describe it."""
    port = reserve_port(stack_project, "shop")
    yield AppService(
        name="shop",
        argv=(sys.executable, "-c", SERVER, str(port)),
        cwd=stack_project.root,
        port=port,
        url=f"http://{HOST}:{port}/",
        env=inherited_environment(SHOP_TOKEN="hush-hush"),
    )
    stop_service(stack_project, "shop")


def test_a_registered_service_runs_beside_the_stack(stack_project, server):
    """It is started once, shown, kept, and ended alone; its port stays its own."""
    first = run_service(stack_project, server)
    second = run_service(stack_project, server)

    assert first.state is ServiceState.READY
    assert second.pid == first.pid
    assert httpx.get(server.url, trust_env=False).status_code == 200
    assert "hush-hush" not in repr(server) + repr(inspect(stack_project))
    assert stop_service(stack_project, "shop")
    assert is_free(server.port)
    assert {s.service for s in inspect(stack_project)} == {"seaweed", "postgres", "tansu"}
    assert reserve_port(stack_project, "shop") == server.port


def test_a_registered_service_with_a_new_description_is_replaced(stack_project, server):
    """Another token means another process."""
    first = run_service(stack_project, server)
    changed = AppService.from_json("shop", {**server.to_json(), "env": inherited_environment(SHOP_TOKEN="b")})
    second = run_service(stack_project, changed)

    assert second.pid != first.pid
    assert psutil.Process(second.pid).environ()["SHOP_TOKEN"] == "b"


def test_a_killed_registered_service_is_replaced_by_up(stack_project, server):
    """The same as for the three servers."""
    first = run_service(stack_project, server)
    os.kill(first.pid, 9)

    report = start(stack_project)

    assert report.started == ("shop",)
    assert {s.state for s in report.services} == {ServiceState.READY}


def test_a_registered_service_that_cannot_start_is_said_and_forgotten(stack_project, server):
    """Its last line is in the message, and nothing of it stays."""
    dying = [sys.executable, "-c", "raise SystemExit('no cash')"]
    broken = AppService.from_json("shop", {**server.to_json(), "argv": dying})

    with pytest.raises(TerminalError, match="no cash"):
        run_service(stack_project, broken)

    assert {s.service for s in inspect(stack_project)} == {"seaweed", "postgres", "tansu"}


def test_a_registered_service_whose_port_is_taken_is_refused(stack_project, server):
    """The message names the port and who has it."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((HOST, server.port))
        squatter.listen()

        with pytest.raises(ConflictError, match=f"{server.port}.*pid {os.getpid()}"):
            run_service(stack_project, server)


def test_in_profile_external_nothing_is_started_or_stopped(stack_project, monkeypatch):
    """The stack belongs to somebody else; `inspect` asks what settings name."""
    monkeypatch.setenv("LAKE_PROFILE", "external")
    monkeypatch.setenv("LAKE_POSTGRES__PORT", "1")
    monkeypatch.setattr(inspection, "EXTERNAL_SECONDS", 0.3)

    with pytest.raises(RefusedError, match="external"):
        start(stack_project)
    found = {s.service: s.state for s in inspect(stack_project)}

    assert set(found) == {"storage", "catalog", "broker", "postgres"}
    assert set(found.values()) == {ServiceState.SILENT}


def test_doctor_is_content_with_a_running_stack(stack_project):
    """Every check that this machine can meet passes, and each says what it saw."""
    findings = {f.check: f for f in examine(stack_project)}

    assert {"python", "settings", "ports", "service seaweed", "permissions .lake"} <= set(findings)
    assert [f for f in findings.values() if not f.ok and f.check not in {"disk", "memory"}] == []


def test_doctor_finds_an_open_folder_and_says_how_to_close_it(stack_project):
    """A check that can fail, with the command that mends it."""
    stack_project.state.chmod(0o755)
    try:
        problem = next(f for f in examine(stack_project) if f.check == "permissions .lake")
    finally:
        stack_project.state.chmod(0o700)

    assert not problem.ok
    assert problem.next_step == f"chmod 700 {stack_project.state}"


def test_a_port_that_somebody_took_meanwhile_is_no_problem_of_a_service_that_does_not_run(stack_project):
    """A service that is not recorded finds another port, and doctor has nothing to say about the old one."""
    first = reserve_port(stack_project, "taken-later")
    with socket.create_server(("127.0.0.1", first)):
        findings = {f.check: f for f in examine(stack_project)}
        second = reserve_port(stack_project, "taken-later")

    assert str(first) not in findings["ports"].detail
    assert second != first
