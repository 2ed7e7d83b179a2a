"""Read a request's body within its limits; compressed ones grow no larger than they may."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import zstandard
from starlette.requests import ClientDisconnect, Request

from ingest.gateway.answers import Refusal
from lake.settings import GatewaySettings

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 256  # a block of four bytes can stand for 128 KiB
_LARGEST_WINDOW = 8 * 1024 * 1024  # what RFC 9659 lets a zstd frame ask for in HTTP


@dataclass(slots=True)
class Budget:
    """Bytes that all requests together may hold; used by one event loop."""

    limit: int
    used: int = 0

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Share]:
        """Lend a share that grows with what is read and is given back at the end."""
        share = Share(budget=self)
        try:
            yield share
        finally:
            self.used -= share.taken


@dataclass(slots=True)
class Share:
    """What one request holds of the budget."""

    budget: Budget
    taken: int = field(default=0)

    def take(self, size: int) -> None:
        if self.budget.used + size > self.budget.limit:
            raise Refusal(503, "too many bytes are being sent at once", retry=1)
        self.budget.used += size
        self.taken += size


async def read_body(request: Request, settings: GatewaySettings, share: Share) -> bytes:
    """Return the decompressed body.

    Refuses with 408, 413 (also for a body that would decompress to more than it may), 415 or 400.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _DECODERS:
        known = ", ".join(name for name in _DECODERS if name != "identity")
        raise Refusal(415, f"Content-Encoding {encoding[:40]} is not read; use {known} or none")
    try:
        async with asyncio.timeout(settings.body_seconds):
            sent = await _receive(request, settings.body_bytes, share)
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {settings.body_seconds:g} s") from None
    except ClientDisconnect:
        raise Refusal(400, "the connection closed before the body was complete") from None
    if encoding == "identity":
        return sent
    content = _DECODERS[encoding](sent, settings.content_bytes)
    share.take(len(content))
    return content


async def _receive(request: Request, limit: int, share: Share) -> bytes:
    declared = request.headers.get("content-length", "")
    too_large = Refusal(413, f"a body may have at most {limit} bytes; send the records in several requests")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise too_large
        share.take(len(piece))
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _bomb(limit: int) -> Refusal:
    return Refusal(413, f"the body decompresses to more than {limit} bytes")


def _gunzip(sent: bytes, limit: int) -> bytes:
    """Decompress all members of a gzip file."""
    content: list[bytes] = []
    left, rest = limit, sent
    try:
        while rest:
            member = zlib.decompressobj(_GZIP)
            content.append(member.decompress(rest, left + 1))
            left -= len(content[-1])
            if left < 0:
                raise _bomb(limit)
            if not member.eof:
                raise Refusal(400, "the gzip body is cut off")
            rest = member.unused_data
    except zlib.error:
        raise Refusal(400, "the body is no gzip") from None
    return b"".join(content)


def _unzstd(sent: bytes, limit: int) -> bytes:
    """Decompress all frames of a zstd file, in pieces too small to grow by more than 8 MiB each."""
    content: list[bytes] = []
    left = limit
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    frame = decompressor.decompressobj()
    pieces = [sent[start : start + _PIECE] for start in range(0, len(sent), _PIECE)]
    complete = True
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if frame.eof:
                    frame = decompressor.decompressobj()
                content.append(frame.decompress(rest))
                left -= len(content[-1])
                if left < 0:
                    raise _bomb(limit)
                complete, rest = frame.eof, frame.unused_data
    except zstandard.ZstdError:
        raise Refusal(400, "the body is no zstd, or asks for a window above 8 MiB") from None
    if not complete:
        raise Refusal(400, "the zstd body is cut off")
    return b"".join(content)


def _as_is(sent: bytes, _limit: int) -> bytes:
    return sent


_DECODERS = {"identity": _as_is, "gzip": _gunzip, "zstd": _unzstd}
