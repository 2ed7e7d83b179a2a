"""Ports are found once, kept, and never handed out while somebody listens."""

from __future__ import annotations

import os
import socket

import pytest

from lake.stack.ports import BLOCK, GRPC_OFFSET, HIGHEST, HOST, LOWEST, assign, find_free, is_free, owner_of


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
