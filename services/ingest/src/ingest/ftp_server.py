"""The FTP server that blau direkt pushes to: pyftpdlib in a thread of its own.

A user sees his own home and can only put files there (STOR, APPE, and REST to resume a cut transfer); he
cannot read, rename or delete. He must use TLS for commands and data, unless his tenant allows plain FTP.
An upload is marked as unfinished from its first to its last byte.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import psycopg
import structlog
from OpenSSL import SSL
from pyftpdlib.exceptions import AuthenticationFailed, FilesystemError
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.log import logger
from pyftpdlib.servers import FTPServer

from contracts.ids import TenantId
from ingest import tls
from ingest.failed_logins import FailedLogins, logins_total
from ingest.ftp_users import Users
from ingest.settings import IngestSettings
from ingest.spool import Spool
from ingest.tls_context import CurrentContext
from ingest.uploading import Begin, Pace, Refusal, Upload, UploadRefused, Uploads

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PERMISSIONS = "elaw"
"""Change directory, list, append, store. Not: read, delete, rename, make directories, change modes."""
POLL_SECONDS = 0.5
MAX_LOGIN_ATTEMPTS = 3
CANNOT_CHECK = "The server cannot check logins now, try again later."
BLOCKED = "Too many failed logins from your address, try again later."
_REPLY_CODES = {
    Refusal.NAME: 553,
    Refusal.FILE_TOO_LARGE: 552,
    Refusal.TOO_MANY_FILES: 552,
    Refusal.HOME_FULL: 552,
    Refusal.DISK_FULL: 452,
    Refusal.TAKEN: 451,
}
_BEGINNINGS = {"wb": Begin.ANEW, "ab": Begin.AT_END, "r+b": Begin.INSIDE}
"""pyftpdlib's modes for STOR, APPE, and STOR after REST."""


class Authorizer:
    """pyftpdlib asks this who may log in, and what he may do. Users are in the database."""

    def __init__(self, users: Users, spool: Spool) -> None:
        self._users = users
        self._spool = spool
        self._tenants: dict[str, TenantId] = {}

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:  # noqa: ARG002
        try:
            tenant = self._users.recognise(username, password)
        except psycopg.Error as error:
            log.warning("ftp.login_impossible", reason="PostgreSQL is away")
            raise AuthenticationFailed(CANNOT_CHECK) from error
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


class Home(AbstractedFS):
    """What a user sees as `/`. pyftpdlib keeps paths inside; what it opens for writing is an `Upload`."""

    def open(self, filename: str, mode: str) -> "ReceivedByFtp":
        handler = cast("Handler", self.cmd_channel)
        path = Path(filename)
        if path.parent != Path(cast("str", self.root)):
            raise FilesystemError("There are no folders here")
        try:
            upload = handler.uploads.begin(handler.tenant, path.name, _BEGINNINGS[mode])
        except UploadRefused as refused:
            raise FilesystemError(refused.reason.words.removesuffix(".")) from refused
        return ReceivedByFtp(upload, filename)


class ReceivedByFtp:
    """An upload as the file that pyftpdlib writes to."""

    def __init__(self, upload: Upload, name: str) -> None:
        self.upload = upload
        self.name = name
        self.write = upload.write
        self.seek = upload.seek
        self.close = upload.close

    @property
    def closed(self) -> bool:
        return self.upload.closed

    def was_taken(self) -> bool:
        return not self.closed and self.upload.was_taken()


