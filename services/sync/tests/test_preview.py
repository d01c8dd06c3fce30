"""What would be written to which side, and why: as the work decides it, with nothing sent or stored."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import AmeiseKey, PipelineId, ZohoId
from contracts.names import Table
from contracts.problems import Forbidden, NotFound, Unavailable
from contracts.rpc.sync_preview import (
    PREVIEW,
    FieldPreview,
    Finding,
    Foreseen,
    ObjectPreview,
    PreviewRequest,
)
from contracts.rpc.sync_state import SeenValue

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "vorname": "Anna", "juristische_person": False}
AFTERWARDS = "danach wird der Zoho-Datensatz mit dem verglichen, was Ameise dann sagt"
ANNA = {"Salutation": "Frau", "First_Name": "Anna", "Last_Name": "Groß"}


async def preview(
    team: "Team",
    *,
    key: str | None = None,
    record: str | None = None,
    module: str = "Contacts",
    role: Role = Role.ADMIN,
) -> tuple[ObjectPreview, ...]:
    request = PreviewRequest(
        pipeline=team.pipelines[module].id,
        key=AmeiseKey(key) if key else None,
        zoho_id=ZohoId(record) if record else None,
    )
    return (await RpcClient(team.client).call(PREVIEW, request, actor=team.actor(role))).objects


def put(team: "Team", key: str, *, gone: bool = False, **fields: Any) -> None:
    team.ingest.put(Table.KUNDE, key, GROSS | fields, gone=gone)


def field_of(shown: ObjectPreview, ameise: str) -> FieldPreview:
    return next(f for f in shown.fields if f.ameise == ameise)


def known(value: Any) -> SeenValue:
    return SeenValue(known=True, value=value)


async def linked(team: "Team", **fields: Any) -> tuple[str, str]:
    """A Kunde who is in both, and in step: (Kundennummer, id of the Contact)."""
    number = await team.world.add_kunde(Nachname="Groß", Vorname="Anna", **fields)
    await team.delivery([number])
    assert await team.idle() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


async def test_what_a_delivery_would_make_is_shown_and_nothing_is_made(team: "Team") -> None:
    put(team, "5001", beruf=None)
    [shown] = await preview(team, key="5001")
    assert (shown.key, shown.zoho_id, shown.foreseen) == ("5001", None, Foreseen.CREATE_RECORD)
    name = field_of(shown, "nachname")
    assert (name.finding, name.to_zoho, name.to_ameise) == (Finding.AMEISE_CHANGED, known("Groß"), None)
    assert field_of(shown, "beruf").to_zoho is None
    assert await team.world.records() == []
    assert (team.rows.links(), team.rows.work(), team.rows.events("written_to_zoho")) == ([], [], [])
    await team.chunk(Table.KUNDE, ["5001"])
    assert await team.idle() == []
    [record] = await team.world.records()
    foreseen = {f.zoho: f.to_zoho.value for f in shown.fields if f.to_zoho} | shown.besides
    mapped = {f.zoho for f in shown.fields}
    assert foreseen == {name: value for name, value in record.items() if name in mapped and value is not None}
    assert (await preview(team, key="5001"))[0].foreseen is Foreseen.UNCHANGED


@pytest.mark.parametrize("side", ["key", "record"])
async def test_both_sides_of_a_link_are_shown_field_by_field_with_the_reason(team: "Team", side: str) -> None:
    number, record = await linked(team, Beruf="Ärztin")
    await team.world.edit_kunde(number, Beruf="Ärztin in A", Titel="Dr.")
    await team.ingest.store([number])
    await team.world.edit(record, Beruf="Ärztin in Z", Mailing_City="Bonn")
    before = (team.rows.links(), team.rows.work(), len(team.rows.events()))
    [shown] = await preview(team, **{side: {"key": number, "record": record}[side]})
    assert (shown.key, shown.zoho_id, shown.foreseen) == (number, record, Foreseen.UPDATE)
    beruf, titel, ort = (field_of(shown, name) for name in ("beruf", "titel", "ort"))
    assert (beruf.finding, beruf.to_zoho) == (Finding.CONFLICT_TO_ZOHO, known("Ärztin in A"))
    assert (beruf.ameise_now, beruf.zoho_now) == (known("Ärztin in A"), known("Ärztin in Z"))
    assert (titel.finding, titel.to_zoho, titel.to_ameise) == (Finding.AMEISE_CHANGED, known("Dr."), None)
    assert (ort.finding, ort.to_zoho, ort.to_ameise) == (Finding.ZOHO_CHANGED, None, known("Bonn"))
    assert field_of(shown, "nachname").finding is Finding.UNCHANGED
    assert (team.rows.links(), team.rows.work(), len(team.rows.events())) == before
    assert await team.world.calls("PUT", f"/kunden/{number}") == []


async def an_older_delivery(team: "Team", number: str, moment: datetime) -> None:
    shown = team.ingest.objects[Table.KUNDE, number].fields
    team.ingest.put(Table.KUNDE, number, shown, as_of=moment - timedelta(seconds=1))


async def test_what_a_delivery_is_too_old_to_change_is_said_to_be_looked_at(team: "Team") -> None:
    number, record = await linked(team)
    began = datetime.now(UTC)
    await team.world.edit(record, Titel="Dr.")
    await team.webhook(record)
    assert await team.idle() == []
    await an_older_delivery(team, number, began)
    [shown] = await preview(team, key=number)
    assert (shown.foreseen, shown.reason) == (Foreseen.UNCHANGED, AFTERWARDS)
    titel = field_of(shown, "titel")
    assert (titel.finding, titel.ameise_now.known, titel.to_zoho) == (Finding.OLDER, False, None)
    assert field_of(shown, "nachname").finding is Finding.UNCHANGED
    await redefine(team, zoho_rule={"field": "Titel", "compare": "not_equals", "value": "Dr."})
    [left_out] = await preview(team, key=number)
    assert (field_of(left_out, "titel").finding, left_out.reason) == (Finding.OLDER, None)


@pytest.mark.parametrize(
    ("decision", "finding"),
    [
        (None, Finding.STILL_ASKED),
        ("ameise", Finding.DECIDED_TO_ZOHO),
        ("zoho", Finding.DECIDED_TO_AMEISE),
    ],
)
async def test_what_a_person_decided_is_shown_also_if_the_delivery_is_older(
    team: "Team", decision: str | None, finding: Finding
) -> None:
    await redefine(team, policy="ask")
    number, record = await linked(team, Beruf="Ärztin")
    began = datetime.now(UTC)
    await team.world.edit_kunde(number, Beruf="Ärztin in A")
    await team.world.edit(record, Beruf="Ärztin in Z")
    await team.webhook(record)
    assert await team.idle() == []
    asked = {"ameise": "Ärztin in A", "zoho": "Ärztin in Z", "decision": decision}
    asked["since"] = datetime.now(UTC).isoformat()
    # Decided, and the work that comes of it is not done yet.
    team.rows.change(
        f'UPDATE link SET written = \'{{"beruf": "{asked["since"]}"}}\', '
        f"asked = '{json.dumps({'beruf': asked})}'"
    )
    await an_older_delivery(team, number, began)
    [shown] = await preview(team, key=number)
    assert (field_of(shown, "beruf").finding, shown.reason) == (finding, AFTERWARDS)
    [of_record] = await preview(team, record=record)
    assert field_of(of_record, "beruf").finding is not finding or decision is None


async def test_an_erstanlage_is_foreseen_with_what_ameise_would_be_told(team: "Team") -> None:
    await redefine(team, new_kunde={"land_id": "DE", "vermittler_id": team.world.haupt})
    record = await team.world.add(**ANNA)
    [shown] = await preview(team, record=record)
    assert (shown.key, shown.foreseen) == (None, Foreseen.CREATE_KUNDE)
    assert field_of(shown, "nachname").to_ameise == known("Groß")
    assert field_of(shown, "land_id").to_ameise == known("DE")
    number = field_of(shown, "ameise_id")
    assert (number.finding, number.ameise_now.known) == (Finding.UNKNOWN, False)
    assert await team.world.erstanlagen() == 0
    assert team.rows.select("SELECT * FROM intent") == []


async def test_a_kunde_who_is_there_would_be_adopted_and_one_who_may_be_needs_a_person(team: "Team") -> None:
    number = await team.world.add_kunde(
        Nachname="Groß", Vorname="Anna", Geburtsdatum="1980-01-02", Titel="Dr."
    )
    [sure] = await preview(team, record=await team.world.add(**ANNA, Date_of_Birth="1980-01-02"))
    assert (sure.key, sure.foreseen) == (number, Foreseen.UPDATE)
    assert field_of(sure, "ameise_id").to_zoho == known(number)
    [unsure] = await preview(team, record=await team.world.add(**ANNA))
    assert (unsure.foreseen, unsure.reason) == (Foreseen.PARKED, f"unklar: könnte Kunde {number} sein")


async def test_what_would_be_left_out_or_parked_says_why(team: "Team") -> None:
    await redefine(
        team,
        ameise_rule={"field": "plz", "compare": "begins_with", "value": "1"},
        zoho_rule={"field": "Beruf", "compare": "not_equals", "value": "Test"},
    )
    put(team, "5001", plz="20095")
    put(team, "5002")
    put(team, "5003", plz="10115", beruf="lang" * 100, email="keine")
    found = {key: (await preview(team, key=key))[0] for key in ("5001", "5002", "5003", "5004")}
    assert (found["5001"].foreseen, found["5001"].reason) == (
        Foreseen.EXCLUDED,
        "die Auswahlregel nimmt das Objekt aus",
    )
    assert {found[key].foreseen for key in ("5002", "5003", "5004")} == {Foreseen.PARKED}
    assert (found["5002"].reason or "").startswith("unklar: die Auswahlregel")
    assert (found["5003"].reason or "").startswith("abgelehnt: Email")
    assert found["5004"].reason == "abgelehnt: Kunde 5004 war in keiner Lieferung"
    [test] = await preview(team, record=await team.world.add(**ANNA, Beruf="Test"))
    assert test.foreseen is Foreseen.EXCLUDED


async def test_what_ameise_would_refuse_is_parked_in_words(team: "Team") -> None:
    _number, record = await linked(team)
    await team.world.edit(record, Mailing_Country="Atlantis")
    [shown] = await preview(team, record=record)
    assert (shown.foreseen, shown.reason) == (Foreseen.PARKED, "abgelehnt: Land gibt es in Ameise nicht")


async def test_an_object_that_is_gone_would_be_marked(team: "Team") -> None:
    mapped = (await definition_of(team, "Contacts")).fields
    without_titel = tuple(field for field in mapped if field.ameise != "titel")
    await redefine(team, fields=without_titel, vanished={"field": "Titel", "gone": "entfallen"})
    put(team, "5001")
    await team.chunk(Table.KUNDE, ["5001"])
    await team.idle()
    put(team, "5001", gone=True)
    [shown] = await preview(team, key="5001")
    assert (shown.foreseen, shown.besides, shown.fields) == (Foreseen.GONE, {"Titel": "entfallen"}, ())


async def test_a_deleted_record_is_said_to_be_gone(team: "Team") -> None:
    number, record = await linked(team)
    await team.world.delete(record)
    for [shown] in (await preview(team, key=number), await preview(team, record=record)):
        assert (shown.zoho_id, shown.foreseen) == (record, Foreseen.GONE_IN_ZOHO)


async def test_a_vertrag_waits_for_its_kunde(team: "Team") -> None:
    put(team, "5001")
    team.ingest.put(Table.VERTRAG, "77001", {"ameise_id": "77001", "kunde_id": "5001", "sparte": "PKW"})
    [shown] = await preview(team, key="77001", module="Vertraege")
    assert (shown.foreseen, shown.reason) == (Foreseen.WAITS, "wartet auf Kunde 5001")


async def test_ten_at_random_are_different_ones_that_are_there(team: "Team") -> None:
    assert await preview(team) == ()
    for number in range(30):
        put(team, f"{5000 + number}", gone=number >= 15)
    shown = await preview(team)
    assert len({one.key for one in shown}) == 10
    assert all(int(one.key or 0) < 5015 for one in shown)
    assert {one.foreseen for one in shown} == {Foreseen.CREATE_RECORD}


async def test_the_side_that_a_pipeline_does_not_listen_to_is_found_by_its_link(team: "Team") -> None:
    number, record = await linked(team)
    await redefine(team, direction="to_ameise")
    await team.world.edit(record, Titel="Dr.")
    for [shown] in (await preview(team, key=number), await preview(team)):
        assert (shown.zoho_id, field_of(shown, "titel").to_ameise) == (record, known("Dr."))
    put(team, "5001")
    with pytest.raises(NotFound, match="keine Verknüpfung"):
        await preview(team, key="5001")


async def test_who_may_not_look_and_what_cannot_be_looked_at(team: "Team") -> None:
    with pytest.raises(Forbidden):
        await preview(team, role=Role.USER)
    with pytest.raises(NotFound, match="keine Pipeline"):
        await RpcClient(team.client).call(
            PREVIEW, PreviewRequest(pipeline=PipelineId("99")), actor=team.actor()
        )
    _number, record = await linked(team)
    await team.world.fault("status", "/crm/v8/Contacts", method="GET", status=500, times=20)
    with pytest.raises(Unavailable, match="Zoho antwortet zurzeit nicht"):
        await preview(team, record=record)


async def test_why_an_outside_system_is_not_asked_now_is_said(team: "Team") -> None:
    _number, record = await linked(team)
    await team.world.fault("status", "/crm/v8/Contacts", method="GET", status=429)
    with pytest.raises(Unavailable):
        await preview(team, record=record)
    with pytest.raises(Unavailable, match="Zoho bat um eine Pause"):
        await preview(team, record=record)
