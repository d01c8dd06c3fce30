"""Verträge as people type them into Zoho, for a pipeline that takes them to Ameise too."""

from typing import TYPE_CHECKING, Any

from redefining import vertraege_both_ways

if TYPE_CHECKING:
    from conftest import Team

MODULE = "Vertraege"
VALUES: dict[str, Any] = {
    "Name": "Hausrat", "Versicherungsscheinnummer": "HR 4711/1", "Sparte": "Hausrat", "Risiko": "Wohnung",
    "Beitrag_netto": 120.5, "Beginn": "2026-01-01",
}  # fmt: skip


async def typed(team: "Team", contact: str | None, **values: Any) -> str:
    lookup = {} if contact is None else {"Kunde": {"id": contact}}
    return await team.world.add(MODULE, **VALUES | lookup | values)


async def kunde_with_contact(team: "Team") -> tuple[str, str]:
    """A Kunde with his Contact, and a pipeline that takes Verträge both ways."""
    await vertraege_both_ways(team)
    number = await team.world.add_kunde(Nachname="Vertragsmann")
    await team.delivery([number])
    assert await team.idle() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


async def lost_answer(team: "Team", contact: str, **values: Any) -> str:
    """A record whose Vertrag was made, but nobody heard of it; nobody looks again until `hurried`."""
    await team.world.fault("timeout_after_write", "/vertraege$", method="POST", seconds=5, times=1)
    record = await typed(team, contact, **values)
    await team.webhook(record, MODULE)
    await team.postponed("Ameise antwortet nicht")
    team.rows.change("UPDATE work SET due_at = now() + interval '1 hour'")
    return record
