"""An HTTP proxy before the catalog that loses answers and sends requests twice, when told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Fault(Enum):
    """What happens to one request."""

    DROP_AFTER = "applied, then the connection closes without an answer"
    STATUS_500_AFTER = "applied, then answered with 500"
    STATUS_503_AFTER = "applied, then answered with 503"
    TWICE = "applied, then sent again; the second answer goes back"
    STATUS_503_BEFORE = "answered with 503 and not applied"
    DROP_BEFORE = "the connection closes and nothing is applied"
    STATUS_409_BEFORE = "answered with 409 and not applied"


class CatalogProxy:
    """Forwards everything; `arm` sets what happens to the next commits whose body holds `mark`."""

    def __init__(self, upstream: str, mark: bytes) -> None:
        self.upstream = urlsplit(upstream)
        self.mark = mark
        self.faults: list[Fault] = []
        self.seen: list[Fault] = []
        self.dead = False
        self.die_after: bool = False
        self._lock = threading.Lock()

    def arm(self, *faults: Fault) -> None:
        with self._lock:
            self.faults, self.seen = list(faults), []

    def next_fault(self, method: str, body: bytes) -> Fault | None:
        with self._lock:
            if method != "POST" or self.mark not in body or not self.faults:
                return None
            self.seen.append(self.faults[0])
            return self.faults.pop(0)

    def forward(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list[Any], bytes]:
        connection = http.client.HTTPConnection(self.upstream.hostname or "", self.upstream.port or 80)
        kept = {
            k: v for k, v in headers.items() if k.lower() not in {"host", "connection", "accept-encoding"}
        }
        connection.request(method, path, body or None, kept)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content


@contextmanager
def catalog_proxy(upstream: str, *, mark: bytes) -> Iterator[tuple[CatalogProxy, str]]:
    """Yield the proxy and its address."""
    proxy = CatalogProxy(upstream, mark)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            if proxy.dead:
                self.close_connection = True
                return
            fault = proxy.next_fault(self.command, body)
            if fault in {Fault.STATUS_503_BEFORE, Fault.STATUS_409_BEFORE}:
                self.answer(int(fault.name.split("_")[1]), [], b'{"error":{"message":"injected","code":503}}')
                return
            if fault is Fault.DROP_BEFORE:
                self.close_connection = True
                return
            status, headers, content = proxy.forward(self.command, self.path, self.headers, body)
            if fault is Fault.TWICE:
                status, headers, content = proxy.forward(self.command, self.path, self.headers, body)
            if fault is not None and proxy.die_after:
                proxy.dead = True
            if fault is Fault.DROP_AFTER:
                self.close_connection = True
                return
            if fault in {Fault.STATUS_500_AFTER, Fault.STATUS_503_AFTER}:
                self.answer(int(fault.name.split("_")[1]), [], b'{"error":{"message":"injected","code":500}}')
                return
            self.answer(status, headers, content)

        do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = handle_any  # noqa: N815  http.server's names

        def answer(self, status: int, headers: list[Any], content: bytes) -> None:
            self.send_response(status)
            for key, value in headers:
                if key.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(key, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD" and status not in {204, 304}:
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
