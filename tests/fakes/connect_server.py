"""Redpanda Connect's Streams API as its code behaves, not as its documentation says; with faults on demand.

A transport for httpx. `faults` are taken one per changing request: each does the real thing, or half of it,
and then breaks.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx
import yaml

_VARIABLE = re.compile(r"\$\{([0-9A-Za-z_.]+)(:[^}]*)?\}")


class Fault(Enum):
    """What goes wrong with the next POST, PUT or DELETE of a stream."""

    NONE = "none"
    CREATE_FAILS = "the stream can't be built: a PUT has deleted the old one by then"
    ANSWER_LOST = "done, and the connection breaks before the answer"
    REQUEST_LOST = "not done, and the connection breaks"
    NOT_APPLIED = "200, and nothing was done"
    RESTART = "done, answered, and then the process restarts and forgets all streams"
    GATEWAY_ERROR = "502 before anything was done"


@dataclass(slots=True)
class FakeConnect:
    """Holds streams in memory; `calls` are the requests that change something."""

    streams: dict[str, Any] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)  # streams whose output never stops by itself
    disconnected: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    lint_key: str = "lint_errors"
    calls: list[tuple[str, str]] = field(default_factory=list)
    password: str = ""

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self.password and request.headers.get("authorization", "") != self.password:
            return httpx.Response(401, text="Unauthorized")
        parts = request.url.path.strip("/").split("/")
        if parts == ["ready"]:
            return self._ready()
        if parts == ["streams"]:
            return self._all(request)
        if len(parts) == 3 and parts[2] == "stats":
            return self._stats(parts[1])
        if len(parts) == 2 and parts[0] == "streams":
            return self._one(request, parts[1])
        return httpx.Response(404, text="404 page not found")

    def _ready(self) -> httpx.Response:
        waiting = [s for s in self.streams if s in self.disconnected and s not in self.ended]
        if waiting:
            return httpx.Response(503, text=f"streams {', '.join(waiting)} are not connected\n")
        return httpx.Response(200, text="OK")

    def _all(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.calls.append(("POST", "/streams"))
            self.streams = dict(yaml.safe_load(request.content))  # takes away what others run
            return httpx.Response(200)
        if request.method != "GET":
            return httpx.Response(400, text="Error: method not supported")
        return httpx.Response(200, json={s: self._info(s) for s in self.streams})

    def _info(self, name: str) -> dict[str, Any]:
        return {"active": name not in self.ended, "uptime": 12.5, "uptime_str": "12.5s"}

    def _stats(self, name: str) -> httpx.Response:
        if name not in self.streams:
            return httpx.Response(404, text="Stream not found\n")
        return httpx.Response(200, json={"input.received": 3, "output.sent": 3, "uptime_ns": 12_500_000_000})

    def _one(self, request: httpx.Request, name: str) -> httpx.Response:
        if request.method == "GET":
            if name not in self.streams:
                return httpx.Response(404, text="Stream not found\n")
            return httpx.Response(200, json={**self._info(name), "config": self.streams[name]})
        if request.method not in {"POST", "PUT", "DELETE"}:
            raise AssertionError(f"{request.method} is not to be used")
        self.calls.append((request.method, request.url.path))
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if fault is Fault.REQUEST_LOST:
            raise httpx.ReadError("connection reset", request=request)
        if fault is Fault.GATEWAY_ERROR:
            return httpx.Response(502, text="Error: bad gateway")
        if fault is Fault.NOT_APPLIED:
            return httpx.Response(200)
        answer = self._change(request, name, fails=fault is Fault.CREATE_FAILS)
        if fault is Fault.RESTART:
            self.streams.clear()
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadTimeout("no answer", request=request)
        return answer

    def _change(self, request: httpx.Request, name: str, *, fails: bool) -> httpx.Response:
        config: Any = None
        if request.method != "DELETE":
            text, missing = self._filled(request.content.decode())
            if missing:
                return httpx.Response(
                    400, text=f"Error: required environment variables were not set: {missing}"
                )
            config = yaml.safe_load(text)
            if lints := self._lint(config):
                return httpx.Response(400, json={self.lint_key: lints})
        if request.method == "POST" and name in self.streams:
            return httpx.Response(400, text="Stream already exists\n")
        if request.method != "POST":
            if name not in self.streams:
                return httpx.Response(404, text="Stream not found\n")
            if name in self.blocked and "timeout" not in request.url.params:
                raise httpx.ReadTimeout("waits for ever", request=request)
            del self.streams[name]
        if config is not None:
            if fails:
                return httpx.Response(502, text="Error: failed to init output: no such host")
            self.streams[name] = config
            self.ended.discard(name)
        return httpx.Response(200)

    def _filled(self, text: str) -> tuple[str, list[str]]:
        missing = [m[1] for m in _VARIABLE.finditer(text) if m[1] not in self.environment and not m[2]]
        return _VARIABLE.sub(lambda m: self.environment.get(m[1], (m[2] or ":")[1:]), text), missing

    def _lint(self, config: Any) -> list[str]:
        allowed = {"input", "buffer", "pipeline", "output"}
        return [f"(1,1) field {name} not recognised" for name in config if name not in allowed] + [
            f"(2,1) value {json.dumps(v['bad'])} is no number" for v in config.values() if "bad" in v
        ]
