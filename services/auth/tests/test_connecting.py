"""The authorization code flow with both stand-ins, and everything that can be wrong with a redirect."""

from typing import TYPE_CHECKING

import pytest
from sqlmodel import text

from contracts.actor import Role
from contracts.ids import TenantId, new_id
from contracts.names import System
from contracts.problems import Conflict, Forbidden, Invalid, NotFound, Unavailable
from contracts.rpc.auth import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Rows, Team

    from auth.settings import AuthSettings
    from chassis.process import Foundation


async def test_zoho_is_connected(team: "Team", org: str, rows: "Rows", sandbox: str) -> None:
    connection = await team.connect(System.ZOHO, org)
    assert connection.state is ConnectionState.ACTIVE
    assert (connection.account_name, connection.api_url) == (org, f"{sandbox}/zoho")
    assert connection.account is not None
    assert connection.account.isdigit()
    assert await team.connections() == (connection,)
    assert [event["type"] for event in rows.events()] == ["connection_started", "connected"]
    assert rows.events("connected")[0]["data"]["account"] == connection.account


async def test_ameise_is_connected_with_a_code_challenge(team: "Team") -> None:
    connection, url = await team.start(System.AMEISE)
    assert "code_challenge=" in url
    finished = await team.finish(await team.vendors.consent(url, world="DEMO07_1"))
    assert finished.id == connection
    assert (finished.account, finished.state) == ("DEMO07_1", ConnectionState.ACTIVE)
    assert (await team.token(connection)).account == "DEMO07_1"


async def test_until_consent_it_is_connecting(team: "Team") -> None:
    connection, _ = await team.start(System.ZOHO)
    [shown] = await team.connections()
    assert (shown.id, shown.state, shown.account) == (connection, ConnectionState.CONNECTING, None)


async def test_a_state_that_was_never_given_out_is_refused(team: "Team", org: str) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    with pytest.raises(Invalid, match="nicht hier und von Ihnen begonnen"):
        await team.finish(redirect.model_copy(update={"state": "x" * 43}))


async def test_another_teams_state_is_refused_and_stays_good_for_its_own(
    team: "Team", team_of: "Callable[[TenantId], Team]", org: str
) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    with pytest.raises(Invalid, match="nicht hier und von Ihnen begonnen"):
        await team_of(TenantId("hamburg")).finish(redirect)
    assert (await team.finish(redirect)).state is ConnectionState.ACTIVE


async def test_a_colleagues_state_is_refused(team: "Team", org: str) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    with pytest.raises(Invalid, match="nicht hier und von Ihnen begonnen"):
        await team.finish(redirect, user="bernd")


async def test_a_state_is_good_once(team: "Team", org: str) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    await team.finish(redirect)
    with pytest.raises(Invalid, match="schon abgeschlossen"):
        await team.finish(redirect)


async def test_a_state_is_good_for_ten_minutes(team: "Team", org: str, rows: "Rows") -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    await rows.change("UPDATE sign_in SET expires_at = expires_at - interval '10 minutes'")
    with pytest.raises(Invalid, match="länger als 10 Minuten"):
        await team.finish(redirect)


@pytest.mark.parametrize("system", list(System))
async def test_refused_consent_is_told_and_connects_nothing(
    team: "Team", system: System, rows: "Rows"
) -> None:
    _, url = await team.start(system)
    redirect = await team.vendors.consent(url, world="DEMO08_1", accept=False)
    with pytest.raises(Conflict, match="Die Zustimmung wurde abgelehnt"):
        await team.finish(redirect)
    [told] = rows.events("connection_refused")
    assert told["data"]["reason"] == "access_denied"
    [shown] = await team.connections()
    assert (shown.state, shown.last_error) == (ConnectionState.CONNECTING, "access_denied")


@pytest.mark.parametrize(
    ("system", "words"), [(System.ZOHO, "invalid_code"), (System.AMEISE, "invalid_grant")]
)
async def test_a_bad_code_is_refused(team: "Team", system: System, words: str, rows: "Rows") -> None:
    _, url = await team.start(system)
    redirect = await team.vendors.consent(url, world="DEMO09_1")
    with pytest.raises(Conflict, match=words):
        await team.finish(redirect.model_copy(update={"code": "1000.abc.def"}))
    assert len(rows.events("connection_refused")) == 1


async def test_the_client_secret_goes_to_no_server_that_the_browser_names(
    team: "Team", org: str, rows: "Rows"
) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    before = await team.vendors.token_calls(System.ZOHO)
    with pytest.raises(Conflict, match="kein Anmeldeserver von Zoho"):
        await team.finish(redirect.model_copy(update={"accounts_server": "https://zoho.example"}))
    assert await team.vendors.token_calls(System.ZOHO) == before


