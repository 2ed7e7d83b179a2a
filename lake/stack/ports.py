"""Ports: free ones are found once, remembered, and checked before a child needs them."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterable, Sequence

import psutil

from lake.errors import ConflictError

HOST = "127.0.0.1"
# Below every system's ephemeral range, so that no outgoing connection sits on a remembered port; with
# room above, because SeaweedFS insists that a worker finds the admin's gRPC at HTTP + 10,000.
LOWEST, HIGHEST, BLOCK = 12_000, 22_000, 16
GRPC_OFFSET = 10_000
LOOK_SECONDS = 0.02


def is_free(port: int) -> bool:
    """Say whether this machine would let us listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no owner
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def find_free(count: int, *, avoid: Iterable[int] = ()) -> tuple[int, ...]:
    """Return `count` (at most 16) free neighbouring ports whose gRPC ports are free too.

    One random block for all: two projects that start at the same moment collide once in 600 times
    instead of once in five.
    """
    taken = set(avoid)
    starts = list(range(LOWEST, HIGHEST, BLOCK))
    random.shuffle(starts)
    for start in starts:
        block = tuple(range(start, start + count))
        if not taken.intersection(block) and all(
            is_free(port) and is_free(port + GRPC_OFFSET) for port in block
        ):
            return block
    raise ConflictError(
        f"no {count} neighbouring ports are free between {LOWEST} and {HIGHEST}", hint="lake doctor"
    )


def assign(remembered: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    """Return `remembered` with ports for the names that had none."""
    missing = [name for name in names if name not in remembered]
    found = find_free(len(missing), avoid=remembered.values()) if missing else ()
    return {**remembered, **dict(zip(missing, found, strict=True))}


def comes_free(port: int, *, seconds: float) -> bool:
    """Say whether a port is free, or becomes so in a moment because nobody who could be named has it.

    The threads of a killed process end one by one, and the last of them takes its sockets along: until
    then the process is gone from every list and its ports are still taken.
    """
    ends = time.monotonic() + seconds
    while not is_free(port):
        if _listener(port) is not None or time.monotonic() > ends:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def owner_of(port: int) -> str:
    """Name the process that listens on a port, as far as this user may see it."""
    return _listener(port) or "another process"


def _listener(port: int) -> str | None:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and getattr(connection.laddr, "port", None) == port:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None  # macOS shows only one's own connections without root
    return None
