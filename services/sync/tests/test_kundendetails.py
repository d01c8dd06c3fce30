"""Individual fields of a Kunde (Kundendetails) travel like any other field, each by a call of its own."""

from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine

from contracts.names import Table
from contracts.problems import Invalid
from sync.definition_check import check_definition
from sync.mapping import FieldMapping, read_ameise
from sync.templates import NATUERLICHE_PERSON, VERTRAG
from sync.values import UNKNOWN

if TYPE_CHECKING:
    from conftest import Team

HOBBY = {"ameise": "hobby", "zoho": "Beruf", "detail": {"field": "1", "name": "Hobby"}}
KINDER = {"ameise": "kinder", "zoho": "Titel", "detail": {"field": "4", "name": "Kinder"}}


@pytest.fixture
async def linked(team: "Team") -> tuple[str, str]:
    """A Kunde with a Hobby who is in both, and in step: (Kundennummer, id of the Contact)."""
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    others = [m for m in fields if m["ameise"] not in {"beruf", "titel"}]
    await redefine(team, fields=[*others, HOBBY, KINDER])
    number = await team.world.add_kunde(Nachname="Segler")
    await team.world.edit_detail(number, "1", "Segeln")
    await team.delivery([number])
    assert await team.idle() == []
    contact = await team.world.contact_of(number)
    assert contact is not None
    return number, contact["id"]


async def test_a_delivery_brings_them_to_zoho(team: "Team", linked: tuple[str, str]) -> None:
    record = await team.world.record(linked[1])
    assert (record["Beruf"], record["Titel"]) == ("Segeln", None)


async def test_a_field_that_was_renamed_in_ameise_empties_nothing_and_one_that_is_empty_does(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    erasing = [m | {"blank": "erase"} if m["ameise"] == "hobby" else m for m in fields]
    await redefine(team, fields=erasing)
    before = team.ingest.objects[Table.KUNDE, number].fields
    for details, ort, beruf in (
        ({"Freizeit": "Segeln"}, "Kiel", "Segeln"),
        ({"Hobby": None}, "Bonn", None),
    ):
        team.ingest.put(Table.KUNDE, number, {**before, "ort": ort, "details": details})
        await team.chunk(Table.KUNDE, [number])
        assert await team.idle() == []
        record = await team.world.record(contact)
        assert (record["Mailing_City"], record["Beruf"]) == (ort, beruf)


async def test_only_what_changed_is_written_and_each_is_read_once(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    before = len(await team.world.calls("PUT", "/details/"))
    await team.world.edit(contact, Titel="2")
    await team.webhook(contact)
    assert await team.idle() == []
    assert (await team.world.kunde(number))["Details"] == {"1": "Segeln", "4": "2"}
    assert len(await team.world.calls("PUT", "/details/")) - before == 1
    # Each that is mapped is read once, and what was written is read back.
    reads = await team.world.calls("GET", "/details/")
    assert sorted(call["path"].rsplit("/", 1)[1] for call in reads) == ["1", "4", "4"]
    [told] = team.rows.events("written_to_ameise")
    assert told["data"]["object"]["fields"] == ["kinder"]


async def test_an_older_delivery_does_not_take_back_what_was_written(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    old = team.ingest.objects[Table.KUNDE, number]
    await team.world.edit(contact, Beruf="Rudern")
    await team.webhook(contact)
    assert await team.idle() == []
    team.ingest.put(Table.KUNDE, number, {**old.fields, "ort": "Kiel"}, as_of=old.as_of)
    await team.chunk(Table.KUNDE, [number])
    assert await team.idle() == []
    assert (await team.world.record(contact))["Beruf"] == "Rudern"
    assert (await team.world.kunde(number))["Details"]["1"] == "Rudern"


async def test_a_field_that_ameise_does_not_know_changes_nothing(
    team: "Team", linked: tuple[str, str]
) -> None:
    number, contact = linked
    await team.world.fault("status", "/details/1$", method="GET", status=404)
    await team.world.edit(contact, Beruf="Rudern", Mailing_City="Kiel")
    await team.webhook(contact)
    assert await team.idle() == []
    kunde = await team.world.kunde(number)
    assert (kunde["Details"]["1"], kunde["Adressen"][0]["Ort"]) == ("Segeln", "Kiel")


async def test_a_new_kunde_gets_them(team: "Team", linked: tuple[str, str]) -> None:
    new = {"Salutation": "Frau", "First_Name": "Neu", "Last_Name": "Hier", "Beruf": "Klettern"}
    record = await team.world.add(**new)
    await team.webhook(record)
    assert await team.idle() == []
    number = (await team.world.record(record))["Kundennummer"]
    assert number != linked[0]
    assert (await team.world.kunde(number))["Details"] == {"1": "Klettern"}


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"details": {"Kinder": "2.0"}}, "2"),
        ({"details": {"Kinder": None}}, None),
        ({"details": {"Hobby": "x"}}, UNKNOWN),
        ({"details": {"Kinder": UNKNOWN}}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_only_what_is_told_to_be_empty_is_and_what_was_not_told_is_unknown(
    fields: dict[str, Any], value: object
) -> None:
    assert read_ameise(FieldMapping.model_validate(KINDER | {"converter": "number"}), fields) == value


def test_only_a_kunde_has_them_and_each_is_read_for_itself() -> None:
    both = NATUERLICHE_PERSON.model_dump()
    both["fields"] = [m for m in both["fields"] if m["zoho"] != HOBBY["zoho"]]
    joined = HOBBY | {"way": "to_zoho", "converter": "join", "parts": ["beruf"]}
    check_definition(
        Table.KUNDE, NATUERLICHE_PERSON.model_validate(both | {"fields": [*both["fields"], HOBBY]})
    )
    with pytest.raises(Invalid, match="hobby: ein Kundendetail wird für sich gelesen"):
        check_definition(
            Table.KUNDE, NATUERLICHE_PERSON.model_validate(both | {"fields": [*both["fields"], joined]})
        )
    of_vertrag = VERTRAG.model_dump()
    with pytest.raises(Invalid, match="hobby: Kundendetails gibt es nur bei Kunden"):
        check_definition(
            Table.VERTRAG,
            VERTRAG.model_validate(
                of_vertrag | {"fields": [*of_vertrag["fields"], HOBBY | {"way": "to_zoho"}]}
            ),
        )