class DataChannel(TLS_DTPHandler):
    """One data connection: at the allowed pace, and never ended without a word on the control connection."""

    ac_in_buffer_size = 256 * 1024
    bytes_per_second: ClassVar[int | None]
    said_goodbye: bool | None = None
    """Whether the client ended TLS in order before it closed, and so the file; None: it used no TLS."""
    _pace: Pace | None = None
    _asleep = False

    def recv(self, buffer_size: int) -> bytes:
        chunk = cast("bytes", super().recv(buffer_size))
        if self.bytes_per_second and chunk:
            self._pace = self._pace or Pace(self.bytes_per_second, time.monotonic())
            if pause := self._pace.delay_after(len(chunk), time.monotonic()):
                self._asleep = True
                self.del_channel()
                self.ioloop.call_later(pause, self._wake_up, _errback=self.handle_error)
        return chunk

    def _wake_up(self) -> None:
        self._asleep = False
        if not self._closed:
            self.add_channel(events=self.ioloop.READ)

    def modify_ioloop_events(self, events: int, logdebug: bool = False) -> None:
        if not self._asleep:  # it would begin to listen again
            super().modify_ioloop_events(events, logdebug)

    def handle_error(self) -> None:
        """pyftpdlib's own, for TLS, closes without a reply: the client would wait for one."""
        error = sys.exception()
        refused = error.__cause__ if error else None
        if isinstance(refused, UploadRefused):
            self._resp = (_reply(refused.reason), logger.debug)
            DTPHandler.close(self)  # at once: who is still sending does not listen to TLS's goodbye
        else:
            self._resp = ("426 Internal error; transfer aborted.", logger.debug)
            super().handle_error()

    @property
    def received(self) -> ReceivedByFtp:
        return cast("ReceivedByFtp", self.file_obj)

    def close(self) -> None:
        if self.said_goodbye is None and self._ssl_established:  # before our own goodbye blurs it
            secured = cast("SSL.Connection", self.socket)
            self.said_goodbye = bool(secured.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        if self.transfer_finished and self.receive and self.received.was_taken():
            self.transfer_finished = False
            self._resp = (_reply(Refusal.TAKEN), logger.debug)
        super().close()


class Handler(TLS_FTPHandler):
    """One control connection. The class attributes are set per server by `_handler_class`."""

    authorizer: ClassVar[Authorizer]
    users: ClassVar[Users]
    uploads: ClassVar[Uploads]
    failed_logins: ClassVar[FailedLogins]
    abstracted_fs = Home
    use_sendfile = False
    # STOU would put files past our marks.
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: about for name, about in TLS_FTPHandler.proto_cmds.items() if name != "STOU"
    }
    current_context: ClassVar[CurrentContext]
    _in_doubt: Upload | None = None

    @classmethod
    def get_ssl_context(cls) -> SSL.Context:
        """Of one connection, its transfers included. pyftpdlib's own would keep the first for all."""
        return cls.current_context()

    @property
    def tenant(self) -> TenantId:
        return self.authorizer.tenant_of(cast("str", self.username))

    def on_connect(self) -> None:
        if self._is_blocked():
            self.respond(f"421 {BLOCKED}")
            self.close_when_done()

    def _is_blocked(self) -> bool:
        return self.failed_logins.is_blocked(self.remote_ip, time.monotonic())

    def ftp_USER(self, line: str) -> None:  # noqa: N802 (the FTP command's name)
        """Without TLS the password is not even asked for, unless this user may come so."""
        if not self._ssl_established:
            try:
                if not self.users.may_come_plain(line):
                    self.respond("550 TLS required: send AUTH TLS first.")
                    return
            except psycopg.Error:
                log.warning("ftp.login_impossible", reason="PostgreSQL is away")
                self.respond(f"421 {CANNOT_CHECK}")
                self.close_when_done()
                return
        super().ftp_USER(line)

    def ftp_PASS(self, line: str) -> None:  # noqa: N802
        if self._is_blocked():
            self.respond(f"421 {BLOCKED}")
            self.close_when_done()
        else:
            super().ftp_PASS(line)

    def handle_auth_failed(self, msg: str, password: str) -> None:
        if msg == CANNOT_CHECK:  # no fault of the client's
            self.auth_failed_timeout = self.failed_logins.first_delay
        else:
            now = time.monotonic()
            self.auth_failed_timeout = self.failed_logins.delay_after_failure(self.remote_ip, now)
        super().handle_auth_failed(msg, password)

    def on_login(self, username: str) -> None:  # noqa: ARG002
        self.failed_logins.forget(self.remote_ip)
        self.tls_data_required = self._ssl_established
        if self._ssl_established:
            logins_total.labels("ftps", "accepted").inc()
            log.info("ftp.login", tenant=self.tenant)
        else:
            logins_total.labels("ftp", "accepted").inc()
            log.warning("ftp.plain_login", tenant=self.tenant, remedy="let the sender use FTP with TLS")

    def on_login_failed(self, username: str, password: str) -> None:  # noqa: ARG002
        logins_total.labels("ftps" if self._ssl_established else "ftp", "refused").inc()
        log.warning("ftp.login_failed", address=self.remote_ip)

    def on_file_received(self, file: str) -> None:
        """FTP ends a file by closing the data connection, and so does a client that dies. With TLS a goodbye
        tells the two apart, without it a line's end. Else the file is whole only when the client goes on
        speaking."""
        channel = cast("DataChannel", self.data_channel)
        is_whole = _ends_with_a_line(Path(file)) if channel.said_goodbye is None else channel.said_goodbye
        if is_whole:
            channel.received.upload.finish()
        else:
            self._in_doubt = channel.received.upload

    def on_incomplete_file_received(self, file: str) -> None:  # noqa: ARG002
        cast("DataChannel", self.data_channel).received.upload.cut_off()

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        if self._in_doubt is not None and cmd != "ABOR":
            self._in_doubt.finish()
            self._in_doubt = None
        super().pre_process_command(line, cmd, arg)

    def on_disconnect(self) -> None:
        if self._in_doubt is not None:
            self._in_doubt.cut_off()


