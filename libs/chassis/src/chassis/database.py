"""PostgreSQL by SQLModel sessions over psycopg 3, each transaction bound to one tenant.

`async with database.tenant(tenant) as session:` is one transaction: committed at the end of the block,
rolled back if it raises. The tenant is set where the transaction begins and ends with it; row-level security
refuses everything where it is not set.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from pydantic import SecretStr
from pydantic_core import from_json
from sqlalchemy import event, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_only, greenlet_spawn
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.migrations import CONNECT_TIMEOUT_SECONDS, sqlalchemy_url
from contracts.ids import TenantId

log: structlog.stdlib.BoundLogger = structlog.get_logger()

STATEMENT_TIMEOUT_MS = 60_000
"""A statement longer than this is ended by PostgreSQL; imports set their own."""

PING_AFTER_SECONDS = 1.0
"""A pooled connection idle for longer is tested before its use."""


class TenantSession(Session):
    """The synchronous session inside; its own class, so that the listener below hears only our sessions."""


@event.listens_for(TenantSession, "after_begin")
def _begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
    """Begin, and set the tenant, in one message; psycopg would send another one just to begin."""
    if transaction.nested:
        return
    tenant = session.info.get("tenant")
    begin = sql.SQL("BEGIN")
    if tenant:
        begin = sql.SQL("BEGIN; SELECT set_config('app.tenant', {}, true)").format(sql.Literal(str(tenant)))
    driver = cast("psycopg.AsyncConnection[Any]", connection.connection.driver_connection)
    session.info[_DRIVER] = driver
    try:
        # Two statements cannot be prepared.
        await_only(driver.execute(begin, prepare=False))
    except BaseException as error:
        if driver.closed:
            _let_go(connection, connection.engine, error)
        if isinstance(error, psycopg.Error):
            raise _as_sqlalchemy_raises("BEGIN", error, closed=driver.closed) from error
        raise


@event.listens_for(TenantSession, "after_transaction_end")
def _end(session: Session, transaction: SessionTransaction) -> None:  # pyright: ignore[reportUnusedFunction]
    if transaction.parent is None:
        session.info.pop(_DRIVER, None)


def _let_go(connection: Connection | PoolProxiedConnection, engine: Engine, error: BaseException) -> None:
    """Of a connection that ended: PostgreSQL ended it, or psycopg when it was cancelled and got no answer."""
    connection.invalidate(error)
    if isinstance(error, psycopg.Error):
        engine.dispose()  # those that wait in the pool ended with it


class Database:
    """The engine of one role. Open by its first use; `close()` when the process ends."""

    def __init__(self, url: SecretStr, *, pool_size: int = 8) -> None:
        self._engine = _engine(url, pool_size)
        self._sessions = async_sessionmaker(
            self._engine, class_=AsyncSession, sync_session_class=TenantSession, expire_on_commit=False,
            autobegin=False,  # each is one transaction
        )  # fmt: skip

    @asynccontextmanager
    async def tenant(self, tenant: TenantId | Literal["_system"]) -> AsyncGenerator[AsyncSession]:
        """One transaction for one tenant."""
        async with _committed(self._sessions(info={"tenant": str(tenant)})) as session:
            yield session

    @asynccontextmanager
    async def unbound(self) -> AsyncGenerator[AsyncSession]:
        """One transaction without a tenant: for the all-tenants role, and tables that belong to no tenant."""
        async with _committed(self._sessions()) as session:
            yield session

    def each_alone(self, tenant: TenantId | Literal["_system"] | None) -> "EachAlone":
        """Where each statement is a transaction of its own: for one tenant, or as `unbound`."""
        return EachAlone(self._engine.sync_engine, tenant)

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


@asynccontextmanager
async def _committed(session: AsyncSession) -> AsyncGenerator[AsyncSession]:
    """As `async with session, session.begin()`, for two thirds of its CPU: to begin only says that the first
    statement shall begin a transaction, and there is nothing to close once it is committed."""
    session.sync_session.begin()
    try:
        yield session
        if session.in_transaction():
            await session.commit()
    except BaseException:
        # To the end, also when cancelled: the connection goes back into the pool, rolled back.
        await asyncio.shield(session.close())
        raise


_SETTINGS = {
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "timezone": "UTC",
    # Else a plan made while a table was empty is kept for as long as the connection: it reads all of it.
    "plan_cache_mode": "force_custom_plan",
}


def _engine(url: SecretStr, pool_size: int) -> AsyncEngine:
    """Sessions begin their transactions themselves (`_begin`)."""
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # the text of an error is logged, and parameters hold personal values
        async_creator=lambda: open_connection(
            url, options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        ),
        isolation_level="AUTOCOMMIT",
    )
    _ping_idle_connections(engine.sync_engine)
    return engine


async def open_connection(url: SecretStr, **options: Any) -> psycopg.AsyncConnection:
    """Connect to the end, also when cancelled: psycopg would leave the connection half open, and PostgreSQL
    would hold its place and wait for the password for a minute. Raises psycopg.OperationalError."""
    connecting = asyncio.ensure_future(
        psycopg.AsyncConnection.connect(
            url.get_secret_value(), connect_timeout=CONNECT_TIMEOUT_SECONDS, **options
        )
    )
    try:
        connection = await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(psycopg.Error, OSError):
            await (await connecting).close()
        raise
    set_json_loads(from_json, connection)  # three times as fast as Python's own
    return connection


def _ping_idle_connections(engine: Engine) -> None:
    """Test a pooled connection before its use, if it was idle for long enough to have died unnoticed.

    SQLAlchemy's own `pool_pre_ping` does it before every use: three round trips in each webhook.
    """

    @event.listens_for(engine, "checkin")
    def note_time(connection: Any, record: ConnectionPoolEntry) -> None:  # noqa: ARG001 # pyright: ignore[reportUnusedFunction]
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:  # noqa: ARG001 # pyright: ignore[reportUnusedFunction]
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool opens another one


def is_unreachable(error: BaseException) -> bool:
    """Whether an error of SQLAlchemy means that PostgreSQL is away or overloaded, so that trying again
    helps (and not that we asked wrongly)."""
    if isinstance(error, (OperationalError, PoolTimeoutError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


@dataclass(frozen=True, slots=True)
class EachAlone:
    """In place of a session where statements need not share a transaction: each is one of its own, and takes
    one round trip instead of four (begin with tenant, statement, commit), and a third of the CPU.

    psycopg puts the parameters into the text, so that both statements travel together; what PostgreSQL gets
    in one message is one transaction. Its log quotes the text of a statement that fails, so no parameter may
    hold a person's values. If the connection breaks right then, the statement may have been done.
    """

    engine: Engine
    tenant: str | None

    async def execute(self, statement: str, parameters: dict[str, Any]) -> "psycopg.AsyncCursor[Row]":
        return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: str, parameters: dict[str, Any]) -> "psycopg.AsyncCursor[Row]":
        """In a greenlet, since SQLAlchemy's pool wants one."""
        try:
            connection = self.engine.raw_connection()
        except psycopg.Error as error:
            raise _as_sqlalchemy_raises("connect", error, closed=True) from error
        driver = cast("psycopg.AsyncConnection[Any]", connection.driver_connection)
        cursor = psycopg.AsyncClientCursor(driver, row_factory=dict_row)
        try:
            await_only(
                cursor.execute(
                    _for_psycopg(statement) if self.tenant is None else _with_tenant(statement),
                    {**_as_texts(parameters), "app_tenant": self.tenant},
                )
            )
        except BaseException as error:
            if driver.closed:
                _let_go(connection, self.engine, error)
            if isinstance(error, psycopg.Error):
                raise _as_sqlalchemy_raises(statement, error, closed=driver.closed) from error
            raise
        finally:
            connection.close()
        while cursor.nextset():
            pass
        return cursor


