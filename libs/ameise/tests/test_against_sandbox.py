"""The client against the stand-in of Ameise, over HTTP."""

import uuid
from collections.abc import Callable

import httpx
import pytest

from ameise import Adresse, AmeiseClient, Kontaktdatum, Liste, Person
from vendor import Rejected, Timeouts, Unavailable

HOME = {"Strasse": "Hafenweg 1", "Postleitzahl": "01067", "Ort": "Dresden", "Land": "DE"}


@pytest.fixture
def anna() -> dict[str, object]:
    """A Kundin to be created, with a name that no other test has."""
    nachname = f"Müller-{uuid.uuid4().hex[:12]}"
    person = Person(anrede="2", vorname="Anna", nachname=nachname, geburtsdatum="1980-01-02")
    return {"Person": person.wire(), "Hauptwohnsitz": HOME}


async def test_the_mitarbeiter_and_his_vermittler_introduce_themselves(ameise: AmeiseClient) -> None:
    mitarbeiter = await ameise.get_mitarbeiter()
    assert (mitarbeiter.id, mitarbeiter.vermittler) == ("DEMO01_1", "DEMO01")
    assert (await ameise.get_vermittler("DEMO01")).id == "DEMO01"


async def test_a_vermittler_out_of_sight_is_rejected_with_404(ameise: AmeiseClient) -> None:
    with pytest.raises(Rejected) as caught:
        await ameise.get_vermittler("OTHER1")
    assert caught.value.status == 404
    assert caught.value.words == "HTTP Status 404 The server could not process the request."


async def test_a_kunde_lives(ameise: AmeiseClient, anna: dict[str, object]) -> None:
    created = await ameise.create_kunde(anna, mitteilung_benutzername=False)
    assert created.benutzername

    await ameise.update_kunde(created.id, {"Person": {"Beruf": "Tischlerin"}})
    kunde = await ameise.get_kunde(created.id)
    assert (kunde.person.vorname, kunde.person.beruf) == ("Anna", "Tischlerin")
    assert kunde.hauptwohnsitz is not None
    assert kunde.hauptwohnsitz.postleitzahl == "01067"

    home_id = kunde.hauptwohnsitz.id
    assert home_id is not None
    await ameise.update_adresse(created.id, home_id, Adresse(ort="Görlitz", postleitzahl="02826"))
    moved = (await ameise.get_kunde(created.id)).hauptwohnsitz
    assert moved is not None
    assert (moved.strasse, moved.ort) == ("Hafenweg 1", "Görlitz")


async def test_adressen_come_and_go(ameise: AmeiseClient, anna: dict[str, object]) -> None:
    kunde = (await ameise.create_kunde(anna)).id
    adresse = await ameise.create_adresse(kunde, {**HOME, "Typ": "postanschrift"})
    assert adresse is not None
    assert adresse in {found.id for found in await ameise.list_adressen(kunde)}
    await ameise.delete_adresse(kunde, adresse)
    assert adresse not in {found.id for found in await ameise.list_adressen(kunde)}


async def test_kontaktdaten_come_change_and_go(ameise: AmeiseClient, anna: dict[str, object]) -> None:
    kunde = (await ameise.create_kunde(anna)).id
    mail = Kontaktdatum(typ="email", kontext="private", value="anna@example.org", standard=True)
    kontakt = await ameise.create_kontaktdatum(kunde, mail)
    assert kontakt is not None
    await ameise.update_kontaktdatum(kunde, kontakt, Kontaktdatum(value="a.neu@example.org"))
    (found,) = await ameise.list_kontaktdaten(kunde)
    assert (found.typ, found.value, found.standard) == ("email", "a.neu@example.org", True)
    await ameise.delete_kontaktdatum(kunde, kontakt)
    assert await ameise.list_kontaktdaten(kunde) == []


