"""SQLMesh's language server works in a project of ours, as an editor speaks to it: JSON-RPC over stdio."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tests.fakes.mesh import CONFIG


def send(stream: IO[bytes], message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    stream.flush()


def receive(stream: IO[bytes], identifier: int) -> dict[str, Any]:
    """Read messages until the answer to one request; notifications in between are left out."""
    while True:
        length = 0
        while (line := stream.readline().strip()) or not length:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(stream.read(length))
        if message.get("id") == identifier and "method" not in message:
            return message


def test_the_language_server_answers_initialize_with_every_service_down(tmp_path: Path) -> None:
    """It knows our connection types and says what it can do; no service is needed for it."""
    config = CONFIG.format(cache=tmp_path / ".cache", tasks=1, trino="")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "one.sql"
    model.write_text("MODEL (name a.one, kind FULL);\nSELECT 1::INT AS one\n", encoding="utf-8")
    server = subprocess.Popen(
        [Path(sys.executable).with_name("sqlmesh_lsp")],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        root = tmp_path.as_uri()
        send(
            server.stdin,
            {
                "id": 1,
                "method": "initialize",
                "params": {
                    "processId": None,
                    "rootUri": root,
                    "capabilities": {},
                    "workspaceFolders": [{"uri": root, "name": "project"}],
                },
            },
        )
        answer = receive(server.stdout, 1)
        assert "error" not in answer, answer
        assert answer["result"]["capabilities"]["hoverProvider"]
        send(server.stdin, {"id": 2, "method": "shutdown"})
        assert "error" not in receive(server.stdout, 2)
        send(server.stdin, {"method": "exit"})
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
