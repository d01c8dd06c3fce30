"""Access tokens: handed out as stored, renewed once for all who ask, never lost to a server's bad day."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, new_id
from contracts.names import Service, System
from contracts.problems import Forbidden, NotConnected, NotFound, Unavailable
from contracts.rpc.auth import ACCESS_TOKEN, AccessTokenRequest, ConnectionState

if TYPE_CHECKING:
    from conftest import Rows, Team

    from auth.settings import AuthSettings

BERLIN = TenantId("berlin")
TOO_MANY = {
    "error": "Access Denied",
    "error_description": "You have made too many requests continuously. Please try again after some time.",
}


@pytest.fixture
def settings(settings: "AuthSettings") -> "AuthSettings":
    """Nothing is renewed but by those who ask."""
    return settings.model_copy(update={"renewal_interval": timedelta(hours=1)})


@asynccontextmanager
async def replicas(settings: "AuthSettings", number: int) -> AsyncIterator[None]:
    from contextlib import AsyncExitStack

    from auth.app import running

    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(running(settings))
        yield


async def test_the_stored_token_is_handed_out_without_a_call(team: "Team", org: str) -> None:
    connection = await team.connect(System.ZOHO, org)
    before = await team.vendors.token_calls(System.ZOHO)
    tokens = [await team.token(connection.id) for _ in range(3)]
    assert len({token.token for token in tokens}) == 1
    assert tokens[0].account == connection.account
    assert tokens[0].api_url == connection.api_url
    assert timedelta(minutes=55) < tokens[0].expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert await team.vendors.token_calls(System.ZOHO) == before


@pytest.mark.parametrize("system", list(System))
async def test_a_refused_token_is_renewed_and_works(team: "Team", system: System, rows: "Rows") -> None:
    connection = await team.connect(system, "DEMO10_1")
    old = await team.token(connection.id)
    new = await team.token(connection.id, refused=old)
    assert new.token != old.token
    path = "/ameise/userinfo" if system is System.AMEISE else "/zoho/crm/v8/org"
    headers = {"Authorization": f"Bearer {new.token.get_secret_value()}"}
    assert (await team.vendors.http.get(team.vendors.url + path, headers=headers)).status_code == 200
    assert len(rows.events("token_refreshed")) == 1


async def test_a_rotated_refresh_token_is_stored_each_time(team: "Team") -> None:
    connection = await team.connect(System.AMEISE, "DEMO11_1")
    token = await team.token(connection.id)
    for _ in range(4):
        token = await team.token(connection.id, refused=token)
    assert (await team.connections())[0].state is ConnectionState.ACTIVE


async def test_a_burst_of_401s_leads_to_one_renewal(team: "Team", rows: "Rows") -> None:
    connection = await team.connect(System.AMEISE, "DEMO12_1")
    old = await team.token(connection.id)
    before = await team.vendors.token_calls(System.AMEISE)
    tokens = await asyncio.gather(*(team.token(connection.id, refused=old) for _ in range(20)))
    late = await team.token(connection.id, refused=old)
    assert {token.token for token in tokens} == {late.token}
    assert await team.vendors.token_calls(System.AMEISE) == before + 1
    assert len(rows.events("token_refreshed")) == 1


async def test_two_replicas_asked_at_once_renew_once(
    settings: "AuthSettings", team_of: "Callable[[TenantId], Team]", rows: "Rows"
) -> None:
    async with replicas(settings, 2):
        team = team_of(BERLIN)
        connection = await team.connect(System.AMEISE, "DEMO13_1")
        old = await team.token(connection.id)
        before = await team.vendors.token_calls(System.AMEISE)
        tokens = await asyncio.gather(*(team.token(connection.id, refused=old) for _ in range(40)))
        assert len({token.token for token in tokens} - {old.token}) == 1
        assert await team.vendors.token_calls(System.AMEISE) == before + 1
    assert len(rows.events("token_refreshed")) == 1


@pytest.mark.parametrize("system", list(System))
async def test_a_dead_refresh_token_asks_for_a_person_once(
    team: "Team", system: System, rows: "Rows"
) -> None:
    connection = await team.connect(system, "DEMO14_1")
    old = await team.token(connection.id)
    await team.vendors.kill_refresh_tokens(system)
    answers = await asyncio.gather(
        *(team.token(connection.id, refused=old) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(answer, NotConnected) for answer in answers), answers
    with pytest.raises(NotConnected):
        await team.token(connection.id)
    [told] = rows.events("reconnect_needed")
    assert told["data"]["connection"] == connection.id
    [shown] = await team.connections()
    assert shown.state is ConnectionState.RECONNECT_NEEDED
    again = await team.connect(system, "DEMO14_1", connection=connection.id)
    assert (again.id, again.state, again.last_error) == (connection.id, ConnectionState.ACTIVE, None)
    assert await team.token(connection.id)


@pytest.mark.parametrize(
    ("system", "status", "more"),
    [
        (System.AMEISE, 503, {}),
        (System.AMEISE, 500, {"body": {"error": "invalid_grant"}}),
        (System.AMEISE, 404, {"kind": "html"}),
        (System.AMEISE, 200, {"kind": "garbage"}),
        (System.AMEISE, 302, {}),
        (System.AMEISE, 401, {"body": {"error": "invalid_client"}}),
        (System.ZOHO, 400, {"body": TOO_MANY}),
        (System.ZOHO, 200, {"body": TOO_MANY}),
    ],
)
async def test_a_token_endpoints_bad_day_keeps_the_connection(
    team: "Team", system: System, status: int, more: dict[str, Any], rows: "Rows"
) -> None:
    connection = await team.connect(system, "DEMO15_1")
    old = await team.token(connection.id)
    await team.vendors.fault(system, status, **more)
    before = await team.vendors.token_calls(system)
    for _ in range(3):
        with pytest.raises(Unavailable, match="refused and cannot be renewed now"):
            await team.token(connection.id, refused=old)
    assert await team.vendors.token_calls(system) == before + 1, "the pause is kept"
    assert (await team.token(connection.id)).token == old.token
    assert (await team.connections())[0].state is ConnectionState.ACTIVE
    assert rows.connection()["not_before"] > datetime.now(UTC)
    await team.vendors.well_again()
    await rows.change("UPDATE connection SET not_before = now()")
    assert (await team.token(connection.id, refused=old)).token != old.token
    assert rows.connection()["failures"] == 0
    assert rows.events("reconnect_needed") == []


async def test_a_token_that_runs_out_soon_still_does_while_it_cannot_be_renewed(
    team: "Team", rows: "Rows"
) -> None:
    connection = await team.connect(System.AMEISE, "DEMO16_1")
    old = await team.token(connection.id)
    await rows.change("UPDATE connection SET renew_at = now()")
    await team.vendors.fault(System.AMEISE, 503)
    assert (await team.token(connection.id)).token == old.token
    await rows.change("UPDATE connection SET token_expires_at = now()")
    with pytest.raises(Unavailable, match="ran out"):
        await team.token(connection.id)


async def test_a_vendor_that_refuses_every_token_is_not_asked_for_ever(team: "Team", org: str) -> None:
    connection = await team.connect(System.ZOHO, org)
    before = await team.vendors.token_calls(System.ZOHO)
    token = await team.token(connection.id)
    for _ in range(8):
        token = await team.token(connection.id, refused=token)
    with pytest.raises(Unavailable):
        await team.token(connection.id, refused=token)
    assert await team.vendors.token_calls(System.ZOHO) == before + 8, "nine with the first, Zoho allows ten"


async def test_new_tokens_are_stored_even_if_postgresql_refuses_at_first(team: "Team", rows: "Rows") -> None:
    """The old refresh token is dead by then, so giving up would disconnect."""
    connection = await team.connect(System.AMEISE, "DEMO17_1")
    old = await team.token(connection.id)
    await rows.change(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'shut down' USING ERRCODE = 'admin_shutdown'; END $$"
    )
    await rows.change("CREATE TRIGGER fail BEFORE UPDATE ON connection FOR EACH ROW EXECUTE FUNCTION fail()")
    before = await team.vendors.token_calls(System.AMEISE)
    asking = asyncio.create_task(team.token(connection.id, refused=old))
    async with asyncio.timeout(10):
        while await team.vendors.token_calls(System.AMEISE) == before:
            await asyncio.sleep(0.02)
    assert not asking.done()
    await rows.change("DROP TRIGGER fail ON connection")
    new = await asking
    assert new.token != old.token
    assert (await team.token(connection.id, refused=new)).token != new.token


async def test_a_renewal_outlives_the_service_that_began_it(
    settings: "AuthSettings", team_of: "Callable[[TenantId], Team]", rows: "Rows"
) -> None:
    team = team_of(BERLIN)
    async with replicas(settings, 1):
        connection = await team.connect(System.AMEISE, "DEMO18_1")
        old = await team.token(connection.id)
        await team.vendors.fault(System.AMEISE, 0, kind="latency", seconds=1)
        asking = asyncio.create_task(team.token(connection.id, refused=old))
        async with asyncio.timeout(10):
            while not rows.select("SELECT 1 FROM lease WHERE until > now()"):
                await asyncio.sleep(0.02)
    assert (await asking).token != old.token
    async with replicas(settings, 1):
        assert (await team.token(connection.id)).token == (await asking).token


async def test_only_sync_at_its_own_work_gets_tokens(team: "Team", org: str) -> None:
    connection = await team.connect(System.ZOHO, org)
    request = AccessTokenRequest(connection=connection.id)
    for actor in (
        team.actor(Role.USER),
        team.actor(Role.ADMIN),
        team.actor(Role.SYSTEM),
        Actor(kind=ActorKind.SERVICE, id="sync", tenant=BERLIN, role=Role.ADMIN),
        Actor.of_service(Service.GATEWAY, BERLIN),
    ):
        with pytest.raises(Forbidden):
            await team.ask_as(actor, ACCESS_TOKEN, request)


async def test_another_teams_connection_is_not_there(
    team: "Team", team_of: "Callable[[TenantId], Team]", org: str
) -> None:
    connection = await team.connect(System.ZOHO, org)
    for asking, id_ in ((team_of(TenantId("hamburg")), connection.id), (team, new_id())):
        with pytest.raises(NotFound):
            await asking.token(id_)


async def test_a_connection_without_consent_has_no_token(team: "Team") -> None:
    connection, _ = await team.start(System.ZOHO)
    with pytest.raises(NotConnected):
        await team.token(connection)


async def test_a_lost_key_says_so_and_a_renewal_moves_to_the_new_key(
    settings: "AuthSettings", team_of: "Callable[[TenantId], Team]", org: str
) -> None:
    team, old_key, new_key = team_of(BERLIN), settings.secret_keys, Fernet.generate_key().decode()
    async with replicas(settings, 1):
        connection = await team.connect(System.ZOHO, org)
        token = await team.token(connection.id)
    async with replicas(settings.model_copy(update={"secret_keys": SecretStr(new_key)}), 1):
        with pytest.raises(NotConnected) as lost:
            await team.token(connection.id)
        assert "AUTH_SECRET_KEYS" in (lost.value.remedy or "")
    both = SecretStr(f"{new_key},{old_key.get_secret_value()}")
    async with replicas(settings.model_copy(update={"secret_keys": both}), 1):
        assert (await team.token(connection.id)).token == token.token
        token = await team.token(connection.id, refused=token)
    async with replicas(settings.model_copy(update={"secret_keys": SecretStr(new_key)}), 1):
        assert await team.token(connection.id, refused=token)
