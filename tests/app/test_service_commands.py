"""`lake up down status logs doctor` as people and programs see them."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from app.cli import services
from lake.control import read_acts
from lake.errors import BadInputError, RefusedError
from lake.stack import inspection, log_tail
from lake.stack.state import read_state

pytestmark = pytest.mark.stack

CORE = ["seaweed", "postgres", "tansu"]


@pytest.fixture
def lake(stack_project, monkeypatch):
    """Run a command inside the project of the running stack; return (exit code, stdout)."""
    monkeypatch.chdir(stack_project.root)
    cli = typer.Typer()
    services.register(cli)

    def run(*words):
        result = CliRunner().invoke(cli, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return run


def test_up_on_a_running_stack_says_so_and_is_logged(lake, stack):
    """Nothing starts; the act still stands in the audit log with its reason."""
    code, output = lake("up", "--reason", "to be sure")

    assert code == 0
    assert "already up" in output
    newest = read_acts(stack.postgres)[0]
    assert (newest.act, newest.reason, newest.detail["started"]) == ("up", "to be sure", [])


def test_up_for_programs_is_one_json_document(lake):
    """No progress line stands around it."""
    code, output = lake("up", "--json")

    found = json.loads(output)
    assert code == 0
    assert sorted(found["kept"]) == sorted(CORE)
    assert found["migrations"] == []


def test_status_shows_every_service(lake, stack_project):
    """State, address, answer, pid and memory, one line each."""
    code, output = lake("status")

    pids = {name: str(child.pid) for name, child in read_state(stack_project).children.items()}
    assert code == 0
    lines = {line.split("\t")[0]: line.split("\t") for line in output.splitlines()}
    for name in CORE:
        assert lines[name][1] == "ready"
        assert pids[name] in lines[name]


def test_status_for_programs_has_the_same_facts(lake):
    """`--json` prints one object: the services with the state as a word, and what waits for somebody."""
    code, output = lake("status", "--json")

    found = json.loads(output)
    assert code == 0
    assert [(s["service"], s["state"]) for s in found["services"]] == [(n, "ready") for n in CORE]
    assert found.keys() == {"services", "restatements", "alarms"}


def test_status_of_services_that_do_not_answer_is_exit_code_4(lake, monkeypatch):
    """Programs see it in the code, people in the next step."""
    monkeypatch.setenv("LAKE_PROFILE", "external")
    monkeypatch.setenv("LAKE_STORAGE__ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(inspection, "EXTERNAL_SECONDS", 0.3)
    code, output = lake("status")

    assert code == 4
    assert "storage\tsilent" in output
    assert "lake doctor" in output
    assert lake("status", "--json")[0] == 4


def test_up_and_down_refuse_in_profile_external(lake, monkeypatch):
    """The services are somebody else's."""
    monkeypatch.setenv("LAKE_PROFILE", "external")
    for command in ("up", "down"):
        with pytest.raises(RefusedError, match="external"):
            lake(command)


def test_doctor_lists_checks_and_for_programs_their_next_steps(lake):
    """Text for people, objects for programs, the code for both."""
    text_code, text = lake("doctor")
    code, output = lake("doctor", "--json")

    findings = json.loads(output)
    assert text_code == code == (0 if all(f["ok"] for f in findings) else 3)
    assert {f["check"] for f in findings} >= {"python", "settings", "disk", "memory", "ports", "tansu"}
    assert all(f["check"] in text for f in findings)
    assert all(f["next_step"] for f in findings if not f["ok"])


def test_logs_show_one_service_or_all(lake, stack_project):
    """The last lines, as many as asked; with several services each line says whose it is."""
    append(stack_project.logs / "tansu.log", "first\nsecond\nthird\n")

    assert lake("logs", "tansu", "-n", "2") == (0, "second\nthird\n")
    assert "tansu: third" in lake("logs", "-n", "1")[1].splitlines()
    with pytest.raises(BadInputError, match="tansoo") as caught:
        lake("logs", "tansoo")
    assert "tansu" in caught.value.hint


def test_logs_follow_what_is_written_and_survive_rotation(stack_project):
    """A line comes once, whole, and a file that was begun anew is read from its start."""
    log = stack_project.logs / "follow.log"
    log.write_text("old\n")
    lines = log_tail.follow_logs(stack_project, "follow")

    append(log, "one\nhalf")
    assert next(lines) == "one"
    append(log, " done\nnext\n")
    assert [next(lines), next(lines)] == ["half done", "next"]
    log.write_text("new\n")
    assert next(lines) == "new"
    log.unlink()


def append(log, text):
    with log.open("a") as file:
        file.write(text)


def test_help_needs_no_project(tmp_path, monkeypatch, lake):
    """`--help` works anywhere, before anything is configured."""
    monkeypatch.chdir(tmp_path)
    code, output = lake("--help")

    assert code == 0
    assert all(command in output for command in ("up", "down", "status", "logs", "doctor"))
