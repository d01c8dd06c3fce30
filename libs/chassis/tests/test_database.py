"""The second wall between tenants: what a handler forgets, PostgreSQL refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Database, fetch_all, is_unreachable, run_sql
from contracts.ids import TenantId
from mvp_connector.ports import free_ports
from parts.databases import DatabaseUrls

BERLIN, HAMBURG = TenantId("berlin"), TenantId("hamburg")
TABLES = ("looked", "outbox", "outbox_counter", "lease", "parked_message")


async def look(session: AsyncSession, tenant: str, zoho_id: str = "1") -> int:
    statement = "INSERT INTO looked (tenant, zoho_id) VALUES (:tenant, :zoho_id)"
    return await run_sql(session, statement, tenant=tenant, zoho_id=zoho_id)


async def seen(session: AsyncSession) -> list[str]:
    return [row["tenant"] for row in await fetch_all(session, "SELECT tenant FROM looked ORDER BY tenant")]


@pytest.fixture
async def one_connection(urls: DatabaseUrls) -> AsyncIterator[Database]:
    """As the runtime role, always over the same connection."""
    database = Database(SecretStr(urls.runtime), pool_size=1)
    yield database
    await database.close()


@pytest.fixture
async def both_tenants(all_tenants: Database) -> None:
    async with all_tenants.unbound() as session:
        await look(session, BERLIN)
        await look(session, HAMBURG)


@pytest.mark.usefixtures("both_tenants")
async def test_raw_sql_sees_only_the_rows_of_its_tenant(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        assert await seen(session) == [BERLIN]
        assert await fetch_all(session, "SELECT 1 FROM looked WHERE tenant = 'hamburg'") == []
        assert await run_sql(session, "UPDATE looked SET zoho_id = '9' WHERE tenant = 'hamburg'") == 0
        assert await run_sql(session, "DELETE FROM looked WHERE tenant = 'hamburg'") == 0


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(texts=st.lists(TEXTS | st.none()), numbers=st.lists(st.integers(-(2**63), 2**63 - 1) | st.none()))
@example(texts=['"', "\\", "{,}", "NULL", "null", " ", "", None, 'a","b'], numbers=[None])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
async def test_a_list_arrives_as_it_is(
    database: Database, texts: list[str | None], numbers: list[int | None]
) -> None:
    bodies = [None if text is None else text.encode() for text in texts]
    async with database.tenant(BERLIN) as session:
        [row] = await fetch_all(
            session,
            "SELECT CAST(:texts AS text[]) AS texts, CAST(:numbers AS bigint[]) AS numbers, "
            "CAST(:bodies AS bytea[]) AS bodies, CAST(:yes AS boolean[]) AS yes",
            texts=texts, numbers=numbers, bodies=bodies, yes=[True, False],
        )  # fmt: skip
    assert (row["texts"], row["numbers"], row["bodies"], row["yes"]) == (
        texts,
        numbers,
        bodies,
        [True, False],
    )


@pytest.mark.usefixtures("both_tenants")
async def test_the_role_of_the_relay_sees_all_tenants(all_tenants: Database) -> None:
    async with all_tenants.unbound() as session:
        assert await seen(session) == [BERLIN, HAMBURG]


@pytest.mark.usefixtures("both_tenants")
@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_every_table_is_an_error_also_after_a_commit_in_the_same_connection(
    one_connection: Database, table: str
) -> None:
    async def without_a_tenant() -> None:
        async with one_connection.unbound() as session:
            await fetch_all(session, f"SELECT 1 FROM {table}")

    # An empty table is not even asked for its tenant: with a row for each the error is certain.
    async with one_connection.tenant(BERLIN) as session:
        await fill(session, table)
    for _ in range(2):
        with pytest.raises(DBAPIError, match="no tenant is set"):
            await without_a_tenant()


async def fill(session: AsyncSession, table: str) -> None:
    values = {
        "looked": "(tenant, zoho_id) VALUES ('berlin', '1')",
        "outbox": "(id, tenant, kind, subject, body) VALUES (gen_random_uuid(), 'berlin', 'work', 's', '')",
        "outbox_counter": "VALUES ('berlin', 1, 1)",
        "lease": "VALUES ('berlin', 'n', 'o', now(), 1)",
        "parked_message": "(id, tenant, stream, sequence, subject, body, reason)"
        " VALUES (gen_random_uuid(), 'berlin', 's', 1, 's', '', 'r')",
    }
    await run_sql(session, f"INSERT INTO {table} {values[table]}")


async def test_a_session_is_one_transaction(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        await look(session, BERLIN)
        await session.commit()
        with pytest.raises(InvalidRequestError, match="Autobegin is disabled"):
            await seen(session)


async def test_the_tenant_holds_in_a_savepoint_and_after_it(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        async with session.begin_nested():
            await look(session, BERLIN)
        assert await seen(session) == [BERLIN]


async def test_a_row_for_another_tenant_is_refused(database: Database) -> None:
    async def look_for_hamburg() -> None:
        async with database.tenant(BERLIN) as session:
            await look(session, HAMBURG)

    async def move_to_hamburg() -> None:
        async with database.tenant(BERLIN) as session:
            await look(session, BERLIN)
            await run_sql(session, "UPDATE looked SET tenant = 'hamburg'")

    for attempt in (look_for_hamburg, move_to_hamburg):
        with pytest.raises(DBAPIError, match="row-level security"):
            await attempt()


@pytest.mark.usefixtures("both_tenants")
def test_the_owner_is_held_too(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.owner) as connection:
        assert connection.execute("SELECT count(*) FROM looked").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO looked (tenant, zoho_id) VALUES ('berlin', '1')")


@pytest.mark.parametrize("role", ["owner", "runtime", "all_tenants"])
def test_no_role_of_a_service_can_step_around_the_wall(urls: DatabaseUrls, role: str) -> None:
    with psycopg.connect(getattr(urls, role)) as connection:
        rights = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb"
        row = connection.execute(f"SELECT {rights} FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (False, False, False, False)


@pytest.mark.parametrize("role", ["runtime", "all_tenants"])
def test_only_the_owner_changes_tables(urls: DatabaseUrls, role: str) -> None:
    for statement in (
        "ALTER TABLE looked DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_tenant ON looked",
        "CREATE TABLE mine (a int)",
        "TRUNCATE looked",
    ):
        with psycopg.connect(getattr(urls, role)) as connection, pytest.raises(psycopg.errors.Error):
            connection.execute(statement)


async def test_what_raises_is_rolled_back(database: Database) -> None:
    async def fail() -> None:
        async with database.tenant(BERLIN) as session:
            await look(session, BERLIN)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.tenant(BERLIN) as session:
        assert await seen(session) == []


async def test_a_database_that_is_away_does_not_answer_the_ping() -> None:
    (port,) = free_ports(1)
    away = Database(SecretStr(f"postgresql://nobody:secret@127.0.0.1:{port}/nothing"))
    with pytest.raises(OperationalError) as refused:
        await away.ping()
    assert is_unreachable(refused.value)
    await away.close()


@pytest.mark.parametrize("when", ["between transactions", "in a transaction"])
async def test_connections_that_end_together_are_found_out_once(urls: DatabaseUrls, when: str) -> None:
    database = Database(SecretStr(urls.runtime))
    async with AsyncExitStack() as at_the_same_time:
        for _ in range(4):
            session = await at_the_same_time.enter_async_context(database.tenant(BERLIN))
            await seen(session)
    with pytest.raises(OperationalError) as ended:
        await _use_what_ends(database, urls, when)
    assert is_unreachable(ended.value)
    for _ in range(4):
        async with database.tenant(BERLIN) as session:
            assert await seen(session) == []
    await database.close()


async def _use_what_ends(database: Database, urls: DatabaseUrls, when: str) -> None:
    if when == "between transactions":
        _end_all_connections(urls)
    async with database.tenant(BERLIN) as session:
        if when == "in a transaction":
            await seen(session)
            _end_all_connections(urls)
        await seen(session)


def _end_all_connections(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_connecting_that_is_cancelled_leaves_nothing_half_open(urls: DatabaseUrls) -> None:
    database = Database(SecretStr(urls.runtime))
    for milliseconds in range(12):
        asking = asyncio.create_task(database.ping())
        await asyncio.sleep(milliseconds / 1000)
        asking.cancel()
        await asyncio.wait([asking])
    await database.close()
    name = str(conninfo_to_dict(urls.runtime)["dbname"])
    with psycopg.connect(urls.superuser, dbname="postgres", autocommit=True) as connection:
        connection.execute("SET statement_timeout = '5s'")  # a half-open one would hold it up for a minute
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_asking_wrongly_is_not_taken_for_a_database_that_is_away(database: Database) -> None:
    async with database.tenant(BERLIN) as session:
        with pytest.raises(DBAPIError) as wrong:
            await fetch_all(session, "SELECT nothing_of_that_name")
        await session.rollback()
    assert not is_unreachable(wrong.value)
    assert not is_unreachable(IntegrityError("", {}, Exception()))
    assert is_unreachable(PoolTimeoutError())


LOOK = "INSERT INTO looked (tenant, zoho_id) VALUES (:tenant, :zoho_id)"


async def test_a_statement_at_once_is_a_transaction_of_its_tenant(database: Database) -> None:
    await run_sql(database.each_alone(BERLIN), LOOK, tenant=BERLIN, zoho_id="'; DROP TABLE looked; --")
    with pytest.raises(DBAPIError, match="row-level security"):
        await run_sql(database.each_alone(BERLIN), LOOK, tenant=HAMBURG, zoho_id="1")
    async with database.tenant(BERLIN) as session:
        stored = await fetch_all(session, "SELECT tenant, zoho_id FROM looked")
    assert stored == [{"tenant": BERLIN, "zoho_id": "'; DROP TABLE looked; --"}]


async def test_what_fails_at_once_leaves_nothing_and_no_tenant_behind(
    database: Database, all_tenants: Database
) -> None:
    fails = f"{LOOK}; SELECT 1 / 0"
    for _ in range(3):  # over the same connection
        with pytest.raises(DBAPIError, match="division by zero"):
            await run_sql(database.each_alone(BERLIN), fails, tenant=BERLIN, zoho_id="1")
    await run_sql(database.each_alone(HAMBURG), LOOK, tenant=HAMBURG, zoho_id="1")
    async with all_tenants.unbound() as session:
        assert await seen(session) == [HAMBURG]


def at_work(urls: DatabaseUrls) -> list[str]:
    """What PostgreSQL is doing, or has left in the middle of, for others than us."""
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'"
        ).fetchall()
    return [query for (query,) in rows]


async def test_what_is_cancelled_at_once_leaves_nothing_half_done(
    one_connection: Database, all_tenants: Database, urls: DatabaseUrls
) -> None:
    slow = f"{LOOK}; SELECT pg_sleep(60)"
    for _ in range(3):
        asking = asyncio.create_task(
            run_sql(one_connection.each_alone(BERLIN), slow, tenant=BERLIN, zoho_id="1")
        )
        async with asyncio.timeout(10):
            while not at_work(urls):
                await asyncio.sleep(0.01)
        waiting = asyncio.create_task(
            run_sql(one_connection.each_alone(BERLIN), LOOK, tenant=BERLIN, zoho_id="2")
        )
        await asyncio.sleep(0.01)  # for the one connection
        waiting.cancel()
        asking.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([asking, waiting])
        assert (asking.cancelled(), waiting.cancelled()) == (True, True)
        assert at_work(urls) == []
    await run_sql(one_connection.each_alone(HAMBURG), LOOK, tenant=HAMBURG, zoho_id="1")
    async with all_tenants.unbound() as session:
        assert await seen(session) == [HAMBURG]


async def test_whenever_it_is_cancelled_a_statement_is_done_or_not_and_the_next_one_has_its_own_tenant(
    one_connection: Database, all_tenants: Database, urls: DatabaseUrls
) -> None:
    await one_connection.ping()
    told: list[str] = []
    for tenth_of_a_millisecond in range(40):
        zoho_id = str(tenth_of_a_millisecond)
        asking = asyncio.create_task(
            run_sql(one_connection.each_alone(BERLIN), LOOK, tenant=BERLIN, zoho_id=zoho_id)
        )
        await asyncio.sleep(tenth_of_a_millisecond / 10_000)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            assert asking.result() == 1
            told.append(zoho_id)
        with pytest.raises(DBAPIError, match="row-level security"):
            await run_sql(one_connection.each_alone(HAMBURG), LOOK, tenant=BERLIN, zoho_id=zoho_id)
        await run_sql(one_connection.each_alone(HAMBURG), LOOK, tenant=HAMBURG, zoho_id=zoho_id)
    assert at_work(urls) == []
    async with all_tenants.unbound() as session:
        stored = await fetch_all(session, "SELECT tenant, zoho_id FROM looked")
    of = {
        tenant: [row["zoho_id"] for row in stored if row["tenant"] == tenant] for tenant in (BERLIN, HAMBURG)
    }
    assert len(of[HAMBURG]) == 40
    assert set(told) <= set(of[BERLIN])
    assert len(set(of[BERLIN])) == len(of[BERLIN])


async def test_at_once_says_that_postgresql_is_away(urls: DatabaseUrls) -> None:
    [port] = free_ports(1)
    away = conninfo_to_dict(urls.runtime) | {"port": port}
    database = Database(
        SecretStr(f"postgresql://{away['user']}:{away['password']}@127.0.0.1:{port}/{away['dbname']}")
    )
    with pytest.raises(OperationalError) as caught:
        await run_sql(database.each_alone(BERLIN), LOOK, tenant=BERLIN, zoho_id="1")
    assert is_unreachable(caught.value)
    await database.close()