Row = dict[str, Any]
Where = AsyncSession | EachAlone
"""Where a statement is run: as a part of a transaction, or as one of its own."""


async def fetch_all(where: Where, statement: str, /, **parameters: Any) -> list[Row]:
    """Rows of a textual query as dictionaries. Raises SQLAlchemy's DBAPIError."""
    cursor = await _execute(where, statement, parameters)
    return await cursor.fetchall()


async def run_sql(where: Where, statement: str, /, **parameters: Any) -> int:
    """Run a textual statement; returns the number of rows it touched. Raises SQLAlchemy's DBAPIError."""
    return (await _execute(where, statement, parameters)).rowcount


async def _execute(where: Where, statement: str, parameters: dict[str, Any]) -> "psycopg.AsyncCursor[Row]":
    """By psycopg itself, inside the session's transaction: SQLAlchemy's way there, through a greenlet, takes
    three times as much CPU as the statement."""
    if isinstance(where, EachAlone):
        return await where.execute(statement, parameters)
    connection = await driver_connection(where)
    cursor = connection.cursor(row_factory=dict_row)
    try:
        return await cursor.execute(_for_psycopg(statement), _as_texts(parameters))
    except BaseException as error:
        if connection.closed:
            ended = await where.connection()
            await ended.run_sync(_let_go, ended.sync_engine, error)
        if isinstance(error, psycopg.Error):
            raise _as_sqlalchemy_raises(statement, error, closed=connection.closed) from error
        raise


