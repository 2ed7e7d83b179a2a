"""An HTTP server of a test, on a free port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_NOT_OURS = {"transfer-encoding", "connection", "content-length"}


class Handler(BaseHTTPRequestHandler):
    """Answers every method in `handle_any`, in whole bodies, and says nothing on stderr."""

    def handle_any(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.handle_any()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815  http.server's names

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send an answer; of its headers those that are about one connection are left out."""
        self.send_response(status)
        for key, value in headers:
            if key.lower() not in _NOT_OURS:
                self.send_header(key, value)
        length = {k.lower(): v for k, v in headers}.get("content-length")
        bodiless = self.command == "HEAD" or status in {204, 304}
        if not bodiless:
            self.send_header("Content-Length", str(len(content)))
        elif length is not None and self.command == "HEAD":
            self.send_header("Content-Length", length)
        self.end_headers()
        if not bodiless:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serve(handler: type[Handler]) -> Iterator[str]:
    """Yield the address at which a handler answers, each connection in a thread of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