async def test_a_kunde_is_found_by_name_mail_and_text(ameise: AmeiseClient, anna: dict[str, object]) -> None:
    person = Person.model_validate(anna["Person"])
    assert person.nachname is not None
    kunde = (await ameise.create_kunde(anna)).id
    mail = f"{kunde}@example.org"
    await ameise.create_kontaktdatum(kunde, Kontaktdatum(typ="email", value=mail))

    by_name = await ameise.search_kunden_by_name(
        vorname="Anna", nachname=person.nachname, geburtsdatum="1980-01-02"
    )
    assert [found.id for found in by_name] == [kunde]
    assert [found.id for found in await ameise.search_kunden_by_mail(mail)] == [kunde]
    assert kunde in {found.id for found in await ameise.search_kunden(kunde)}
    assert await ameise.search_kunden_by_mail("niemand@example.org") == []


async def test_a_vertrag_is_created_and_read(ameise: AmeiseClient, anna: dict[str, object]) -> None:
    kunde = (await ameise.create_kunde(anna)).id
    code = {liste: (await ameise.list_entries(liste))[0].value for liste in Liste}
    created = await ameise.create_vertrag(
        {
            "Kunde": kunde,
            "Gesellschaft": code[Liste.GESELLSCHAFTEN],
            "Sparte": code[Liste.SPARTEN],
            "Status": code[Liste.VERTRAGSSTATUS],
            "Risiko": "Wohngebäude",
            "Versicherungsscheinnummer": "0012-345",
            "Beitrag": {"Netto": "123.45", "Zahlweise": code[Liste.ZAHLWEISEN]},
            "Laufzeit": {"Beginn": "2026-01-01"},
        }
    )
    vertrag = await ameise.get_vertrag(created.id)
    assert (vertrag.versicherungsscheinnummer, vertrag.beitrag.netto) == ("0012-345", "123.45")
    assert vertrag.laufzeit.ablauf is None
    assert [found.id for found in await ameise.list_vertraege(kunde)] == [created.id]


async def test_lists_keep_leading_zeros_and_mark_legal_persons(ameise: AmeiseClient) -> None:
    assert "050" in {entry.value for entry in await ameise.list_entries(Liste.SPARTEN)}
    anreden = {entry.text: entry.juristische_person for entry in await ameise.list_entries(Liste.ANREDEN)}
    assert (anreden["Firma"], anreden["Frau"]) == (True, False)


async def test_the_users_fault_is_told_in_ameises_words(ameise: AmeiseClient) -> None:
    with pytest.raises(Rejected) as caught:
        await ameise.create_kunde({"Person": {"Anrede": "2", "Vorname": "Anna"}})
    assert caught.value.status == 400
    assert "Nachname" in caught.value.words


async def test_a_page_in_place_of_a_creation_leaves_its_outcome_unknown(
    ameise: AmeiseClient, anna: dict[str, object], sandbox: str, http: httpx.AsyncClient
) -> None:
    await ameise.get_mitarbeiter()  # the token is exchanged before the fault waits
    fault = {"vendor": "ameise", "method": "POST", "path_pattern": "/kunden$", "kind": "html", "times": 1}
    await http.put(f"{sandbox}/sandbox/faults", json=fault)
    with pytest.raises(Unavailable) as caught:
        await ameise.create_kunde(anna)
    assert caught.value.outcome_unknown


async def test_a_kunde_created_in_silence_can_be_found(
    ameise_at_sandbox: Callable[..., AmeiseClient],
    anna: dict[str, object],
    sandbox: str,
    http: httpx.AsyncClient,
) -> None:
    impatient = ameise_at_sandbox(timeouts=Timeouts(read=1))
    await impatient.get_mitarbeiter()  # the token is exchanged before the fault waits
    fault = {
        "vendor": "ameise",
        "method": "POST",
        "path_pattern": "/kunden$",
        "kind": "timeout_after_write",
        "seconds": 2,
        "times": 1,
    }
    await http.put(f"{sandbox}/sandbox/faults", json=fault)

    with pytest.raises(Unavailable) as caught:
        await impatient.create_kunde(anna)

    assert caught.value.outcome_unknown
    person = Person.model_validate(anna["Person"])
    found = await impatient.search_kunden_by_name(
        vorname="Anna", nachname=person.nachname or "", geburtsdatum="1980-01-02"
    )
    assert len(found) == 1
