"""TCP ports of the inner parts: free ones, and the same ones again after a restart."""

import json
import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

SERVER_PORTS = range(20_000, 32_768)
"""Linux gives 32768 and above to outgoing connections, other systems higher ones."""


def probe_port(port: int, host: str = "127.0.0.1") -> None:
    """Raises OSError where a server could not listen on `port` now.

    SO_REUSEADDR as servers set it: connections of the last run that linger in TIME_WAIT do not count.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    try:
        probe_port(port, host)
    except OSError:
        return False
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different ports that are free now. They are held until all are found.

    Below the range that the system gives to outgoing connections: a port out of it could be some client's
    own while a service that was killed is not listening, and the service could not come back.
    """
    candidates = random.sample(SERVER_PORTS, len(SERVER_PORTS))
    found: list[int] = []
    with ExitStack() as held:
        for port in candidates:
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"fewer than {count} ports are free")


def choose_ports(names: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """Per name the known port where it is still free, else a new one."""
    wanted = list(names)
    kept = {name: known[name] for name in wanted if name in known and is_free(known[name])}
    missing = [name for name in wanted if name not in kept]
    return kept | dict(zip(missing, free_ports(len(missing)), strict=True))


def stable_ports(path: Path, names: Iterable[str]) -> dict[str, int]:
    """`choose_ports` with the choice kept in the JSON file `path`."""
    known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    chosen = choose_ports(names, known)
    path.write_text(json.dumps(known | chosen, indent=2))
    return chosen
