"""Serve the gateway until it is told to end; what was taken in is answered first."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from ingest.gateway.app import build_app
from ingest.memory import made_for_records
from lake.contracts import Contract
from lake.errors import ConflictError
from lake.settings import Settings

_MARGIN_SECONDS = 10
_BACKLOG = 512


def serve(
    settings: Settings, contracts: Sequence[Contract], *, port: int, on_listening: Callable[[str], None]
) -> None:
    """Listen on the port (0: a free one) until SIGTERM or Ctrl-C; a second signal ends it at once.

    1 No new connections. 2 Requests under way are answered. 3 The queue is emptied. Raises ConflictError
    when the port is taken.
    """
    limits = settings.gateway
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((limits.host, port))
        except OSError as error:
            raise ConflictError(
                f"port {port} on {limits.host} can't be used: {error.strerror}",
                hint="lake gateway run --port with another one",
            ) from error
        listener.listen(_BACKLOG)
        on_listening(f"http://{limits.host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            build_app(settings, contracts),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=int(limits.ack_seconds) + _MARGIN_SECONDS,
        )
        with made_for_records():
            _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends like any service that was told to: uvicorn would raise the signal again afterwards."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        self.force_exit = self.should_exit
        self.should_exit = True
