"""Ports are found once, kept, and never handed out while somebody listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from lake.stack.ports import (
    BLOCK,
    GRPC_OFFSET,
    HIGHEST,
    HOST,
    LOWEST,
    assign,
    comes_free,
    find_free,
    is_free,
    owner_of,
)

# Its main thread ends and another one goes on: as a killed process looks while it is torn down.
HALF_GONE = """
import ctypes, os, socket, sys, threading
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
print(server.getsockname()[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def listener():
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(listener):
    """Taken while somebody listens."""
    assert not is_free(listener)
    assert str(os.getpid()) in owner_of(listener)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes end at once")
def test_a_port_of_a_process_that_is_being_torn_down_comes_free():
    """Nobody can be named as its owner, and a moment later it is free; a listener is no such process."""
    with subprocess.Popen(
        [sys.executable, "-c", HALF_GONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        port = int(process.stdout.readline())
        while owner_of(port) != "another process":
            assert process.poll() is None
        assert not is_free(port)
        assert not comes_free(port, seconds=0)
        process.stdin.close()
        assert comes_free(port, seconds=60)


def test_a_listener_is_not_waited_for(listener):
    """It may go on for ever; who it is can be said at once."""
    assert not comes_free(listener, seconds=3600)


def test_found_ports_are_free_neighbours_in_range():
    """Also their gRPC companions, 10,000 above."""
    ports = find_free(BLOCK)

    assert list(ports) == list(range(ports[0], ports[0] + BLOCK))
    assert all(LOWEST <= port < HIGHEST for port in ports)
    assert all(is_free(p) and is_free(p + GRPC_OFFSET) for p in ports)


def test_remembered_ports_stay_and_new_ones_avoid_them():
    """A second `up` has the addresses of the first."""
    first = assign({}, ["a", "b"])
    second = assign(first, ["a", "b", "c"])

    assert {k: second[k] for k in first} == first
    assert second["c"] not in first.values()
    assert assign(second, ["a"]) == second