async def test_an_unreachable_token_endpoint_says_try_later(team: "Team", org: str) -> None:
    _, url = await team.start(System.ZOHO)
    redirect = await team.vendors.consent(url, world=org)
    await team.vendors.fault(System.ZOHO, 502)
    with pytest.raises(Unavailable, match="HTTP 502"):
        await team.finish(redirect)


async def test_reconnecting_keeps_the_id(team: "Team", org: str) -> None:
    first = await team.connect(System.ZOHO, org)
    old = await team.token(first.id)
    again = await team.connect(System.ZOHO, org, connection=first.id)
    assert (again.id, again.account) == (first.id, first.account)
    assert (await team.token(first.id)).token != old.token


async def test_a_second_connection_to_the_same_account_becomes_the_first(team: "Team", org: str) -> None:
    first = await team.connect(System.ZOHO, org)
    second = await team.connect(System.ZOHO, org)
    assert second.id == first.id
    assert len(await team.connections()) == 1


async def test_a_connection_never_changes_its_account(team: "Team", org: str, rows: "Rows") -> None:
    first = await team.connect(System.ZOHO, org)
    old = await team.token(first.id)
    with pytest.raises(Conflict, match="einem anderen Konto"):
        await team.connect(System.ZOHO, f"{org}-b", connection=first.id)
    assert (await team.token(first.id)).token == old.token
    assert len(rows.events("connection_refused")) == 1


async def test_two_teams_may_connect_the_same_account(
    team: "Team", team_of: "Callable[[TenantId], Team]", org: str
) -> None:
    hamburg = team_of(TenantId("hamburg"))
    ours, theirs = await team.connect(System.ZOHO, org), await hamburg.connect(System.ZOHO, org)
    assert ours.id != theirs.id
    assert await hamburg.connections() == (theirs,)


async def test_only_an_admin_connects(team: "Team") -> None:
    with pytest.raises(Forbidden):
        await team.start(System.ZOHO, role=Role.USER)


async def test_a_connection_that_is_not_there_or_another_teams_cannot_be_reconnected(
    team: "Team", team_of: "Callable[[TenantId], Team]", org: str
) -> None:
    ours = await team.connect(System.ZOHO, org)
    for asking, connection in ((team, new_id()), (team_of(TenantId("hamburg")), ours.id)):
        with pytest.raises(NotFound):
            await asking.start(System.ZOHO, connection)
    with pytest.raises(Invalid, match="führt zu Zoho CRM, nicht zu Ameise"):
        await team.start(System.AMEISE, ours.id)


async def test_without_a_registration_it_says_what_to_set(
    settings: "AuthSettings", team_of: "Callable[[TenantId], Team]"
) -> None:
    from auth.app import running

    async with running(settings.model_copy(update={"zoho_client_id": ""})):
        with pytest.raises(Conflict, match="OAuth-Zugangsdaten für") as refused:
            await team_of(TenantId("berlin")).start(System.ZOHO)
    assert "AUTH_ZOHO_CLIENT_ID" in (refused.value.remedy or "")


async def test_nothing_readable_is_at_rest_or_in_a_log(
    team: "Team", org: str, rows: "Rows", capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither tokens nor states nor codes, in no table, in no event, in no line."""
    connection, url = await team.start(System.AMEISE)
    redirect = await team.vendors.consent(url, world="DEMO06_1")
    await team.finish(redirect)
    zoho = await team.connect(System.ZOHO, org)
    secrets = [redirect.state, redirect.code or ""]
    for id_ in (connection, zoho.id):
        secrets.append((await team.token(id_)).token.get_secret_value())
    kept = "".join(
        str(row)
        for table in ("connection", "sign_in", "outbox")
        for row in rows.select(f"SELECT t.* FROM {table} t")
    )
    kept += "".join(capfd.readouterr())
    assert zoho.id in kept
    assert "connection.connected" in kept
    for secret in secrets:
        assert secret
        assert secret not in kept
    sealed = {bytes(row["refresh_token"])[:6] for row in rows.select("SELECT refresh_token FROM connection")}
    assert sealed == {b"gAAAAA"}, "Fernet's first bytes"


async def test_postgresql_shows_no_other_tenants_connection(
    team: "Team", auth: "Foundation", org: str
) -> None:
    await team.connect(System.ZOHO, org)
    for tenant, seen in (("hamburg", 0), ("berlin", 1)):
        async with auth.database.tenant(TenantId(tenant)) as session:
            connection = await session.connection()
            for table in ("connection", "sign_in"):
                found = await connection.execute(text(f"SELECT count(*) FROM {table}"))
                assert found.scalar() == seen
    with pytest.raises(Exception, match="no tenant is set"):
        async with auth.database.unbound() as session:
            await (await session.connection()).execute(text("SELECT * FROM connection"))
