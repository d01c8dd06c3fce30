"""What outside systems answer when they are unwell, or not asked by the right one."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts.ids import TenantId
from contracts.names import Table

if TYPE_CHECKING:
    from conftest import Team

    from chassis.process import Foundation


@pytest.fixture
async def linked(team: "Team") -> tuple[str, str]:
    """A Kunde who is in both, and in step: (Kundennummer, id of the Contact)."""
    return await _linked(team)


async def _linked(team: "Team") -> tuple[str, str]:
    number = await team.world.add_kunde(Nachname="Lindner")
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "html", "status": 500},
        {"kind": "html", "status": 200},
        {"kind": "status", "status": 200},
        {"kind": "garbage"},
        {"kind": "status", "status": 200, "body": {"Id": None}},
        {"kind": "status", "status": 429},
    ],
    ids=["html 500", "html 200", "nothing", "garbage", "no id", "429"],
)
@pytest.mark.parametrize("asked", [r"/kunden/\d+$", "/kontaktdaten$"])
async def test_ameise_answering_nonsense_is_asked_again(
    team: "Team", linked: tuple[str, str], answer: dict[str, Any], asked: str
) -> None:
    number, contact = linked
    await team.world.fault(**answer, path=asked, method="GET", times=1)
    await team.world.edit(contact, Last_Name="Geduld")
    await team.webhook(contact)
    await team.postponed("Ameise antwortet nicht")
    team.hurry()
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Geduld"


async def test_ameise_answering_only_after_we_gave_up_is_asked_again(
    team_of: "Callable[[TenantId], Awaitable[Team]]",
    sync_with: "Callable[..., AbstractAsyncContextManager[Foundation]]",
) -> None:
    async with sync_with(call_timeout=timedelta(seconds=0.3)):
        team = await team_of(TenantId("berlin"))
        await team.create_pipelines()
        number, contact = await _linked(team)
        await team.world.fault("latency", f"/kunden/{number}$", seconds=2, times=1)
        await team.world.edit(contact, Last_Name="Langsam")
        await team.webhook(contact)
        await team.postponed("Ameise antwortet nicht")
        assert await team.hurried() == []
        assert (await team.world.kunde(number))["Person"]["Nachname"] == "Langsam"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            403,
            {"code": "NO_PERMISSION", "message": "permission denied", "status": "error", "details": {}},
            "abgelehnt: der verbundene Zoho-Benutzer darf das nicht (NO_PERMISSION)",
        ),
        (
            400,
            {"code": "INVALID_MODULE", "message": "the module name given seems to be invalid",
             "status": "error", "details": {}},
            "abgelehnt: das Modul gibt es in Zoho nicht, oder nicht für den verbundenen Benutzer "
            "(INVALID_MODULE)",
        ),
        (
            401,
            {"code": "OAUTH_SCOPE_MISMATCH", "message": "invalid oauth scope", "status": "error",
             "details": {}},
            "abgelehnt: die Zoho-Verbindung ist älter als diese Berechtigung: bitte neu verbinden "
            "(OAUTH_SCOPE_MISMATCH)",
        ),
    ],
    ids=["no permission", "a module we may not read", "a scope we lack"],
)  # fmt: skip
async def test_what_zoho_does_not_let_us_read_is_parked_with_its_words(
    team: "Team", linked: tuple[str, str], status: int, body: dict[str, Any], reason: str
) -> None:
    _, contact = linked
    await team.world.fault("status", f"/crm/v8/Contacts/{contact}", status=status, body=body)
    await team.webhook(contact)
    [parked] = await team.idle()
    assert parked["reason"].startswith(reason)
    assert parked["words"] == body["message"]


async def test_what_zoho_does_not_let_us_write_is_parked_with_its_words(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    refusal = {"code": "NO_PERMISSION", "message": "permission denied to edit", "status": "error"}
    await team.world.fault("status", "/crm/v8/Contacts$", method="PUT", status=403, body=refusal)
    await team.world.edit_kunde(number, Beruf="Ärztin")
    await team.delivery([number])
    [parked] = await team.idle()
    assert (parked["cause"], parked["words"]) == ("refused_by_zoho", refusal["message"])
    await team.world.well_again()
    await team.retry(parked["id"])
    assert await team.idle() == []
    assert (await team.world.record(contact))["Beruf"] == "Ärztin"


@pytest.mark.parametrize(
    "body",
    [
        {"status": "error", "code": "INTERNAL_ERROR", "message": "Internal Server Error", "details": {}},
        {"data": "none"},
        {"data": [{"Last_Name": "ohne id"}]},
    ],
    ids=["an error", "no list", "no id"],
)
async def test_zoho_saying_200_with_something_else_is_asked_again(
    team: "Team", linked: tuple[str, str], body: dict[str, Any]
) -> None:
    number, contact = linked
    await team.world.fault("status", f"/crm/v8/Contacts/{contact}", status=200, body=body, times=1)
    await team.world.edit(contact, Last_Name="Nochmal")
    await team.webhook(contact)
    await team.postponed("Zoho antwortet nicht")
    team.hurry()
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Person"]["Nachname"] == "Nochmal"


async def test_a_wrong_number_of_results_belongs_to_no_record(team: "Team") -> None:
    for number in range(3):
        fields = {"nachname": f"N{number}", "juristische_person": False}
        team.ingest.put(Table.KUNDE, f"500{number}", fields)
    one = {"code": "SUCCESS", "status": "success", "message": "", "details": {"id": "1"}, "action": "insert"}
    await team.world.fault(
        "status", "/crm/v8/Contacts", method="POST", status=200, body={"data": [one]}, times=1
    )
    await team.chunk(Table.KUNDE, [f"500{number}" for number in range(3)])
    await team.postponed("Zoho antwortet nicht")
    assert all(link["zoho_id"] is None for link in team.rows.links())
    assert await team.hurried() == []
    assert len(await team.world.records()) == 3


async def test_a_207_is_judged_record_by_record(team: "Team") -> None:
    for number in range(4):
        beruf = "lang" * 100 if number % 2 else "Ärztin"
        fields = {"nachname": f"N{number}", "beruf": beruf, "juristische_person": False}
        team.ingest.put(Table.KUNDE, f"500{number}", fields)
    await team.chunk(Table.KUNDE, [f"500{number}" for number in range(4)])
    parked = await team.idle()
    assert sorted(row["object"] for row in parked) == ["5001", "5003"]
    statuses = {call["status"] for call in await team.world.calls("POST", "/crm/v8/Contacts")}
    assert statuses == {207}
    assert sorted(r["Kundennummer"] for r in await team.world.records()) == ["5000", "5002"]
