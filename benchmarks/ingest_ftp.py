"""How fast a large file comes by FTP, against a bare socket whose other end writes it to the disk."""

import asyncio
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import deliveries
from benchmarks.ingest_process import BLOCK_BYTES, Sender, ground, store
from benchmarks.result import Result

ROWS = 1_000_000
TIMES = 9
LEAST_SHARE = 0.5


async def measure(folder: Path) -> list[Result]:
    file = deliveries.of_kunden(deliveries.write(folder / "files", deliveries.kunden(ROWS)))
    with ground(folder) as its:
        async with its.ingest() as ingest:
            # One file of thirteen, so nothing is imported; each into a new home, so nothing is overwritten.
            senders = [await ingest.sender(f"ftp-{number}") for number in range(2 * TIMES)]
            return await asyncio.to_thread(_measured, folder, file, senders)


def _measured(folder: Path, file: Path, senders: list[Sender]) -> list[Result]:
    """In turns, so that a slow moment of the machine meets all three."""
    megabytes = file.stat().st_size / 1e6
    bare: list[float] = []
    plain: list[float] = []
    tls: list[float] = []
    for number, (first, second) in enumerate(zip(senders[::2], senders[1::2], strict=True)):
        with _sink(folder / f"sunk-{number}") as port:
            bare.append(megabytes / _seconds(lambda port=port: _send(file, port)))
        with first.connected() as ftp:
            plain.append(megabytes / _seconds(lambda ftp=ftp: store(ftp, file)))
        with second.connected(tls=True) as ftp:
            tls.append(megabytes / _seconds(lambda ftp=ftp: store(ftp, file)))
    limit = LEAST_SHARE * statistics.median(bare)
    socket_ = f"a bare socket's {statistics.median(bare):.0f} MB/s"
    return [
        Result(
            f"{megabytes:.0f} MB by FTP without TLS",
            f"{LEAST_SHARE} x {socket_}",
            _of(plain, bare),
            statistics.median(plain) >= limit,
        ),
        Result(f"{megabytes:.0f} MB by FTP with TLS", "-", _of(tls, bare), ok=True),
    ]


def _of(speeds: list[float], bare: list[float]) -> str:
    share = statistics.median(speeds) / statistics.median(bare)
    return f"{statistics.median(speeds):.0f} MB/s ({min(speeds):.0f}-{max(speeds):.0f}), {share:.2f} x"


def _seconds(work: Callable[[], None]) -> float:
    os.sync()  # what was written before it is no burden of this one
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _send(file: Path, port: int) -> None:
    """As ftplib does, until the other end says that the file is closed."""
    with socket.create_connection(("127.0.0.1", port)) as connection, file.open("rb") as source:
        while block := source.read(BLOCK_BYTES):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b"!"


@contextmanager
def _sink(target: Path) -> Generator[int]:
    """A process that writes what one connection sends; its port. Like ingest, it leaves it to the system when
    the bytes reach the disk."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = multiprocessing.get_context("fork").Process(target=_write, args=(server, target))
        process.start()
        yield server.getsockname()[1]
        process.join()
    target.unlink()


def _write(server: socket.socket, target: Path) -> None:
    connection, _ = server.accept()
    with connection:
        with target.open("wb", buffering=0) as file:
            while block := connection.recv(BLOCK_BYTES):
                file.write(block)
        connection.sendall(b"!")
