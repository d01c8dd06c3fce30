"""The FTP server that blau direkt pushes to: pyftpdlib in a thread of its own.

A user sees his own home and can only put files there (STOR, APPE, and REST to resume a cut transfer); he
cannot read, rename or delete. An upload is marked as unfinished from its first to its last byte.
"""

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import psycopg
import structlog
from prometheus_client import Counter
from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from contracts.ids import TenantId
from ingest.ftp_users import Recognise
from ingest.settings import IngestSettings
from ingest.spool import Spool

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PERMISSIONS = "elaw"
"""Change directory, list, append, store. Not: read, delete, rename, make directories, change modes."""
POLL_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 60.0
FORGET_FAILURES_SECONDS = 900.0
REMEMBERED_ADDRESSES = 10_000

logins_total = Counter("ingest_ftp_logins_total", "FTP logins", ["result"])
files_total = Counter("ingest_ftp_files_total", "Files received by FTP", ["result"])


class Authorizer:
    """pyftpdlib asks this who may log in, and what he may do. Users are in the database."""

    def __init__(self, recognise: Recognise, spool: Spool) -> None:
        self._recognise = recognise
        self._spool = spool
        self._tenants: dict[str, TenantId] = {}

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:  # noqa: ARG002
        try:
            tenant = self._recognise(username, password)
        except psycopg.Error as error:
            log.warning("ftp.login_impossible", reason="PostgreSQL is away")
            raise AuthenticationFailed("The server cannot check logins now, try again later.") from error
        if tenant is None:
            raise AuthenticationFailed("Authentication failed.")
        self._tenants[username] = tenant

    def tenant_of(self, username: str) -> TenantId:
        return self._tenants[username]

    def get_home_dir(self, username: str) -> str:
        return str(self._spool.create_home(self._tenants[username]))

    def has_user(self, username: str) -> bool:
        return username in self._tenants

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:  # noqa: ARG002
        return perm in PERMISSIONS

    def get_perms(self, username: str) -> str:  # noqa: ARG002
        return PERMISSIONS

    def get_msg_login(self, username: str) -> str:  # noqa: ARG002
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:  # noqa: ARG002
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """Files belong to the service's own system user."""

    def terminate_impersonation(self, username: str) -> None:
        """See impersonate_user."""


class FailedLogins:
    """Counts failed logins per address, to answer each further one later than the one before."""

    def __init__(self, first_delay: float) -> None:
        self._first_delay = first_delay
        self._failures: dict[str, tuple[int, float]] = {}

    def delay_after_failure(self, address: str, now: float) -> float:
        """Count a failure; the seconds that its answer must wait: 1, 2, 4, ... times the first delay."""
        count, last = self._failures.pop(address, (0, now))
        if now - last > FORGET_FAILURES_SECONDS:
            count = 0
        if len(self._failures) >= REMEMBERED_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = (count + 1, now)
        return min(self._first_delay * 2 ** min(count, 16), LONGEST_DELAY_SECONDS)

    def forget(self, address: str) -> None:
        self._failures.pop(address, None)


class Handler(FTPHandler):
    """One control connection. The class attributes are set per server by `_handler_class`."""

    authorizer: ClassVar[Authorizer]
    spool: ClassVar[Spool]
    failed_logins: ClassVar[FailedLogins]
    on_change: Callable[[], None]
    use_sendfile = False
    _in_doubt: Path | None = None

    @property
    def tenant(self) -> TenantId:
        return self.authorizer.tenant_of(cast("str", self.username))

    def handle_auth_failed(self, msg: str, password: str) -> None:
        self.auth_failed_timeout = self.failed_logins.delay_after_failure(self.remote_ip, time.monotonic())
        super().handle_auth_failed(msg, password)

    def on_login(self, username: str) -> None:  # noqa: ARG002
        self.failed_logins.forget(self.remote_ip)
        logins_total.labels("accepted").inc()
        log.info("ftp.login", tenant=self.tenant)

    def on_login_failed(self, username: str, password: str) -> None:  # noqa: ARG002
        logins_total.labels("refused").inc()
        log.warning("ftp.login_failed", address=self.remote_ip)

    def ftp_STOR(self, file: str, mode: str = "w") -> str | None:  # noqa: N802 (the FTP command's name)
        tenant, name = self.tenant, Path(file).name
        marked = self.spool.begin_upload(tenant, name)
        stored = cast("str | None", super().ftp_STOR(file, mode))
        if stored is None and marked:
            self.spool.finish_upload(tenant, name)
        return stored

    def on_file_received(self, file: str) -> None:
        """FTP ends a file by closing the data connection, and so does a client that dies. A file that ends
        in the middle of a line is therefore whole only when the client goes on speaking."""
        path = Path(file)
        if _ends_with_a_line(path):
            self._finish(path)
        else:
            self._in_doubt = path

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        if self._in_doubt is not None and cmd != "ABOR":
            self._finish(self._in_doubt)
            self._in_doubt = None
        super().pre_process_command(line, cmd, arg)

    def _finish(self, path: Path) -> None:
        self.spool.finish_upload(self.tenant, path.name)
        files_total.labels("whole").inc()
        self.on_change()

    def on_incomplete_file_received(self, file: str) -> None:
        self._cut_off(Path(file))

    def on_disconnect(self) -> None:
        if self._in_doubt is not None:
            self._cut_off(self._in_doubt)

    def _cut_off(self, path: Path) -> None:
        files_total.labels("cut_off").inc()
        log.warning("ftp.upload_cut_off", tenant=self.tenant, file=path.name)
        self.on_change()


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read(1) == b"\n"


def _handler_class(
    settings: IngestSettings, recognise: Recognise, spool: Spool, on_change: Callable[[], None]
) -> type[Handler]:
    attributes = {
        "authorizer": Authorizer(recognise, spool),
        "spool": spool,
        "failed_logins": FailedLogins(settings.ftp_failed_login_seconds),
        "on_change": staticmethod(on_change),
        "banner": "MVP-Connector",
        "timeout": settings.ftp_idle_seconds,
        "max_login_attempts": 3,
        "passive_ports": settings.passive_ports(),
        "masquerade_address": settings.ftp_masquerade_address,
    }
    return type("TenantHandler", (Handler,), attributes)


@contextmanager
def serving(
    settings: IngestSettings, recognise: Recognise, spool: Spool, on_change: Callable[[], None]
) -> Generator[Callable[[], bool]]:
    """Serve FTP while the block runs; gives a function that says whether the server is alive.

    `on_change` is called in the server's thread after each upload.

    Raises OSError if the port is taken.
    """
    handler = _handler_class(settings, recognise, spool, on_change)
    server = FTPServer((settings.ftp_host, settings.ftp_port), handler, ioloop=IOLoop())
    server.max_cons = settings.ftp_max_connections
    server.max_cons_per_ip = settings.ftp_max_connections_per_address
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():  # pyftpdlib can only be stopped in its own thread, between two rounds
            server.serve_forever(timeout=POLL_SECONDS, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp", daemon=True)
    thread.start()
    log.info("ftp.serving", host=settings.ftp_host, port=settings.ftp_port)
    try:
        yield thread.is_alive
    finally:
        stop.set()
        thread.join(timeout=5)
