"""What both servers share: bearer token, faults, error bodies, and a process that ends when told to."""

from __future__ import annotations

import hmac
import json
import os
import socket
import sys
from types import FrameType

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.errors import BadArgumentError
from demo.faults import RETRY_AFTER_SECONDS, Allowance, Fault, Faults

OPEN_PATHS = frozenset({"/", "/health"})


def problem(status: int, code: str, message: str, *, retry: bool = False) -> Response:
    """Build an error answer: `{"error": {"code", "message"}}`."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if retry else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


class Guard:
    """Stand before an application: 401 without the token, then rate limit, then faults.

    `/` and `/health` are open and never fail.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, faults: Faults, allowance: Allowance | None = None
    ) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._faults = faults
        self._allowance = allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(Headers(scope=scope).get("authorization", ""))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        fault = self._faults.draw()
        if fault is Fault.ANSWER_LOST:
            await self._app(scope, receive, _nowhere)
        answer = self._app if fault is None else _answer(fault)
        await answer(scope, receive, send)

    def _refuse(self, authorization: str) -> Response | None:
        if not hmac.compare_digest(authorization.encode(), self._expected):
            return problem(401, "unauthorized", "send Authorization: Bearer <token>")
        if self._allowance is not None and not self._allowance.take():
            return problem(429, "rate_limited", "too many requests a second", retry=True)
        return None


def token_from(variable: str) -> str:
    """Read a token from the environment: arguments stand in the list of processes for all to see."""
    token = os.environ.get(variable, "")
    if not token:
        raise BadArgumentError(f"{variable} is not set", hint=f"export {variable}=<a secret of yours>")
    return token


async def _nowhere(_message: Message) -> None:
    """Take an answer that is lost on its way."""


def _answer(fault: Fault) -> Response:
    if fault is Fault.BUSY:
        return problem(429, "busy", "too many requests, come back later", retry=True)
    if fault is Fault.BROKEN:
        return problem(500, "internal_error", "something went wrong, try again")
    return problem(503, "unavailable", "no capacity at the moment, try again", retry=True)


def serve(app: ASGIApp, *, service: str, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or Ctrl-C; prints `{"service", "port", "url"}` once it listens.

    Port 0 takes a free one. Raises BadArgumentError when the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadArgumentError(
                f"port {port} on 127.0.0.1 can't be used: {error.strerror}",
                hint="give another --port, or 0 for a free one",
            ) from error
        listener.listen(128)
        chosen = listener.getsockname()[1]
        line = {"service": service, "port": chosen, "url": f"http://127.0.0.1:{chosen}"}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=3
        )
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends with exit code 0 on SIGTERM and Ctrl-C: uvicorn would raise the signal again afterwards."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        self.should_exit = True
