"""Records: upsert, insert, update, delete, and how they are read."""

from datetime import datetime
from typing import Any

import httpx
import pytest


def contact(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"Last_Name": "Müller", "Kundennummer": f"500100000{number}", **changes}


async def read(zoho: Any, id_: str, module: str = "Contacts") -> dict[str, Any]:
    return (await zoho.call("GET", f"{module}/{id_}")).json()["data"][0]


def ids(response: httpx.Response) -> list[str]:
    return [item["details"]["id"] for item in response.json()["data"]]


async def test_upsert_inserts_then_updates_by_the_named_field(zoho: Any) -> None:
    check = {"duplicate_check_fields": ["Kundennummer"]}
    added = await zoho.upsert("Contacts", contact(), **check)
    changed = await zoho.upsert("Contacts", contact(Last_Name="Groß"), **check)

    assert added.status_code == changed.status_code == 200
    first, second = added.json()["data"][0], changed.json()["data"][0]
    assert (first["action"], first["duplicate_field"], first["message"]) == ("insert", None, "record added")
    assert (second["action"], second["duplicate_field"]) == ("update", "Kundennummer")
    assert first["details"]["id"] == second["details"]["id"]
    assert int(first["details"]["id"]) > 2**53
    assert (await read(zoho, ids(added)[0]))["Last_Name"] == "Groß"


async def test_the_default_check_merges_a_family_that_shares_an_email(zoho: Any) -> None:
    first = await zoho.upsert("Contacts", {"Last_Name": "Groß", "Email": "familie@example.org"})
    second = await zoho.upsert("Contacts", {"Last_Name": "Klein", "Email": "Familie@example.org"})

    assert ids(first) == ids(second)
    assert second.json()["data"][0]["duplicate_field"] == "Email"


async def test_results_stand_where_the_records_stood_and_mixed_is_207(zoho: Any) -> None:
    answer = await zoho.upsert(
        "Contacts", contact(1), {}, contact(2, Salutation="Lady"), contact(3, Last_Name=7)
    )

    assert answer.status_code == 207
    codes = [item["code"] for item in answer.json()["data"]]
    assert codes == ["SUCCESS", "MANDATORY_NOT_FOUND", "INVALID_DATA", "INVALID_DATA"]
    details = [item["details"] for item in answer.json()["data"]]
    assert details[1] == {"api_name": "Last_Name", "json_path": "$.data[1].Last_Name"}
    assert details[2]["supported_values"] == ["Herr", "Frau", "Divers"]
    assert details[3]["expected_data_type"] == "text"


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("Last_Name", "x" * 81, {"maximum_length": 80}),
        ("Email", "keine Adresse", {"expected_data_type": "email"}),
        ("Date_of_Birth", "1.2.1980", {"expected_data_type": "date"}),
        ("Date_of_Birth", "1980-02-30", {"expected_data_type": "date"}),
        ("Account_Name", "Müller GmbH", {"expected_data_type": "jsonobject"}),
    ],
)
async def test_a_single_bad_value_is_400(zoho: Any, field: str, value: Any, detail: dict[str, Any]) -> None:
    answer = await zoho.upsert("Contacts", contact(**{field: value}))

    assert answer.status_code == 400
    error = answer.json()["data"][0]
    assert error["code"] == "INVALID_DATA"
    assert detail.items() <= error["details"].items()
    assert error["details"]["api_name"] == field


async def test_a_unique_value_of_another_record_is_duplicate_data(zoho: Any) -> None:
    [first] = ids(await zoho.call("POST", "Contacts", json={"data": [contact()]}))

    answer = await zoho.call("POST", "Contacts", json={"data": [contact(Last_Name="Anders")]})

    assert answer.status_code == 400
    error = answer.json()["data"][0]
    assert error["code"] == "DUPLICATE_DATA"
    assert error["details"]["duplicate_record"]["id"] == first
    assert error["details"]["duplicate_record"]["module"]["api_name"] == "Contacts"


async def test_matching_two_records_by_two_fields_is_duplicate_data(zoho: Any) -> None:
    await zoho.upsert("Contacts", contact(1, Email="a@example.org"), contact(2, Email="b@example.org"))

    answer = await zoho.upsert(
        "Contacts", contact(1, Email="b@example.org"), duplicate_check_fields=["Kundennummer", "Email"]
    )

    assert answer.json()["data"][0]["code"] == "DUPLICATE_DATA"


async def test_values_are_trimmed_and_empty_is_null(zoho: Any) -> None:
    [id_] = ids(await zoho.upsert("Contacts", contact(First_Name="  Anna ", Phone=" ", Unbekannt="x")))

    record = await read(zoho, id_)

    assert (record["First_Name"], record["Phone"]) == ("Anna", None)
    assert "Unbekannt" not in record


async def test_modified_time_stays_when_nothing_was_written(http: httpx.AsyncClient, zoho: Any) -> None:
    [id_] = ids(await zoho.upsert("Contacts", contact()))
    before = await read(zoho, id_)

    await zoho.call("PUT", f"Contacts/{id_}", json={"data": [{"Last_Name": " Müller "}]})

    assert await read(zoho, id_) == before


