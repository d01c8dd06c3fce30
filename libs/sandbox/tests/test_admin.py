"""The strings behind the stage: seed, a day's life, persons in the CRM, knobs, tokens."""

from typing import Any

import httpx
import pytest


async def seeded(
    http: httpx.AsyncClient, hauptvermittler: str = "DEMO01", kunden: int = 60
) -> dict[str, Any]:
    body = {"hauptvermittler": hauptvermittler, "kunden": kunden, "vertraege": 90, "seed": 1}
    return (await http.post("/sandbox/ameise/seed", json=body)).json()


async def test_seeded_kunden_belong_to_the_hierarchy(http: httpx.AsyncClient, ameise: Any) -> None:
    made = await seeded(http)

    assert (made["kunden"], made["vertraege"]) == (60, 90)
    assert made["vermittler"][0] == "DEMO01"
    assert len(made["vermittler"]) == 3
    vertraege = (await ameise.call("GET", "vertraege")).json()
    assert len(vertraege) == 90
    assert (await ameise.call("GET", f"kunden/{vertraege[0]['Kunde']}")).status_code == 200


async def test_kundennummern_are_unique_in_the_whole_sandbox(http: httpx.AsyncClient) -> None:
    await seeded(http)
    await seeded(http, "DEMO02")

    owners = [
        (await http.get(f"/sandbox/ameise/kunden/{number}")).json()["Vermittler"]
        for number in range(5001000001, 5001000121)
    ]

    assert len(owners) == 120
    assert {"DEMO01", "DEMO02"} <= set(owners)


async def test_an_impossible_vermittlernummer_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/sandbox/ameise/seed", json={"hauptvermittler": "x"})).status_code == 400


async def test_a_day_brings_changes_and_takes_kunden(http: httpx.AsyncClient) -> None:
    await seeded(http)
    body = {"hauptvermittler": "DEMO01", "new": 4, "changed": 10, "gone": 3, "seed": 2}

    day = (await http.post("/sandbox/ameise/edit", json=body)).json()

    assert (len(day["new"]), len(day["changed"]), len(day["gone"])) == (4, 10, 3)
    assert all(change["fields"] for change in day["changed"])
    assert (await http.get(f"/sandbox/ameise/kunden/{day['gone'][0]}")).status_code == 404
    assert (await http.get(f"/sandbox/ameise/kunden/{day['new'][0]}")).status_code == 200


async def test_a_person_changes_a_kunde_in_ameise(http: httpx.AsyncClient) -> None:
    await seeded(http, kunden=1)

    changed = await http.put("/sandbox/ameise/kunden/5001000001", json={"Person": {"Beruf": "Imker"}})
    refused = await http.put("/sandbox/ameise/kunden/5001000001", json={"Person": {"Nachname": ""}})
    moved = await http.put("/sandbox/ameise/kunden/5001000001", json={"Hauptwohnsitz": {"Ort": "Bonn"}})

    assert changed.json()["Person"]["Beruf"] == "Imker"
    assert [a["Ort"] for a in moved.json()["Adressen"] if a["Typ"] == "hauptwohnsitz"] == ["Bonn"]
    assert refused.status_code == 400


async def test_a_person_adds_and_changes_a_vertrag_in_ameise(http: httpx.AsyncClient) -> None:
    await seeded(http, kunden=1)
    there = "/sandbox/ameise/kunden/5001000001"

    made = (await http.post(f"{there}/vertraege", json={"Sparte": "050", "Risiko": "Wohnung"})).json()
    changed = await http.put(f"{there}/vertraege/{made['Id']}", json={"Risiko": "Haus"})
    refused = await http.put(f"{there}/vertraege/{made['Id']}", json={"Sparte": "keine"})

    [vertrag] = [v for v in (await http.get(there)).json()["Vertraege"] if v["Id"] == made["Id"]]
    assert (changed.json()["Risiko"], vertrag["Risiko"], vertrag["Sparte"]) == ("Haus", "Haus", "050")
    assert refused.status_code == 400


async def test_a_person_in_the_crm_is_another_user(http: httpx.AsyncClient, zoho: Any) -> None:
    created = await zoho.upsert("Contacts", {"Last_Name": "Groß", "Kundennummer": "5001000001"})
    id_ = created.json()["data"][0]["details"]["id"]

    edited = await http.put(f"/sandbox/zoho/demo/Contacts/{id_}", json={"Last_Name": "Klein"})

    record = (await http.get(f"/sandbox/zoho/demo/Contacts/{id_}")).json()
    assert edited.json()["id"] == id_
    assert (record["Last_Name"], record["Created_By"]["name"]) == ("Klein", "Konnektor Dienst")
    assert record["Modified_By"]["name"] == "Paula Beispiel"
    params = {"field": "Kundennummer", "value": "5001000001"}
    found = (await http.get("/sandbox/zoho/demo/Contacts", params=params)).json()["data"]
    assert [item["id"] for item in found] == [id_]
    assert (await http.delete(f"/sandbox/zoho/demo/Contacts/{id_}")).status_code == 200
    assert (await http.get("/sandbox/zoho/demo/Contacts?count=1")).json() == {"count": 0}


async def test_a_persons_bad_value_is_refused_in_zohos_words(http: httpx.AsyncClient) -> None:
    answer = await http.post("/sandbox/zoho/demo/Contacts", json={"First_Name": "Ohne"})

    assert (answer.status_code, answer.json()["code"]) == (400, "MANDATORY_NOT_FOUND")


async def test_knobs_turn_one_by_one(http: httpx.AsyncClient) -> None:
    await http.put("/sandbox/knobs", json={"ameise_search_lag_seconds": 2})
    turned = (await http.put("/sandbox/knobs", json={"zoho_access_token_seconds": 60})).json()

    assert (turned["ameise_search_lag_seconds"], turned["zoho_access_token_seconds"]) == (2, 60)
    assert (await http.put("/sandbox/knobs", json={"unknown": 1})).status_code == 400


@pytest.mark.parametrize(("kind", "api", "refresh"), [("access", 401, 200), ("refresh", 200, 400)])
async def test_tokens_die_on_demand(
    http: httpx.AsyncClient, ameise: Any, kind: str, api: int, refresh: int
) -> None:
    await http.post("/sandbox/tokens/kill", json={"vendor": "ameise", "kind": kind})

    form = {"grant_type": "refresh_token", "refresh_token": ameise.tokens["refresh_token"]}
    assert (await ameise.call("GET", "")).status_code == api
    assert (await ameise.token(**form)).status_code == refresh
