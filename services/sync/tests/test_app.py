"""sync as a whole, between real NATS, PostgreSQL and the stand-ins of Zoho and Ameise."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Team


async def test_kunden_and_vertraege_of_a_delivery_appear_in_zoho(team: "Team") -> None:
    kunden = await team.world.seed(30, 90)
    await team.delivery(kunden)
    assert await team.idle() == []
    contacts = {record["Kundennummer"]: record for record in await team.world.records("Contacts")}
    accounts = {record["Kundennummer"]: record for record in await team.world.records("Accounts")}
    assert sorted([*contacts, *accounts]) == kunden
    vertraege = await team.world.records("Vertraege")
    assert len(vertraege) == 90
    for vertrag in vertraege:
        owner = team.ingest.objects["vertrag", vertrag["Vertragsnummer"]].fields["kunde_id"]
        lookup, records = ("Kunde", contacts) if owner in contacts else ("Firma", accounts)
        assert vertrag[lookup]["id"] == records[owner]["id"]
    told = [event["data"] for event in team.rows.events("written_to_zoho")]
    written = [o["zoho_id"] for data in told for o in data.get("objects") or [data]]
    made = [*contacts.values(), *accounts.values(), *vertraege]
    assert sorted(written) == sorted(record["id"] for record in made)


async def test_a_change_in_zoho_is_in_ameise(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Weiß", kontakt={"email": "max@example.org"})
    await team.delivery([number])
    await team.idle()
    contact = await team.world.contact_of(number)
    assert contact is not None
    await team.world.edit(contact["id"], Last_Name="Weiß-Groß", Email="neu@example.org", Mailing_City="Köln")
    await team.webhook(contact["id"])
    assert await team.idle() == []
    kunde = await team.world.kunde(number)
    assert kunde["Person"]["Nachname"] == "Weiß-Groß"
    assert kunde["Adressen"][0]["Ort"] == "Köln"
    assert await team.world.kontakt(number, "email") == "neu@example.org"
    [told] = team.rows.events("written_to_ameise")
    assert told["data"]["object"]["fields"] == ["email", "nachname", "ort"]


async def test_a_contact_without_kundennummer_becomes_a_kunde_and_learns_its_numbers(team: "Team") -> None:
    record = await team.world.add(
        Salutation="Frau", First_Name="Änne", Last_Name="Groß", Email="aenne@example.org",
        Date_of_Birth="1980-01-02", Mailing_Street="Ring 1", Mailing_Zip="04109", Mailing_City="Leipzig",
    )  # fmt: skip
    await team.webhook(record)
    assert await team.idle() == []
    contact = await team.world.record(record)
    kunde = await team.world.kunde(contact["Kundennummer"])
    assert kunde["Person"]["Nachname"] == "Groß"
    assert kunde["Adressen"][0]["Land"] == "DE"
    assert await team.world.kontakt(kunde["Id"], "email") == "aenne@example.org"
    assert contact["simplr_Benutzername"] == kunde["Benutzername"]
    assert contact["Ameise_Link"].endswith(f"kunde={kunde['Id']}")
    assert [event["type"] for event in team.rows.events()][1:] == [
        "written_to_ameise",
        "numbers_written_back",
    ]

    await team.webhook(record)
    await team.idle()
    assert team.rows.events()[-1]["type"] == "already_equal"
    assert await team.world.erstanlagen() == 1


async def test_new_pipelines_ask_ingest_for_what_is_stored_until_they_have_judged_something(
    team: "Team",
) -> None:
    assert team.ingest.asked_again == [("kunde", "vertrag")]
    await team.create_pipelines()
    assert len(team.ingest.asked_again) == 2
    await team.delivery(await team.world.seed(3, 3))
    await team.idle()
    await team.create_pipelines()
    assert len(team.ingest.asked_again) == 2