async def test_a_stale_write_is_412(http: httpx.AsyncClient, zoho: Any) -> None:
    [id_] = ids(await zoho.upsert("Contacts", contact()))
    headers = {"If-Unmodified-Since": "2020-01-01T00:00:00+01:00"}

    answer = await zoho.call(
        "PUT", f"Contacts/{id_}", json={"data": [{"Beruf": "Tischler"}]}, headers=headers
    )

    assert answer.status_code == 412
    assert answer.json()["data"][0]["code"] == "ALREADY_MODIFIED"
    assert answer.json()["data"][0]["details"]["id"] == id_


async def test_a_lookup_points_to_a_record_and_is_read_with_its_name(zoho: Any) -> None:
    [firm] = ids(await zoho.upsert("Accounts", {"Account_Name": "Müller GmbH"}))
    [id_] = ids(await zoho.upsert("Contacts", contact(Account_Name={"id": firm})))
    nobody = await zoho.upsert("Contacts", contact(2, Account_Name={"id": "999999999999999999"}))

    assert (await read(zoho, id_))["Account_Name"] == {"name": "Müller GmbH", "id": firm}
    assert nobody.status_code == 400


async def test_contracts_keep_amounts_and_dates(zoho: Any) -> None:
    record = {
        "Name": "Kfz",
        "Vertragsnummer": "1119876",
        "Sparte": "050",
        "Beitrag_netto": 123.45,
        "Beginn": "2020-01-01",
    }
    [id_] = ids(await zoho.upsert("Vertraege", record, duplicate_check_fields=["Vertragsnummer"]))

    assert record.items() <= (await read(zoho, id_, "Vertraege")).items()


async def test_more_than_a_hundred_records_are_refused(zoho: Any) -> None:
    answer = await zoho.upsert("Contacts", *[contact() for _ in range(101)])

    assert answer.status_code == 400
    assert answer.json()["details"]["maximum_length"] == 100


async def test_an_unknown_module_and_a_field_that_decides_nothing_are_refused(zoho: Any) -> None:
    assert (await zoho.upsert("Leads", contact())).json()["code"] == "INVALID_MODULE"
    answer = await zoho.upsert("Contacts", contact(), duplicate_check_fields=["Phone"])
    assert answer.json()["code"] == "INVALID_DATA"


async def test_nothing_found_is_204_without_a_body(zoho: Any) -> None:
    for answer in (
        await zoho.call("GET", "Contacts", params={"fields": "Last_Name"}),
        await zoho.call("GET", "Contacts/554024000001000001"),
    ):
        assert (answer.status_code, answer.content) == (204, b"")


async def test_a_list_needs_fields_and_at_most_fifty(zoho: Any) -> None:
    missing = await zoho.call("GET", "Contacts")
    many = await zoho.call("GET", "Contacts", params={"fields": ",".join(["Phone"] * 51)})

    assert missing.json()["code"] == "REQUIRED_PARAM_MISSING"
    assert many.json()["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("sort_by", ["id", "Created_Time", "Modified_Time"])
async def test_page_tokens_walk_through_all_records_once(zoho: Any, sort_by: str) -> None:
    added = ids(await zoho.upsert("Contacts", *[contact(n) for n in range(7)]))
    params = {"fields": "Last_Name", "per_page": "3", "sort_by": sort_by, "sort_order": "asc"}
    seen: list[str] = []
    while True:
        page = (await zoho.call("GET", "Contacts", params=params)).json()
        seen += [record["id"] for record in page["data"]]
        if not page["info"]["more_records"]:
            break
        params["page_token"] = page["info"]["next_page_token"]

    assert seen == added
    params["per_page"] = "2"
    mismatch = await zoho.call("GET", "Contacts", params=params)
    assert mismatch.json()["code"] == "TOKEN_BOUND_DATA_MISMATCH"


async def test_page_numbers_end_at_two_thousand_records(zoho: Any) -> None:
    answer = await zoho.call("GET", "Contacts", params={"fields": "Phone", "page": "11"})

    assert answer.json()["code"] == "DISCRETE_PAGINATION_LIMIT_EXCEEDED"


async def test_if_modified_since_filters_and_says_304(zoho: Any) -> None:
    [id_] = ids(await zoho.upsert("Contacts", contact()))
    moment = (await read(zoho, id_))["Modified_Time"]
    params = {"fields": "Last_Name"}

    found = await zoho.call("GET", "Contacts", params=params, headers={"If-Modified-Since": moment})
    later = datetime.fromisoformat(moment).replace(year=2090).isoformat()
    none = await zoho.call("GET", "Contacts", params=params, headers={"If-Modified-Since": later})

    assert [record["id"] for record in found.json()["data"]] == [id_]
    assert none.status_code == 304


async def test_records_by_ids(zoho: Any) -> None:
    first, _, third = ids(await zoho.upsert("Contacts", contact(1), contact(2), contact(3)))

    answer = await zoho.call("GET", "Contacts", params={"fields": "Last_Name", "ids": f"{first},{third}"})

    assert [record["id"] for record in answer.json()["data"]] == [first, third]


async def test_deleted_records_are_gone_listed_and_free_their_number(zoho: Any) -> None:
    first, second = ids(await zoho.upsert("Contacts", contact(1), contact(2)))
    await zoho.call("DELETE", f"Contacts/{first}")
    mixed = await zoho.call("DELETE", "Contacts", params={"ids": f"{first},{second}"})

    assert mixed.status_code == 207
    listed = (await zoho.call("GET", "Contacts/deleted")).json()["data"]
    assert {record["id"] for record in listed} == {first, second}
    assert (await zoho.upsert("Contacts", contact(1))).json()["data"][0]["action"] == "insert"
