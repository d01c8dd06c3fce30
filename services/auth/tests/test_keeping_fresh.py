"""Tokens are renewed before they run out, for all tenants, whoever asks or does not."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from contracts.ids import TenantId
from contracts.names import System

if TYPE_CHECKING:
    from conftest import Rows, Team

    Until = Callable[[Callable[[], Any]], Awaitable[Any]]


async def test_what_runs_out_is_renewed_for_every_tenant(
    team: "Team", team_of: "Callable[[TenantId], Team]", rows: "Rows", until: "Until", org: str
) -> None:
    hamburg = team_of(TenantId("hamburg"))
    ours, theirs = await team.connect(System.ZOHO, org), await hamburg.connect(System.AMEISE, "DEMO20_1")
    old = (await team.token(ours.id)).token, (await hamburg.token(theirs.id)).token
    await rows.change("UPDATE connection SET renew_at = now()")
    told = await until(lambda: (seen := rows.events("token_refreshed")) and len(seen) == 2 and seen)
    assert {event["tenant"] for event in told} == {"berlin", "hamburg"}
    assert {event["actor_kind"] for event in told} == {"schedule"}
    new = (await team.token(ours.id)).token, (await hamburg.token(theirs.id)).token
    assert old[0] != new[0]
    assert old[1] != new[1]


async def test_a_dead_connection_is_noticed_though_nobody_uses_it(
    team: "Team", rows: "Rows", until: "Until"
) -> None:
    connection = await team.connect(System.AMEISE, "DEMO21_1")
    await team.vendors.kill_refresh_tokens(System.AMEISE)
    await rows.change("UPDATE connection SET renew_at = now()")
    [told] = await until(lambda: rows.events("reconnect_needed"))
    assert told["data"] | {"reason": ""} == {
        "connection": connection.id, "system": "ameise", "outcome": "error", "reason": "",
    }  # fmt: skip


async def test_it_waits_after_a_failure(team: "Team", rows: "Rows", until: "Until") -> None:
    await team.connect(System.AMEISE, "DEMO22_1")
    await team.vendors.fault(System.AMEISE, 500)
    await rows.change("UPDATE connection SET renew_at = now(), failures = 6")
    await until(lambda: rows.connection()["failures"] == 7)
    asked = await team.vendors.token_calls(System.AMEISE)
    await team.vendors.well_again()
    await rows.change(
        "UPDATE connection SET not_before = now() WHERE not_before > now() + interval '1 minute'"
    )
    await until(lambda: rows.events("token_refreshed"))
    assert await team.vendors.token_calls(System.AMEISE) == asked + 1


async def test_abandoned_sign_ins_are_forgotten(team: "Team", rows: "Rows", until: "Until", org: str) -> None:
    await team.start(System.AMEISE)
    kept = await team.connect(System.ZOHO, org)
    await rows.change("UPDATE connection SET created_at = created_at - interval '2 days'")
    # Last: a connection stays while its sign-in does, so that both go in one transaction.
    await rows.change("UPDATE sign_in SET expires_at = expires_at - interval '2 days'")
    await until(lambda: not rows.select("SELECT 1 FROM sign_in"))
    assert [shown.id for shown in await team.connections()] == [kept.id]
