"""The servers as processes: they say where they listen, end when told to, and lose nothing when killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from demo.__main__ import main

ROOT = Path(__file__).parents[2]
TOKEN = "token-that-nobody-may-see"


@contextmanager
def running(command, *arguments, token=TOKEN):
    """Start a server and yield its process and the line that it printed."""
    environment = {**os.environ, "DEMO_RETAIL_TOKEN": token, "DEMO_CRM_TOKEN": token}
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", command, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        yield process, json.loads(line) if line else None
    finally:
        process.kill()
        process.communicate()


def get(url, path):
    return httpx.get(url + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)


def arguments_of(command, folder):
    return ("--db", folder / "crm.sqlite") if command == "crm" else ("--state", folder / "demo.json")


@pytest.mark.parametrize("command", ["retail", "crm"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=lambda ending: ending.name)
def test_a_server_takes_a_free_port_and_ends_cleanly(tmp_path, command, ending):
    """Its first line says where; it answers on loopback only; a signal ends it with exit code 0."""
    with running(command, *arguments_of(command, tmp_path)) as (process, line):
        assert (line["service"], line["url"]) == (command, f"http://127.0.0.1:{line['port']}")
        with httpx.Client(base_url=line["url"]) as kept_open:
            assert kept_open.get("/health").json() == {"status": "ok"}
            process.send_signal(ending)
            _, err = process.communicate(timeout=15)
        assert (process.returncode, err) == (0, "")
        with pytest.raises(httpx.ConnectError):
            httpx.get(line["url"] + "/health")


def test_the_token_is_in_no_argument_and_no_output(tmp_path):
    """Other users can list processes."""
    with running("crm", "--db", tmp_path / "crm.sqlite") as (process, line):
        assert get(line["url"], "/v1/stats").status_code == 200
        assert TOKEN not in subprocess.check_output(["ps", "-o", "args=", "-p", str(process.pid)], text=True)
        assert TOKEN not in json.dumps(line)


def test_a_taken_port_is_named(tmp_path, capsys, monkeypatch):
    """Exit code 2 and what to do."""
    monkeypatch.setenv("DEMO_CRM_TOKEN", TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["crm", "--db", str(tmp_path / "crm.sqlite"), "--port", str(port)])

    assert code == 2
    said = capsys.readouterr().err
    assert f"port {port} on 127.0.0.1 can't be used" in said
    assert "next: give another --port" in said


@pytest.mark.parametrize(
    ("command", "variable"), [("retail", "DEMO_RETAIL_TOKEN"), ("crm", "DEMO_CRM_TOKEN")]
)
def test_without_a_token_no_server_starts(tmp_path, capsys, monkeypatch, command, variable):
    """An open server would be a surprise."""
    monkeypatch.delenv(variable, raising=False)

    assert main([command, *map(str, arguments_of(command, tmp_path))]) == 2
    assert f"{variable} is not set" in capsys.readouterr().err


def test_a_killed_crm_remembers_what_it_acknowledged(tmp_path):
    """Kill -9 right after the answer; the next process knows the contact and the key."""
    body = {"contacts": [{"external_id": "7", "idempotency_key": "a", "properties": {"tier": "gold"}}]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    quiet = ("--db", tmp_path / "crm.sqlite", "--fault-rate", 0)
    with running("crm", *quiet) as (process, line):
        answer = httpx.post(line["url"] + "/v1/contacts/batch", json=body, headers=headers)
        process.kill()
        assert answer.json()["results"][0]["status"] == "created"
    with running("crm", *quiet) as (_, line):
        assert get(line["url"], "/v1/contacts/7").json()["properties"] == {"tier": "gold"}
        again = httpx.post(line["url"] + "/v1/contacts/batch", json=body, headers=headers)
        assert again.json()["results"] == [{"external_id": "7", "status": "created", "duplicate": True}]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["replay", "--bootstrap", "x:1", "--as-of", "yesterday"], "write 2026-11-01"),
        (["replay", "--bootstrap", "x:1", "--rate", "0"], "not above 0"),
        (["replay", "--bootstrap", "x:1", "--stream", "products"], "invalid choice"),
        (["live", "--bootstrap", "x:1", "--until", "soon"], "write 2026-11-01T12:00:00Z"),
        (["replay"], "--bootstrap"),
        (["retail", "--port", "70000"], "is no port"),
        (["crm"], "--db"),
        (["crm", "--db", "x", "--fault-rate", "1"], "not between 0 and 0.5"),
        ([], "COMMAND"),
    ],
)
def test_a_wrong_argument_is_explained(capsys, argv, said):
    """Exit code 2 before anything is started."""
    with pytest.raises(SystemExit) as ended:
        main(argv)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_live_without_a_first_run_says_what_to_run(tmp_path, capsys):
    """It has nothing to continue."""
    assert main(["live", "--bootstrap", "127.0.0.1:1", "--state", str(tmp_path / "demo.json")]) == 2
    assert "next: lake demo run" in capsys.readouterr().err


def test_the_calendar_is_fixed_and_shown(tmp_path, capsys):
    """The command that fixes it alone prints what it fixed."""
    argv = ["calendar", "--state", str(tmp_path / "demo.json"), "--as-of", "2026-06-01", "--json"]

    assert main(argv) == main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[1]
    assert json.loads(lines[0]) == {
        "now": "2026-06-01T00:00:00Z",
        "shift_weeks": 440,
        "first_day": "2025-06-08",
        "last_sunday": "2026-06-07",
    }


def test_the_planners_say_where_their_promotions_lie(capsys):
    """The file's own count; nothing of it is read."""
    assert main(["promotions", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert Path(said["file"]).stat().st_size > 0
    assert said["rows"] == 20_940_529
