"""The MitarbeiterWebservice."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

ANNA = {
    "Person": {"Anrede": "2", "Vorname": " Anna ", "Nachname": "Müller", "Geburtsdatum": "1980-01-02"},
    "Hauptwohnsitz": {"Strasse": "Elbweg 1", "Postleitzahl": "01067", "Ort": "Dresden", "Land": "DE"},
}


@pytest.fixture
async def anna(ameise: Any) -> str:
    """The Kundennummer of a new Kunde."""
    return (await ameise.call("POST", "kunden", json=ANNA)).json()["Id"]


async def test_a_new_kunde_gets_number_and_user_name(ameise: Any) -> None:
    answer = await ameise.call("POST", "kunden", json=ANNA)

    assert answer.status_code == 200
    assert set(answer.json()) == {"Id", "Benutzername"}
    assert len(answer.json()["Id"]) == 10
    assert answer.json()["Id"].startswith("5")


async def test_a_kunde_is_read_with_person_and_hauptwohnsitz(ameise: Any, anna: str) -> None:
    kunde = (await ameise.call("GET", f"kunden/{anna}")).json()

    assert (kunde["Text"], kunde["Vermittler"]) == ("Müller, Anna", "DEMO01")
    assert kunde["Person"]["Vorname"] == "Anna"
    assert kunde["Person"]["Beruf"] is None
    assert kunde["Hauptwohnsitz"]["Postleitzahl"] == "01067"
    assert kunde["Hauptwohnsitz"]["Typ"] == "hauptwohnsitz"


async def test_put_changes_only_what_is_given(ameise: Any, anna: str) -> None:
    before = (await ameise.call("GET", f"kunden/{anna}")).json()

    after = (await ameise.call("PUT", f"kunden/{anna}", json={"Person": {"Beruf": "Ärztin"}})).json()

    assert after == {**before, "Person": {**before["Person"], "Beruf": "Ärztin"}}


async def test_the_hauptwohnsitz_changes_through_its_adresse(ameise: Any, anna: str) -> None:
    [adresse] = (await ameise.call("GET", f"kunden/{anna}/adressen")).json()

    await ameise.call("PUT", f"kunden/{anna}/adressen/{adresse['Id']}", json={"Ort": "Leipzig"})

    kunde = (await ameise.call("GET", f"kunden/{anna}")).json()
    assert kunde["Hauptwohnsitz"] == {**adresse, "Ort": "Leipzig"}
    gone = await ameise.call("DELETE", f"kunden/{anna}/adressen/{adresse['Id']}")
    assert gone.status_code == 400


async def test_kontaktdaten_come_change_and_go(ameise: Any, anna: str) -> None:
    path = f"kunden/{anna}/kontaktdaten"
    first = (await ameise.call("POST", path, json={"Typ": "email", "Value": "a@example.org"})).json()
    await ameise.call("POST", path, json={"Typ": "email", "Value": "b@example.org", "Standard": True})
    await ameise.call("PUT", f"{path}/{first['Id']}", json={"Value": " c@example.org "})

    listed = (await ameise.call("GET", path)).json()
    assert [(item["Value"], item["Standard"]) for item in listed] == [
        ("c@example.org", False),
        ("b@example.org", True),
    ]
    assert (await ameise.call("DELETE", f"{path}/{first['Id']}")).status_code == 204
    assert len((await ameise.call("GET", path)).json()) == 1
    assert (await ameise.call("DELETE", f"{path}/{first['Id']}")).status_code == 404


async def test_individual_fields(ameise: Any, anna: str) -> None:
    assert (await ameise.call("GET", f"kunden/{anna}/details/1")).json()["Value"] is None
    await ameise.call("PUT", f"kunden/{anna}/details/1", json={"Value": "Segeln"})
    assert (await ameise.call("GET", f"kunden/{anna}/details/1")).json()["Value"] == "Segeln"
    assert (await ameise.call("GET", f"kunden/{anna}/details/99")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"mail": "ANNA@example.org"},
        {"vorname": "Anna", "nachname": "müller", "geburtsdatum": "1980-01-02"},
        {"q": "müll anna"},
        {"q": "anna@example.org"},
    ],
)
async def test_search_finds_by_mail_name_and_words(ameise: Any, anna: str, query: dict[str, str]) -> None:
    await ameise.call(
        "POST", f"kunden/{anna}/kontaktdaten", json={"Typ": "email", "Value": "anna@example.org"}
    )
    await ameise.call(
        "POST", "kunden", json={"Person": {"Anrede": "2", "Vorname": "Anna", "Nachname": "Groß"}}
    )

    posted = (await ameise.call("POST", "kunden/_search", json=query)).json()

    assert [kunde["Id"] for kunde in posted] == [anna]
    if "q" in query:
        assert (await ameise.call("GET", "kunden/_search", params=query)).json() == posted


async def test_search_pages(ameise: Any) -> None:
    for _ in range(3):
        await ameise.call("POST", "kunden", json=ANNA)

    page = (
        await ameise.call("GET", "kunden/_search", params={"q": "müller", "from": "1", "size": "1"})
    ).json()

    assert len(page) == 1


async def test_vertraege_are_added_and_read_but_not_changed(ameise: Any, anna: str) -> None:
    vertrag = {
        "Kunde": int(anna),
        "Gesellschaft": "10330",
        "Sparte": "050",
        "Status": "F",
        "Beitrag": {"Netto": 123.4, "Zahlweise": 1},
        "Laufzeit": {"Beginn": "2020-01-01"},
        "Versicherungsscheinnummer": "VS-1",
    }
    made = (await ameise.call("POST", "vertraege", json=vertrag)).json()

    assert (await ameise.call("GET", f"vertraege/{made['Id']}")).json() == made
    assert made["Beitrag"] == {"Netto": "123.40", "Zahlweise": "1"}
    assert made["Uri"].endswith(f"/DEMO01_1/vertraege/{made['Id']}")
    assert (await ameise.call("GET", f"kunden/{anna}/vertraege")).json() == [made]
    assert (await ameise.call("GET", "vertraege")).json() == [made]
    assert (await ameise.call("PUT", f"vertraege/{made['Id']}", json=made)).status_code == 405


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("kunden", {"Person": {"Anrede": "2"}}, "Nachname ist ein Pflichtfeld."),
        ("kunden", {"Person": {"Anrede": "9", "Nachname": "X"}}, "Anrede „9“ ist nicht bekannt."),
        (
            "kunden",
            {"Person": {"Anrede": "1", "Nachname": "X", "Geburtsdatum": "2.1.80"}},
            "kein gültiges Datum",
        ),
        ("vertraege", {"Kunde": "5999999999"}, "Der Kunde ist nicht bekannt."),
    ],
)
async def test_the_users_fault_comes_as_meldungen(ameise: Any, path: str, body: Any, words: str) -> None:
    answer = await ameise.call("POST", path, json=body)

    assert answer.status_code == 400
    assert words in answer.json()["Meldungen"][0]["Text"]


async def test_a_foreign_vermittler_draws_an_html_page(
    ameise: Any, connect_ameise: Callable[..., Any]
) -> None:
    await connect_ameise("ANDERE_1")

    answer = await ameise.call("POST", "kunden", json={**ANNA, "Vermittler": "ANDERE"})

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert (await ameise.call("GET", "vermittler/ANDERE")).status_code == 404
    assert (await ameise.call("GET", "vermittler/DEMO01")).json()["Id"] == "DEMO01"


async def test_kunden_of_another_hierarchy_do_not_exist(
    ameise: Any, anna: str, connect_ameise: Callable[..., Any]
) -> None:
    other = await connect_ameise("ANDERE_1")

    assert (await other.call("GET", f"kunden/{anna}")).status_code == 404
    assert (await other.call("POST", "kunden/_search", json={"nachname": "Müller"})).json() == []
    assert (await other.rest("GET", f"DEMO01_1/kunden/{anna}")).status_code == 403


async def test_lists_need_no_mitarbeiter_in_the_path(ameise: Any) -> None:
    for name in ("sparten", "vertragsstatus", "laender", "rechtsformen", "zahlweisen", "gesellschaften"):
        entries = (await ameise.rest("GET", name)).json()
        assert all(set(entry) == {"Value", "Text"} for entry in entries)
    anreden = (await ameise.rest("GET", "anreden")).json()
    assert [entry["Value"] for entry in anreden if entry["JuristischePerson"]] == ["3"]


async def test_a_bad_token_and_an_unknown_path_are_html(http: httpx.AsyncClient, ameise: Any) -> None:
    unknown = await ameise.call("GET", "nirgends/1")
    ameise.tokens = {"access_token": "falsch"}
    bad = await ameise.call("GET", "")

    assert (unknown.status_code, bad.status_code) == (404, 401)
    assert "<html>" in unknown.text
    assert "<html>" in bad.text


async def test_search_lags_behind_as_far_as_the_knob_says(
    http: httpx.AsyncClient, ameise: Any, anna: str
) -> None:
    await http.put("/sandbox/knobs", json={"ameise_search_lag_seconds": 60})

    assert (await ameise.call("POST", "kunden/_search", json={"nachname": "Müller"})).json() == []
    assert (await ameise.call("GET", f"kunden/{anna}")).status_code == 200


async def test_phones_are_normalised_if_the_knob_says_so(
    http: httpx.AsyncClient, ameise: Any, anna: str
) -> None:
    await http.put("/sandbox/knobs", json={"ameise_normalise_phones": True})
    path = f"kunden/{anna}/kontaktdaten"

    made = (await ameise.call("POST", path, json={"Typ": "telefon", "Value": "030 123"})).json()

    assert made["Value"] == "+49 30 123"


async def test_a_post_takes_effect_after_the_client_gave_up(running: str) -> None:
    query = {
        "response_type": "code",
        "client_id": "c",
        "redirect_uri": "http://x.example/y",
        "scope": "ameise/mitarbeiterwebservice",
    }
    async with httpx.AsyncClient(base_url=f"{running}/ameise", auth=("c", "s")) as http:
        form = {"mitarbeiter": "DEMO01_1", "decision": "accept"}
        consent = await http.post("/oauth2/auth", params=query, data=form)
        grant = {
            "grant_type": "authorization_code",
            "code": httpx.URL(consent.headers["location"]).params["code"],
            "redirect_uri": "http://x.example/y",
        }
        token = (await http.post("/oauth2/token", data=grant)).json()["access_token"]
    rest = f"{running}/ameise/service/bd/employee/1.0/rest/DEMO01_1"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        await http.put(f"{running}/sandbox/knobs", json={"ameise_late_post_seconds": 0.3})
        with pytest.raises(httpx.ReadTimeout):
            await http.post(f"{rest}/kunden", json=ANNA, timeout=0.1)
        search = {"nachname": "Müller"}
        assert (await http.post(f"{rest}/kunden/_search", json=search)).json() == []
        async with asyncio.timeout(5):
            while not (await http.post(f"{rest}/kunden/_search", json=search)).json():
                pass
