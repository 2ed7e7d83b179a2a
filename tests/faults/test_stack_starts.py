"""Starting where it is hard: a taken port, a full disk, root in a closed folder; each is said or solved."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from lake.errors import ConfigurationError, ConflictError, RefusedError, TerminalError
from lake.settings import load_settings
from lake.stack import ServiceState, bring_up, inspect, postgres_user, probe, process, runner, start, stop
from lake.stack.doctor import examine
from lake.stack.ports import HOST
from lake.stack.state import disk_is_full, read_state
from tests.conftest import make_project
from tests.fakes.tiny_disk import tiny_disk

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack_starts")]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="shows what root does")


def test_a_taken_port_is_named_and_other_ports_are_offered(own_project):
    """Who has it is said, nothing is left running, and `--new-ports` gets past it with all data."""
    start(own_project)
    stop(own_project)
    ports = read_state(own_project).ports
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((HOST, ports["tansu.kafka"]))
        squatter.listen()

        with pytest.raises(ConflictError, match=f"{ports['tansu.kafka']}.*pid {os.getpid()}") as caught:
            start(own_project)
        assert "--new-ports" in caught.value.hint
        assert list(process.orphans(own_project, {})) == []
        ports_finding = next(f for f in examine(own_project) if f.check == "ports")
        assert not ports_finding.ok
        assert "--new-ports" in ports_finding.next_step

        start(own_project, new_ports=True)

    assert read_state(own_project).ports["tansu.kafka"] != ports["tansu.kafka"]
    assert {s.state for s in inspect(own_project)} == {ServiceState.READY}


def test_ports_of_a_running_stack_stay(own_project):
    """Changing them under its clients is refused."""
    start(own_project)

    with pytest.raises(RefusedError, match="still run"):
        start(own_project, new_ports=True)


def test_a_child_that_ends_while_starting_is_reported_with_its_last_words(own_project):
    """A damaged PostgreSQL folder: its own message reaches the person, and nothing stays behind."""
    start(own_project)
    stop(own_project)
    version = own_project.state / "postgres" / "data" / "PG_VERSION"
    right = version.read_text()
    version.write_text("9.1\n")
    try:
        with pytest.raises(TerminalError, match="postgres ended while starting") as caught:
            start(own_project)
    finally:
        version.write_text(right)

    assert caught.value.hint == "lake logs postgres"
    assert list(process.orphans(own_project, {})) == []
    assert {s.state for s in inspect(own_project)} == {ServiceState.STOPPED}


def test_a_stale_pid_file_does_not_stop_postgres(own_project):
    """The pid of a killed server is another process of its user, is dead and not buried, or is missing."""
    start(own_project)
    file = own_project.state / "postgres" / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    owner = file.stat().st_uid
    user = owner if os.geteuid() == 0 else None
    sleeper = subprocess.Popen(["sleep", "600"], user=user)
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    namesake = shutil.copy(shutil.which("sleep"), folder / "postgres")
    dead = subprocess.Popen([namesake, "600"], user=user)
    dead.kill()
    pids = (str(sleeper.pid), str(dead.pid))
    try:
        for content in (*("\n".join([pid, *lines[1:]]) + "\n" for pid in pids), ""):
            os.kill(read_state(own_project).children["postgres"].pid, signal.SIGKILL)
            file.write_text(content)
            os.chown(file, owner, -1)

            assert start(own_project).started == ("postgres",)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
        dead.wait()
        shutil.rmtree(folder)


def test_too_little_space_is_said_before_anything_starts(own_project, monkeypatch):
    """The check names what is free and what is needed."""
    stop(own_project)
    monkeypatch.setattr(bring_up, "MIN_FREE_BYTES", 2**60)

    with pytest.raises(TerminalError, match=r"MB free, \d+ MB needed"):
        start(own_project)


@pytest.fixture
def small_disk():
    """Give a file system of 39 MB: enough to begin, too small to finish."""
    with tiny_disk("39m") as folder:
        yield folder


@root_only
def test_a_disk_that_fills_up_while_starting_is_said(small_disk, monkeypatch):
    """ENOSPC in a child becomes one clear message, no process stays, and with space it starts."""
    monkeypatch.setattr(bring_up, "MIN_FREE_BYTES", 0)
    project = make_project(small_disk)
    try:
        with pytest.raises(TerminalError, match=r"disk .* is full") as caught:
            start(project)
        assert "df -h" in caught.value.hint
        assert list(process.orphans(project, {})) == []

        subprocess.run(["mount", "-o", "remount,size=400m", small_disk], check=True)
        start(project)
        assert {s.state for s in inspect(project)} == {ServiceState.READY}
    finally:
        stop(project)


def test_down_ends_everything_although_nothing_can_be_written(own_project, monkeypatch):
    """On a full disk the record can't be replaced: that is said when nothing runs any more."""
    start(own_project)

    def refuse(project, _state):
        raise disk_is_full(project)

    monkeypatch.setattr(runner, "write_state", refuse)
    with pytest.raises(TerminalError, match="full"):
        stop(own_project)

    assert list(process.orphans(own_project, {})) == []


@root_only
def test_root_in_a_closed_folder_gets_postgres_without_opening_it(tmp_path, monkeypatch):
    """Neither the project nor the wheel is reachable by `nobody`: it runs, and no mode changes (ADR 2)."""
    cache = Path(tempfile.mkdtemp())  # stands for /var/cache/lakemesh
    cache.chmod(0o755)
    monkeypatch.setattr(postgres_user, "CACHE", cache / "lakemesh")
    monkeypatch.setattr(postgres_user, "open_to_others", lambda _: False)
    assert not tmp_path.parent.stat().st_mode & 0o001
    folder = tmp_path / f"a name with spaces, ü and {'far ' * 25}more than a socket's path may have"
    folder.mkdir()
    project = make_project(folder)
    modes = [p.stat().st_mode for p in (tmp_path, *tmp_path.parents)]
    try:
        start(project)
        server = process.find(read_state(project).children["postgres"], project)

        assert server.username() == "nobody"
        assert server.exe().startswith(str(cache))
        assert server.cwd() == str(project.state / "postgres" / "data")
        assert [p.stat().st_mode for p in (tmp_path, *tmp_path.parents)] == modes
        assert probe.postgres(load_settings(project=project, environment={}).postgres).ok
    finally:
        stop(project)
        shutil.rmtree(cache)


def test_a_folder_is_open_only_when_every_step_is(tmp_path):
    """One closed folder above is enough to be closed."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    closed = tmp_path / "a"
    closed.chmod(0o700)

    assert not postgres_user.open_to_others(inner)
    assert postgres_user.open_to_others(Path("/bin/sh"))


def test_root_on_a_system_without_the_trick_is_told_so(monkeypatch):
    """On macOS root is refused with a way out; an ordinary user needs nothing."""
    monkeypatch.setattr(postgres_user.sys, "platform", "darwin")
    monkeypatch.setattr(postgres_user.os, "geteuid", lambda: 0)
    with pytest.raises(ConfigurationError, match="root"):
        postgres_user.server_user()

    monkeypatch.setattr(postgres_user.os, "geteuid", lambda: 501)
    assert postgres_user.server_user() is None
