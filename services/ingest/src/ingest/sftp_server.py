"""The SFTP server, for the same users and homes as FTP: asyncssh in a thread and event loop of its own, so
that neither its cryptography nor a slow disk holds up the service.

A user sees his own home and can only put files there, or go on with one; he cannot read, rename or delete.
"""

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import asyncssh
import psycopg
import structlog
from asyncssh.constants import FXF_APPEND, FXF_CREAT, FXF_EXCL, FXF_TRUNC, FXF_WRITE

from contracts.ids import TenantId
from ingest import tls
from ingest.failed_logins import FailedLogins, logins_total
from ingest.ftp_users import Users
from ingest.settings import IngestSettings
from ingest.uploading import Begin, Pace, Refusal, Upload, UploadRefused, Uploads

log: structlog.stdlib.BoundLogger = structlog.get_logger()

T = TypeVar("T")

LOGIN_SECONDS = 120
"""How long a connection may take to log in, answers that wait for failed attempts included."""
MAX_LOGIN_ATTEMPTS = 3
START_SECONDS = 10.0


@dataclass(slots=True)
class Door:
    """What all connections share. Used in the server's own thread only."""

    settings: IngestSettings
    users: Users
    uploads: Uploads
    failed_logins: FailedLogins
    connections: Counter[str] = field(default_factory=Counter[str])

    def is_closed_to(self, address: str) -> bool:
        """Whether a new connection from there is too much, or was blocked."""
        return (
            self.failed_logins.is_blocked(address, time.monotonic())
            or self.connections.total() >= self.settings.ftp_max_connections
            or self.connections[address] >= self.settings.ftp_max_connections_per_address
        )


