"""COQL: the small part that is understood, and the rest refused."""

from typing import Any

import pytest


async def query(zoho: Any, text: Any) -> Any:
    return await zoho.call("POST", "coql", json={"select_query": text})


async def three(zoho: Any) -> list[str]:
    records = [{"Last_Name": f"M{n}", "Kundennummer": f"500{n}"} for n in range(3)]
    answer = await zoho.upsert("Contacts", *records, duplicate_check_fields=["Kundennummer"])
    return [item["details"]["id"] for item in answer.json()["data"]]


async def test_records_come_in_the_order_of_their_ids_page_by_page(zoho: Any) -> None:
    first, second, third = await three(zoho)
    text = "select id, Kundennummer from Contacts where id > '{}' order by id asc limit 2"
    answer = (await query(zoho, text.format("0"))).json()
    assert answer["data"] == [{"id": first, "Kundennummer": "5000"}, {"id": second, "Kundennummer": "5001"}]
    assert answer["info"] == {"count": 2, "more_records": True}
    answer = (await query(zoho, text.format(second))).json()
    assert ([record["id"] for record in answer["data"]], answer["info"]["more_records"]) == ([third], False)
    assert (await query(zoho, text.format(third))).status_code == 204


async def test_conditions_must_all_hold(zoho: Any) -> None:
    first, *_ = await three(zoho)
    text = "select id from Contacts where (id > '0' and Kundennummer = '5000') order by id"
    assert [record["id"] for record in (await query(zoho, text)).json()["data"]] == [first]
    text = (
        "select id from Contacts where id > '0' and Modified_Time >= '2999-01-01T00:00:00+00:00' order by id"
    )
    assert (await query(zoho, text)).status_code == 204


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("select id from Contacts", "SYNTAX_ERROR"),
        ("select id from Contacts where id > '0' or id < '9' order by id", "SYNTAX_ERROR"),
        ("select Nirgends from Contacts where id > '0' order by id", "INVALID_QUERY"),
        ("select id from Contacts where id > 'x' order by id", "INVALID_QUERY"),
        ("select id from Nirgends where id > '0' order by id", "INVALID_MODULE"),
        ("select id from Contacts where id > '0' order by id limit 201", "LIMIT_EXCEEDED"),
        (f"select {', '.join(['Email'] * 51)} from Contacts where id > '0' order by id", "LIMIT_EXCEEDED"),
        (7, "MANDATORY_NOT_FOUND"),
    ],
)
async def test_what_is_not_understood_is_refused(zoho: Any, text: Any, code: str) -> None:
    await three(zoho)
    answer = await query(zoho, text)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
