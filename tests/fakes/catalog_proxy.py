"""An HTTP proxy before the catalog that loses answers and sends requests twice, when told to."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.http_server import Handler, serve


class Fault(Enum):
    """What happens to one request."""

    DROP_AFTER = "applied, then the connection closes without an answer"
    STATUS_500_AFTER = "applied, then answered with 500"
    STATUS_503_AFTER = "applied, then answered with 503"
    TWICE = "applied, then sent again; the second answer goes back"
    STATUS_503_BEFORE = "answered with 503 and not applied"
    DROP_BEFORE = "the connection closes and nothing is applied"
    STATUS_409_BEFORE = "answered with 409 and not applied"
    STATUS_500_BEFORE = "answered with 500 and not applied"
    STATUS_409_AFTER = "applied, then answered with 409"
    LATE = "applied, and answered when the client has given up"
    STRAGGLER = "the connection closes; applied when the next commit comes, right before it"


class ServerError(Enum):
    """The same for other answers that say that something is wrong with a server."""

    STATUS_502_BEFORE = "answered with 502 and not applied"
    STATUS_504_BEFORE = "answered with 504 and not applied"
    STATUS_502_AFTER = "applied, then answered with 502"
    STATUS_504_AFTER = "applied, then answered with 504"


# Whether a request (method, path, body) is one that is meant.
Step = Callable[[str, str, bytes], bool]


class CatalogProxy:
    """Forwards everything; `arm` sets what happens to the next requests that are meant.

    Without a step those are POSTs whose body holds `mark`. `late` is how long a late answer takes.
    """

    def __init__(self, upstream: str, mark: bytes) -> None:
        self.upstream = urlsplit(upstream)
        self.mark = mark
        self.late = 3.0
        self.stragglers: list[tuple[str, str, Any, bytes]] = []
        self.faults: list[Fault | ServerError] = []
        self.step: Step = lambda *_: False
        self.seen: list[Fault | ServerError] = []
        self.dead = False
        self.die_after: bool = False
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def arm(self, *faults: Fault | ServerError, step: Step | None = None) -> None:
        with self._lock:
            self.step = step or (lambda method, _, body: method == "POST" and self.mark in body)
            self.faults, self.seen = list(faults), []

    def next_fault(self, method: str, path: str, body: bytes) -> Fault | ServerError | None:
        with self._lock:
            if not self.faults or not self.step(method, path, body):
                return None
            self.seen.append(self.faults[0])
            return self.faults.pop(0)

    def deliver_stragglers(self) -> None:
        """Let what was kept back arrive; nobody waits for the answer."""
        kept, self.stragglers = self.stragglers, []
        for request in kept:
            self.forward(*request)

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

    class CatalogHandler(Handler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.read_body()
            if proxy.dead:
                self.close_connection = True
                return
            fault = proxy.next_fault(self.command, self.path, body)
            if self.command == "POST" and proxy.mark in body:
                proxy.deliver_stragglers()
            if fault is not None and fault.name.endswith("_BEFORE") and fault is not Fault.DROP_BEFORE:
                self.inject(fault)
                return
            if fault is Fault.STRAGGLER:
                proxy.stragglers.append((self.command, self.path, self.headers, body))
            if fault in {Fault.DROP_BEFORE, Fault.STRAGGLER}:
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
            if fault is not None and fault.name.startswith("STATUS_"):
                self.inject(fault)
                return
            if fault is Fault.LATE:
                proxy.closing.wait(proxy.late)
            with suppress(BrokenPipeError, ConnectionResetError):
                self.answer(status, content, headers)

        def inject(self, fault: Fault | ServerError) -> None:
            status = int(fault.name.split("_")[1])
            text = {"error": {"message": "injected", "type": "Injected", "code": status}}
            self.answer(status, json.dumps(text).encode())

    with serve(CatalogHandler) as url:
        try:
            yield proxy, url
        finally:
            proxy.closing.set()