class Connection(asyncssh.SSHServer):
    """One SSH connection: a password, and nothing but SFTP behind it."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._address = ""
        self._failures = 0
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        address = cast("str", conn.get_extra_info("peername")[0])
        if self._door.is_closed_to(address):
            log.warning("sftp.connection_refused", address=address)
            conn.abort()
            return
        self._address = address
        self._door.connections[address] += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._address:
            self._door.connections[self._address] -= 1
        if self._idle:
            self._idle.cancel()

    def auth_completed(self) -> None:
        self.begin_idle_time()

    def begin_idle_time(self) -> None:
        """The client did something: from now on it may be silent for so long again."""
        if self._idle:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._door.settings.ftp_idle_seconds, self._conn.abort)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return self._failures < MAX_LOGIN_ATTEMPTS

    async def validate_password(self, username: str, password: str) -> bool:
        failed_logins = self._door.failed_logins
        if failed_logins.is_blocked(self._address, time.monotonic()):
            return False
        try:
            tenant = self._door.users.recognise(username, password)
        except psycopg.Error:
            log.warning("sftp.login_impossible", reason="PostgreSQL is away")
            return False
        if tenant is not None:
            failed_logins.forget(self._address)
            logins_total.labels("sftp", "accepted").inc()
            log.info("sftp.login", tenant=tenant)
            self._conn.set_extra_info(tenant=tenant)
            return True
        self._failures += 1
        logins_total.labels("sftp", "refused").inc()
        log.warning("sftp.login_failed", address=self._address)
        await asyncio.sleep(failed_logins.delay_after_failure(self._address, time.monotonic()))
        return False


def _deny(*_: object, **__: object) -> NoReturn:
    raise asyncssh.SFTPPermissionDenied("Files can only be put here")


class Home(asyncssh.SFTPServer):
    """What a user sees as `/`. What is opened for writing is an `Upload`; whatever else would change or show
    something is denied."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], door: Door) -> None:
        self._tenant = cast("TenantId", chan.get_extra_info("tenant"))
        self._home = door.uploads.spool.create_home(self._tenant)
        super().__init__(chan, chroot=os.fsencode(self._home))
        self._uploads = door.uploads
        self._owner = cast("Connection", self.connection.get_owner())
        speed = door.settings.upload_bytes_per_second
        self._pace = Pace(speed, time.monotonic()) if speed else None

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Upload:  # noqa: ARG002
        self._owner.begin_idle_time()
        local = Path(os.fsdecode(self.map_path(path)))
        if not pflags & FXF_WRITE or local.parent != self._home.resolve():
            raise asyncssh.SFTPPermissionDenied("Files can only be put here, and there are no folders")
        there = local.exists()
        if there and pflags & FXF_EXCL:
            raise asyncssh.SFTPFailure("The file is there already")
        if pflags & FXF_APPEND:
            how = Begin.AT_END
        elif pflags & FXF_TRUNC or (pflags & FXF_CREAT and not there):
            how = Begin.ANEW
        else:
            how = Begin.INSIDE
        try:
            return self._uploads.begin(self._tenant, local.name, how)
        except UploadRefused as refused:
            raise asyncssh.SFTPFailure(refused.reason.words) from refused

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        self._owner.begin_idle_time()
        upload = cast("Upload", file_obj)
        try:
            upload.write_at(offset, data)
        except UploadRefused as refused:
            raise asyncssh.SFTPFailure(refused.reason.words) from refused
        if self._pace and (pause := self._pace.delay_after(len(data), time.monotonic())):
            await asyncio.sleep(pause)
        return len(data)

    def close(self, file_obj: object) -> None:
        """asyncssh closes what a lost client left open by this, too: then the client has stopped to send."""
        self._owner.begin_idle_time()
        upload = cast("Upload", file_obj)
        stopped = self.channel._recv_state != "open"  # pyright: ignore[reportPrivateUsage]
        if upload.refused or stopped or self.channel.is_closing():
            upload.cut_off()
        elif upload.was_taken():
            upload.cut_off()
            raise asyncssh.SFTPFailure(Refusal.TAKEN.words)
        else:
            upload.finish()

    def fstat(self, file_obj: object) -> os.stat_result:
        return cast("Upload", file_obj).stat()

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Clients set times and modes after an upload; ours stay."""

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """See setstat."""

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """See setstat."""

    def fsync(self, file_obj: object) -> None:
        """What is written is not lost with the process; the disk decides on the rest."""

    open56 = read = remove = mkdir = rmdir = rename = posix_rename = _deny
    readlink = symlink = link = statvfs = fstatvfs = lock = unlock = _deny


@contextmanager
def serving(
    settings: IngestSettings, port: int, users: Users, uploads: Uploads, failed_logins: FailedLogins
) -> Generator[Callable[[], bool]]:
    """Serve SFTP while the block runs; gives a function that says whether the server is alive.

    Raises OSError if the port is taken or a given host key is not there, asyncssh.KeyImportError if it is
    none.
    """
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells every packet's name
    host_key = _host_key(settings)
    door = Door(settings, users, uploads, failed_logins)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sftp", daemon=True)
    thread.start()

    def in_thread(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(START_SECONDS)

    def home(chan: asyncssh.SSHServerChannel[bytes]) -> Home:
        return Home(chan, door)

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            settings.ftp_host,
            port,
            server_factory=lambda: Connection(door),
            server_host_keys=[host_key],
            sftp_factory=home,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            login_timeout=LOGIN_SECONDS,
            server_version="MVP-Connector",
        )

    async def close(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server = in_thread(listen())
        log.info(
            "sftp.serving", host=settings.ftp_host, port=port, host_key=host_key.get_fingerprint("sha256")
        )
        try:
            yield thread.is_alive
        finally:
            in_thread(close(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        users.close()


def _host_key(settings: IngestSettings) -> asyncssh.SSHKey:
    """The key to show, made if none is given and none was made before."""
    path = settings.sftp_host_key or settings.spool_dir / tls.FOLDER / "host_key"
    if settings.sftp_host_key is None:
        tls.keep(path, lambda: asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(path)
