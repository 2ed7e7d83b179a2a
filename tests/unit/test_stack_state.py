"""`.lake/` is its owner's alone, whole or unchanged, and one command's at a time."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from lake.errors import ConfigurationError, ConflictError, TerminalError
from lake.settings import Project, load_settings
from lake.stack import write_variables
from lake.stack.model import Child
from lake.stack.state import StackState, disk_errors, locked, make_folder, read_state, stack_file, write_state


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config.yaml").touch()
    return Project(root=tmp_path)


def test_what_is_written_is_read_back(project):
    """Credentials, ports, children and registered services survive."""
    make_folder(project)
    state = StackState(
        ports={"seaweed.s3.port": 12345},
        children={"seaweed": Child(service="seaweed", pid=7, created=1.25)},
        services={"crm": {"argv": ["x"]}},
    )
    write_state(project, state)

    assert read_state(project) == state


def test_nobody_else_can_read_the_state(project):
    """The folder is 0700 and its files 0600, also after somebody opened the folder."""
    old = os.umask(0)
    try:
        make_folder(project)
        project.state.chmod(0o755)
        make_folder(project)
        write_state(project, StackState())
        write_variables(project, {"retail_token": "t"})
    finally:
        os.umask(old)

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [project.state, *project.state.iterdir()]}
    assert modes == {
        ".lake": 0o700,
        "stack.json": 0o600,
        "endpoints.json": 0o600,
        "lock": 0o600,
        "logs": 0o700,
    }


def test_credentials_are_new_for_every_project_and_hidden_in_repr():
    """No default password, and no secret in a traceback."""
    one, two = StackState(services={"crm": {"env": {"TOKEN": "visible"}}}), StackState()

    assert one.credentials != two.credentials
    shown = repr(one) + repr(one.credentials)
    assert "visible" not in shown
    assert not any(
        secret in shown for secret in (one.credentials.secret_key, one.credentials.postgres_password)
    )


@pytest.mark.parametrize("content", ["", "[]", '{"ports": {}}', '{"credentials": {"secret_key": "hush"}}'])
def test_a_damaged_state_is_said_without_its_secrets(project, content):
    """The file is named, its content is not shown, nothing is generated anew over it."""
    make_folder(project)
    stack_file(project).write_text(content)

    with pytest.raises(ConfigurationError) as caught:
        read_state(project)

    assert "stack.json" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert stack_file(project).read_text() == content


def test_a_write_that_fails_leaves_the_old_state(project, monkeypatch):
    """A full disk between two versions keeps the first and no scratch file."""
    make_folder(project)
    write_state(project, StackState(ports={"a": 1}))

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TerminalError, match="full"):
        write_state(project, StackState(ports={"a": 2}))

    assert read_state(project).ports == {"a": 1}
    assert sorted(p.name for p in project.state.iterdir()) == ["logs", "stack.json"]


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "full"), (errno.EROFS, "can't be written"), (errno.EACCES, "written")]
)
def test_an_error_of_the_disk_is_said_in_words(project, number, said):
    """What the kernel reports becomes a message with a next step."""
    with pytest.raises(TerminalError, match=said) as caught, disk_errors(project):
        raise OSError(number, os.strerror(number))

    assert caught.value.hint


def test_one_command_at_a_time_holds_the_stack(project):
    """A second one waits, then says who holds it."""
    with (
        locked(project),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(ConflictError, match=f"pid {os.getpid()}"),
    ):
        pool.submit(lambda: locked(project, wait_seconds=0.1).__enter__()).result()


def test_the_lock_of_a_killed_command_is_free(project):
    """No stale lock file ever needs a human."""
    program = f"""
        import os, signal
        from pathlib import Path
        from lake.settings import Project
        from lake.stack.state import locked
        with locked(Project(root=Path({str(project.root)!r}))):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -9

    with locked(project, wait_seconds=0.1):
        assert (project.state / "lock").read_text().strip() == str(os.getpid())


def test_variables_of_several_writers_are_merged(project):
    """Each keeps what the other wrote, and settings read them, masked."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: write_variables(project, {f"v{i}_token": f"secret-{i}"}), range(8)))

    settings = load_settings(project=project, environment={})
    assert {n: v.get_secret_value() for n, v in settings.variables.items()} == {
        f"v{i}_token": f"secret-{i}" for i in range(8)
    }
    assert "secret-" not in repr(settings)
    assert json.loads(project.endpoints_file.read_text())["variables"]["v0_token"] == "secret-0"