def _reply(reason: Refusal) -> str:
    return f"{_REPLY_CODES[reason]} {reason.words}"


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read(1) == b"\n"


def tls_context(certificate: tls.Certificate) -> SSL.Context:
    """For TLS 1.2 and above. Raises OSError or SSL.Error if there is no certificate with its key."""
    context = SSL.Context(TLS_FTPHandler.ssl_protocol)
    context.set_options(TLS_FTPHandler.ssl_options | SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1)
    context.use_certificate_chain_file(str(certificate.chain))
    context.use_privatekey_file(str(certificate.key))
    context.check_privatekey()
    return context


def _handler_class(
    settings: IngestSettings, context: CurrentContext, users: Users, uploads: Uploads,
    failed_logins: FailedLogins,
) -> type[Handler]:  # fmt: skip
    channel = {"bytes_per_second": settings.upload_bytes_per_second, "timeout": settings.ftp_idle_seconds}
    attributes = {
        "authorizer": Authorizer(users, uploads.spool),
        "users": users,
        "uploads": uploads,
        "failed_logins": failed_logins,
        "current_context": context,
        "dtp_handler": type("TenantDataChannel", (DataChannel,), channel),
        "banner": "MVP-Connector",
        "timeout": settings.ftp_idle_seconds,
        "max_login_attempts": MAX_LOGIN_ATTEMPTS,
        "passive_ports": settings.passive_ports(),
        "masquerade_address": settings.ftp_masquerade_address,
    }
    return type("TenantHandler", (Handler,), attributes)


@contextmanager
def serving(
    settings: IngestSettings, users: Users, uploads: Uploads, failed_logins: FailedLogins
) -> Generator[Callable[[], bool]]:
    """Serve FTP while the block runs; gives a function that says whether the server is alive.

    Raises OSError if the port is taken or a given certificate is not there, OpenSSL.SSL.Error if it is none.
    """
    certificate = tls.certificate(settings)
    context = CurrentContext(certificate, tls_context)
    handler = _handler_class(settings, context, users, uploads, failed_logins)
    server = FTPServer((settings.ftp_host, settings.ftp_port), handler, ioloop=IOLoop())
    server.max_cons = settings.ftp_max_connections
    server.max_cons_per_ip = settings.ftp_max_connections_per_address
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():  # pyftpdlib can only be stopped in its own thread, between two rounds
            server.ioloop.loop(POLL_SECONDS, blocking=False)  # what serve_forever does, but for its logging
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp", daemon=True)
    thread.start()
    log.info(
        "ftp.serving", host=settings.ftp_host, port=settings.ftp_port,
        certificate_sha256=tls.fingerprint(certificate.chain),
    )  # fmt: skip
    try:
        yield thread.is_alive
    finally:
        stop.set()
        thread.join(timeout=5)
        users.close()
