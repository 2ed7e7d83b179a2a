"""One child: recognised later, ended with its family, never mistaken for somebody else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from lake.errors import ConfigurationError
from lake.settings import Project, inherited_environment
from lake.stack import process
from lake.stack.model import Child, Launch
from lake.stack.state import make_folder

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    ),
)
PARENT = (
    sys.executable,
    "-c",
    (
        "import subprocess, sys, time;"
        "nap = [sys.executable, '-c', 'import time; time.sleep(600)'];"
        "p = subprocess.Popen(nap, start_new_session=True);"
        "print(p.pid, flush=True); time.sleep(600)"
    ),
)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config.yaml").touch()
    project = Project(root=tmp_path)
    make_folder(project)
    yield project
    for _, live in list(process.orphans(project, {})):
        process.end(live, first=signal.SIGKILL)


def spawn(project, argv=SLEEP, service="nap"):
    log = project.logs / f"{service}.log"
    return process.spawn(project, service, Launch(argv=argv, cwd=project.root), log)


def wait_for_log(project, service="nap"):
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        if lines := process.tail(project.logs / f"{service}.log"):
            return lines[-1]
        time.sleep(0.02)
    pytest.fail("the child wrote nothing")


def test_a_child_is_found_again_and_ends_when_asked(project):
    """TERM is enough for a polite one."""
    child = spawn(project)
    live = process.find(child, project)

    assert live is not None
    assert process.end(live, seconds=10)
    assert process.find(child, project) is None
    assert process.exit_code(child) == -signal.SIGTERM


def test_a_reused_pid_is_not_ours(project):
    """Somebody else's process under the recorded pid counts as gone, and is left alone."""
    with subprocess.Popen(SLEEP) as foreign:
        stale = Child(service="nap", pid=foreign.pid, created=time.time() - 3600)

        assert process.find(stale, project) is None
        assert foreign.poll() is None
        foreign.kill()


def test_a_stepped_clock_does_not_hide_a_child(project):
    """When the recorded start time no longer fits, the mark in its environment still tells."""
    child = spawn(project)
    shifted = Child(service=child.service, pid=child.pid, created=child.created - 300)

    assert process.find(shifted, project) is not None


def test_a_pid_that_never_existed_is_gone(project):
    """A stale record alone raises nothing."""
    assert process.find(Child(service="nap", pid=2**22 - 1, created=1.0), project) is None


def test_a_deaf_child_is_killed(project):
    """After its time KILL follows TERM."""
    child = spawn(project, STUBBORN)
    assert wait_for_log(project) == "deaf"

    assert process.end(process.find(child, project), seconds=0.3) is False
    assert process.find(child, project) is None


def test_a_grandchild_in_a_session_of_its_own_ends_too(project):
    """Descendants are ended by kinship, not only by process group."""
    child = spawn(project, PARENT)
    grandchild = int(wait_for_log(project))

    process.end(process.find(child, project), seconds=0.5)

    ends = time.monotonic() + 10
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_an_unrecorded_child_is_an_orphan_of_its_project_alone(project, tmp_path_factory):
    """Found by its mark; recorded children, their descendants and other projects are not orphans."""
    child = spawn(project, PARENT)
    wait_for_log(project)
    elsewhere = Project(root=tmp_path_factory.mktemp("elsewhere"))

    assert [name for name, _ in process.orphans(project, {"nap": child})] == []
    assert {name for name, _ in process.orphans(project, {})} == {"nap"}
    assert list(process.orphans(elsewhere, {})) == []


def test_a_child_sees_only_its_own_environment(project, monkeypatch):
    """Neither the developer's settings nor cloud credentials reach a server."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    child = process.find(spawn(project), project)

    assert set(child.environ()) <= {"LAKEMESH_PROJECT", "LAKEMESH_SERVICE", "LC_CTYPE"}
    assert inherited_environment(X="1")["AWS_PROFILE"] == "production"


def test_a_program_that_is_not_there_is_said(project):
    """The message names the service and the program."""
    with pytest.raises(ConfigurationError, match=r"nap can't be started.*no-such-program"):
        spawn(project, ("/no-such-program",))


def test_logs_are_private_and_rotate(project):
    """0600, and the file of the last start is kept once."""
    log = project.logs / "nap.log"
    log.write_bytes(b"x" * (process.LOG_LIMIT_BYTES + 1))
    spawn(project)

    assert log.with_name("nap.log.1").stat().st_size > process.LOG_LIMIT_BYTES
    assert log.stat().st_mode & 0o777 == 0o600