def _as_texts(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: in_one_text(value) for name, value in parameters.items()}


def _as_sqlalchemy_raises(statement: str, error: psycopg.Error, *, closed: bool) -> BaseException:
    """So that nobody needs to know two kinds of errors. The parameters, which hold personal values, stay
    out. `closed`: the connection is."""
    return DBAPIError.instance(
        statement, None, error, psycopg.Error, hide_parameters=True,
        connection_invalidated=closed, dialect=_DIALECT,
    )  # fmt: skip


_DIALECT = PGDialect_psycopg()


def in_one_text(value: Any) -> Any:
    """A list of texts, or of numbers, as the text of an array, for which the statement says of what it is.

    psycopg looks at each element for itself, which takes longer than all else that it does. Anything but a
    plain list goes as it is.
    """
    if type(value) is not list:
        return value
    elements = cast("list[object]", value)
    kinds: set[type[object]] = {type(element) for element in elements} - {type(None)}
    if kinds == {int}:
        written = ("NULL" if element is None else str(element) for element in elements)
    elif kinds == {bytes}:
        written = (
            "NULL" if element is None else f'"\\\\x{cast("bytes", element).hex()}"' for element in elements
        )
    elif kinds and all(issubclass(kind, str) for kind in kinds):
        written = ("NULL" if element is None else _quoted(cast("str", element)) for element in elements)
    else:
        return elements
    return f"{{{','.join(written)}}}"


def _quoted(element: str) -> str:
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@functools.lru_cache(maxsize=1024)
def _for_psycopg(statement: str) -> bytes:
    """A text with `:name` as psycopg wants it, as SQLAlchemy compiles it."""
    return str(text(statement).compile(dialect=_DIALECT)).encode()


@functools.lru_cache(maxsize=1024)
def _with_tenant(statement: str) -> bytes:
    return b"SELECT set_config('app.tenant', %(app_tenant)s, true); " + _for_psycopg(statement)


async def driver_connection(session: AsyncSession) -> "psycopg.AsyncConnection[Any]":
    """psycopg's own connection, inside the session's transaction: for COPY, cursors on the server, and binary
    results."""
    kept = session.info.get(_DRIVER)
    # A transaction begins, and a savepoint is made, only when SQLAlchemy is asked for the connection.
    if kept is None or session.in_nested_transaction():
        await session.connection()
        kept = session.info[_DRIVER]
    return kept


_DRIVER = "psycopg"
"""Where a session keeps its connection: to ask SQLAlchemy for it costs as much as a statement."""
