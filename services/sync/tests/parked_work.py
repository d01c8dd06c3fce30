"""Parked work in tests: made, and looked through as people do."""

from typing import TYPE_CHECKING, Any

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.rpc import Rpc
from contracts.rpc.sync_parked import LIST_PARKED, ListParked, ParkedWork, ParkedWorks

if TYPE_CHECKING:
    from conftest import Rows, Team

ANNA = {"Salutation": "Frau", "First_Name": "Anna", "Email": "anna@example.org"}


async def ask(team: "Team", rpc: Rpc[Any, Any], request: Any, role: Role = Role.ADMIN) -> Any:
    return await RpcClient(team.client).call(rpc, request, actor=team.actor(role))


async def listed(team: "Team", **wanted: Any) -> ParkedWorks:
    return await ask(team, LIST_PARKED, ListParked(**wanted))


def park(rows: "Rows", *objects: str, direction: str = "to_ameise", cause: str = "rule_undecided") -> None:
    """Rows that are parked, as if sync had done it."""
    for object_ in objects:
        rows.change(
            "INSERT INTO work (tenant, pipeline, direction, object, lane, correlationid, parked, cause, "
            "reason, words, attempts, failing_since) VALUES ('berlin', 1, %s, %s, 2, "
            "'01957a3c-5c00-7000-8000-000000000001', true, %s, 'unklar: so', 'er sagt Meier', 3, now())",
            direction, object_, cause,
        )  # fmt: skip


async def unsure(team: "Team", name: str) -> tuple[str, str, ParkedWork]:
    """A form of somebody who may be a Kunde already: (Kundennummer, Zoho id, the parked work)."""
    number = await team.world.add_kunde(Vorname="Anna", Nachname=name)
    record = await team.world.add(Last_Name=name, **ANNA)
    await team.webhook(record)
    await team.idle()
    [work] = (await listed(team, text=record)).works
    return number, record, work
