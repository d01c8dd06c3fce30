"""Inner ports are free, different, and the same again after a restart."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mvp_connector.ports import choose_ports, free_ports, is_free, stable_ports


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_port_with_a_listener_is_not_free(taken_port: int) -> None:
    assert not is_free(taken_port)


def test_a_restart_gets_the_same_ports(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    assert stable_ports(path, ["nats", "ftp"]) == stable_ports(path, ["nats", "ftp"])


def test_a_port_that_was_taken_meanwhile_is_replaced(taken_port: int) -> None:
    (other,) = free_ports(1)
    chosen = choose_ports(["nats", "ftp"], {"nats": taken_port, "ftp": other})
    assert chosen["nats"] != taken_port
    assert chosen["ftp"] == other
