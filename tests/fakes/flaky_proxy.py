"""An HTTP proxy that loses, cuts off, delays, doubles and reorders requests and answers by chance; seeded."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.http_server import Handler, serve


class Whim(Enum):
    """What happens to one request."""

    LOSE_REQUEST = "the connection closes and nothing is applied"
    LOSE_ANSWER = "applied, then the connection closes without an answer"
    BAD_GATEWAY = "applied, then answered with 502"
    DOUBLE = "applied twice; the second answer goes back"
    DELAY = "kept back for a moment, so that later requests overtake it"
    SLOW_DOWN = "answered with 503 and not applied"
    CUT_OFF = "half of its body arrives, then both connections close"


@dataclass(slots=True)
class Whims:
    """Which share of the requests is harmed, and what was done so far."""

    draw: random.Random
    share: float
    done: Counter[Whim] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Whim | None:
        with self.lock:
            if self.draw.random() >= self.share:
                return None
            whim = self.draw.choice(list(Whim))
            self.done[whim] += 1
            return whim


@contextmanager
def flaky_proxy(upstream: str, whims: Whims) -> Iterator[str]:
    """Yield the address before `upstream`; the Host header stays, so that S3's signatures hold."""
    target = urlsplit(upstream)

    class FlakyHandler(Handler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.read_body()
            whim = whims.next()
            if whim is Whim.LOSE_REQUEST:
                self.close_connection = True
                return
            if whim is Whim.SLOW_DOWN:
                self.answer(503, b"<Error><Code>SlowDown</Code></Error>")
                return
            if whim is Whim.CUT_OFF:
                self.forward_half(body)
                self.close_connection = True
                return
            if whim is Whim.DELAY:
                time.sleep(0.3)
            status, headers, content = self.forward(body)
            if whim is Whim.DOUBLE:
                status, headers, content = self.forward(body)
            if whim is Whim.LOSE_ANSWER:
                self.close_connection = True
            elif whim is Whim.BAD_GATEWAY:
                self.answer(502, b"{}")
            else:
                self.answer(status, content, headers)

        def read_body(self) -> bytes:
            """Return the body as it came, the frames of a chunked one included."""
            if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
                return super().read_body()
            lines = []
            while not lines or lines[-1] not in {b"\r\n", b""}:
                head = self.rfile.readline()
                size = int(head.split(b";")[0], 16)
                lines += [head, self.rfile.read(size + 2) if size else self.rfile.readline()]
                if not size:
                    while lines[-1] not in {b"\r\n", b""}:  # trailers, for example a checksum
                        lines.append(self.rfile.readline())
            return b"".join(lines)

        def forward_half(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=30)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() not in {"connection", "expect"}:
                    connection.putheader(key, value)
            connection.endheaders(body[: len(body) // 2])
            connection.close()

        def forward(self, body: bytes) -> tuple[int, list[Any], bytes]:
            connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=30)
            kept = {k: v for k, v in self.headers.items() if k.lower() not in {"connection", "expect"}}
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            found = answer.status, answer.getheaders(), answer.read()
            connection.close()
            return found

    with serve(FlakyHandler) as url:
        yield url
