"""The client: paging, splitting, results by position, odd answers."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from vendor import NotConnected, Rejected, Stale, Unavailable
from zoho import ZohoClient

Handler = Callable[[httpx.Request], httpx.Response]
Played = Callable[[Handler], ZohoClient]

OK = {"code": "SUCCESS", "status": "success", "message": "record added", "details": {"id": "1"}}
BAD = {"code": "INVALID_DATA", "status": "error", "message": "invalid", "details": {"api_name": "Email"}}
LOCKED = {"code": "RECORD_LOCKED", "status": "error", "message": "locked", "details": {}}
SINCE = datetime(2026, 11, 23, 10, tzinfo=UTC)


class Server:
    """Gives the answers in turn and remembers the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answers.pop(0)

    def params(self, number: int) -> dict[str, str]:
        return dict(self.requests[number].url.params)

    def body(self, number: int) -> Any:
        return json.loads(self.requests[number].content)


def page(*ids: str, token: str | None = None) -> httpx.Response:
    info = {"more_records": token is not None, "next_page_token": token}
    return httpx.Response(200, json={"data": [{"id": id_, "Name": f"n{id_}"} for id_ in ids], "info": info})


# -- reading ------------------------------------------------------------------------------------------------


async def test_no_content_means_no_record(zoho_played_by: Played) -> None:
    assert await zoho_played_by(Server(httpx.Response(204))).get_record("Contacts", "1") is None


async def test_ids_are_text_wherever_they_stand(zoho_played_by: Played) -> None:
    record = {"id": 3652397000000624046, "Account_Name": {"id": 77, "name": "A"}, "Tag": [{"id": 8}]}
    server = Server(httpx.Response(200, json={"data": [record]}))
    assert await zoho_played_by(server).get_record("Contacts", "3652397000000624046") == {
        "id": "3652397000000624046",
        "Account_Name": {"id": "77", "name": "A"},
        "Tag": [{"id": "8"}],
    }


async def test_more_than_50_fields_of_one_record_are_one_call_for_all(zoho_played_by: Played) -> None:
    fields = [f"F{number}" for number in range(51)]
    answer = {"data": [{"id": "1", "F0": "a", "Other": "b"}]}
    server = Server(httpx.Response(200, json=answer))
    assert await zoho_played_by(server).get_record("Contacts", "1", fields) == {"id": "1", "F0": "a"}
    assert server.params(0) == {}


async def test_many_records_are_read_by_100_ids_and_50_fields(zoho_played_by: Played) -> None:
    asked: list[tuple[int, int]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        ids = request.url.params["ids"].split(",")
        fields = request.url.params["fields"].split(",")
        asked.append((len(ids), len(fields)))
        return httpx.Response(200, json={"data": [{"id": i, **dict.fromkeys(fields, "v")} for i in ids]})

    ids = [str(number) for number in range(1, 151)]
    fields = [f"F{number}" for number in range(60)]
    records = await zoho_played_by(handler).get_records("Contacts", ids, fields)

    assert asked == [(100, 50), (100, 11), (50, 50), (50, 11)]
    assert len(records) == 150
    assert set(records["150"]) == {"id", "Modified_Time", *fields}


async def test_records_that_are_gone_are_missing(zoho_played_by: Played) -> None:
    records = await zoho_played_by(Server(page("2"))).get_records("Contacts", ["1", "2"], ["Name"])
    assert list(records) == ["2"]
    assert await zoho_played_by(Server(httpx.Response(204))).get_records("Contacts", ["1"], ["Name"]) == {}


async def test_the_modified_are_read_page_by_page_by_token(zoho_played_by: Played) -> None:
    server = Server(page("1", "2", token="next"), page("3"))
    found = [r["id"] async for r in zoho_played_by(server).list_modified("Contacts", SINCE, ["Name"])]
    assert found == ["1", "2", "3"]
    assert [request.headers["If-Modified-Since"] for request in server.requests] == [
        "2026-11-23T10:00:00+00:00"
    ] * 2
    assert server.params(0) == {"fields": "Modified_Time,Name", "per_page": "200"}
    assert server.params(1) == {**server.params(0), "page_token": "next"}


@pytest.mark.parametrize("status", [204, 304])
async def test_nothing_modified_is_an_empty_list(zoho_played_by: Played, status: int) -> None:
    zoho = zoho_played_by(Server(httpx.Response(status)))
    assert [record async for record in zoho.list_modified("Contacts", SINCE, ["Name"])] == []


async def test_a_list_never_stops_silently_in_the_middle(zoho_played_by: Played) -> None:
    answer = {"data": [{"id": "1"}], "info": {"more_records": True}}
    zoho = zoho_played_by(Server(httpx.Response(200, json=answer)))
    with pytest.raises(Unavailable):
        _ = [record async for record in zoho.list_modified("Contacts", None, ["Name"])]


async def test_fields_beyond_50_are_read_for_each_page(zoho_played_by: Played) -> None:
    fields = [f"F{number}" for number in range(60)]
    server = Server(page("1"), httpx.Response(200, json={"data": [{"id": "1", "F59": "last"}]}))
    found = [r async for r in zoho_played_by(server).list_modified("Contacts", None, fields)]
    assert found == [{"id": "1", "Name": "n1", "F59": "last"}]
    assert server.params(1)["ids"] == "1"


async def test_the_deleted_are_read_page_by_page_by_number(zoho_played_by: Played) -> None:
    server = Server(page("1", token="x"), page("2"))
    found = [gone.id async for gone in zoho_played_by(server).list_deleted("Contacts", SINCE)]
    assert found == ["1", "2"]
    assert [server.params(number)["page"] for number in (0, 1)] == ["1", "2"]


async def test_webhook_failures_name_the_record_we_missed(zoho_played_by: Played) -> None:
    failure = {"id": "5", "failure_reason": "page_notfound", "entity_details": {"id": 77}}
    server = Server(httpx.Response(200, json={"webhook_failures": [failure], "info": {}}))
    failures = zoho_played_by(server).list_webhook_failures(start=date(2026, 11, 1), end=date(2026, 11, 23))
    assert [failed.record_id async for failed in failures] == ["77"]
    assert (server.params(0)["from"], server.params(0)["to"]) == ("2026-11-01", "2026-11-23")


@pytest.mark.parametrize(
    "body", ["<html>", "", "[]", '{"data":{}}', '{"data":[1]}', '{"data":[{"Name":"x"}]}']
)
async def test_an_answer_that_cannot_be_read_is_never_nothing_found(
    zoho_played_by: Played, body: str
) -> None:
    zoho = zoho_played_by(Server(httpx.Response(200, text=body)))
    with pytest.raises(Unavailable) as caught:
        await zoho.get_record("Contacts", "1")
    assert not caught.value.outcome_unknown


# -- writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "items"),
    [(200, [OK, OK]), (201, [OK, OK]), (202, [OK, OK]), (207, [OK, BAD]), (400, [BAD, LOCKED])],
)
async def test_results_are_judged_one_by_one_whatever_the_status(
    zoho_played_by: Played, status: int, items: list[dict[str, Any]]
) -> None:
    server = Server(httpx.Response(status, json={"data": items}))
    results = await zoho_played_by(server).upsert(
        "Contacts", [{"Kundennummer": "1"}, {"Kundennummer": "2"}], duplicate_check_fields=["Kundennummer"]
    )
    assert [result.code for result in results] == [item["code"] for item in items]
    assert [result.succeeded for result in results] == [item is OK for item in items]


async def test_an_upsert_runs_nothing_in_zoho_and_searches_by_our_field_alone(zoho_played_by: Played) -> None:
    server = Server(httpx.Response(200, json={"data": [OK]}))
    await zoho_played_by(server).upsert("Contacts", [{"A": 1}], duplicate_check_fields=["Kundennummer"])
    assert server.requests[0].url.path == "/crm/v8/Contacts/upsert"
    assert server.body(0) == {
        "data": [{"A": 1}],
        "duplicate_check_fields": ["Kundennummer"],
        "trigger": [],
    }


async def test_an_upsert_without_a_field_to_search_by_is_never_sent(zoho_played_by: Played) -> None:
    with pytest.raises(ValueError, match="found again"):
        await zoho_played_by(Server()).upsert("Contacts", [{"A": 1}], duplicate_check_fields=[])


@pytest.mark.parametrize("number", [0, 101])
async def test_a_write_takes_1_to_100_records(zoho_played_by: Played, number: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        await zoho_played_by(Server()).insert("Contacts", [{}] * number)


@pytest.mark.parametrize("items", [[], [OK], [OK, OK, OK]])
async def test_results_that_do_not_match_the_records_belong_to_none(
    zoho_played_by: Played, items: list[dict[str, Any]]
) -> None:
    server = Server(httpx.Response(200, json={"data": items}))
    with pytest.raises(Unavailable) as caught:
        await zoho_played_by(server).insert("Contacts", [{}, {}])
    assert caught.value.outcome_unknown
    assert caught.value.words == f"{len(items)} results for 2 records"


async def test_one_error_for_two_records_is_about_the_whole_call(zoho_played_by: Played) -> None:
    server = Server(httpx.Response(400, json={"data": [{"code": "INVALID_MODULE", "status": "error"}]}))
    with pytest.raises(Rejected) as caught:
        await zoho_played_by(server).insert("Contacts", [{}, {}])
    assert caught.value.code == "INVALID_MODULE"


async def test_a_record_changed_meanwhile_is_stale(zoho_played_by: Played) -> None:
    conflict = {
        "code": "ALREADY_MODIFIED",
        "status": "error",
        "details": {"Modified_Time": "2026-11-23T11:30:00+01:00"},
    }
    server = Server(httpx.Response(412, json={"data": [conflict]}))
    results = await zoho_played_by(server).update("Contacts", [{"id": "1"}], if_unmodified_since=SINCE)
    assert isinstance(results[0].error(), Stale)
    assert results[0].modified_time == datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    assert server.requests[0].headers["If-Unmodified-Since"] == "2026-11-23T10:00:00+00:00"


@pytest.mark.parametrize("body", ["<html>ok</html>", "", "{}", '{"data":'])
async def test_a_write_whose_answer_cannot_be_read_may_have_happened(
    zoho_played_by: Played, body: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        await zoho_played_by(Server(httpx.Response(200, text=body))).insert("Contacts", [{}])
    assert caught.value.outcome_unknown


async def test_users_are_read_page_by_page(zoho_played_by: Played) -> None:
    pages = [
        httpx.Response(200, json={"users": [{"id": id_}], "info": {"more_records": id_ == "1"}})
        for id_ in ("1", "2")
    ]
    server = Server(*pages)
    assert [user.id for user in await zoho_played_by(server).list_active_users()] == ["1", "2"]
    assert [server.params(n)["page"] for n in (0, 1)] == ["1", "2"]
    assert server.params(0)["type"] == "ActiveUsers"


async def test_a_missing_scope_asks_for_no_fresh_token(zoho_played_by: Played) -> None:
    server = Server(httpx.Response(401, json={"code": "OAUTH_SCOPE_MISMATCH", "status": "error"}))
    with pytest.raises(Rejected) as caught:
        await zoho_played_by(server).list_modules()
    assert caught.value.code == "OAUTH_SCOPE_MISMATCH"
    assert len(server.requests) == 1


async def test_a_dead_token_is_exchanged_once(zoho_played_by: Played) -> None:
    refused = {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}
    org = {"org": [{"id": "1", "zgid": 60001}]}
    server = Server(httpx.Response(401, json=refused), httpx.Response(200, json=org))
    assert (await zoho_played_by(server).get_org()).zgid == "60001"
    assert server.requests[1].headers["Authorization"] == "Zoho-oauthtoken token-2"

    server = Server(httpx.Response(401, json=refused), httpx.Response(401, json=refused))
    with pytest.raises(NotConnected):
        await zoho_played_by(server).get_org()


@pytest.mark.parametrize(
    "ask",
    [
        lambda zoho: zoho.get_record("Contacts", "../org"),
        lambda zoho: zoho.get_record("Contacts/1", "1"),
        lambda zoho: zoho.get_records("Contacts", ["1,2"], ["Name"]),
    ],
)
async def test_an_id_that_asks_for_something_else_is_never_sent(
    zoho_played_by: Played, ask: Callable[[ZohoClient], Awaitable[object]]
) -> None:
    with pytest.raises(ValueError, match="URL path"):
        await ask(zoho_played_by(Server()))


def deleted(*ids: str) -> list[dict[str, object]]:
    return [{"code": "SUCCESS", "status": "success", "message": "x", "details": {"id": i}} for i in ids]


async def test_records_are_deleted_by_id_without_workflows_and_judged_each(zoho_played_by: Played) -> None:
    refused = {"code": "INVALID_DATA", "status": "error", "message": "not deleted", "details": {"id": "1"}}
    server = Server(httpx.Response(207, json={"data": [*deleted("2"), refused]}))
    first, second = await zoho_played_by(server).delete("Contacts", ["1", "2"])
    assert isinstance(first.error(), Rejected)
    assert second.error() is None
    assert server.requests[0].method == "DELETE"
    assert server.params(0) == {"ids": "1,2", "wf_trigger": "false"}


async def test_a_deletion_that_is_not_told_record_by_record_is_not_believed(zoho_played_by: Played) -> None:
    for answer in (deleted("1"), deleted("1", "3")):
        server = Server(httpx.Response(200, json={"data": answer}))
        with pytest.raises(Unavailable):
            await zoho_played_by(server).delete("Contacts", ["1", "2"])


async def test_a_refused_deletion_of_all_says_why(zoho_played_by: Played) -> None:
    answer = {"code": "NO_PERMISSION", "status": "error", "message": "permission denied", "details": {}}
    with pytest.raises(Rejected, match="NO_PERMISSION"):
        await zoho_played_by(Server(httpx.Response(403, json=answer))).delete("Contacts", ["1"])


@pytest.mark.parametrize("count", [0, 101])
async def test_a_deletion_takes_a_hundred_at_most(zoho_played_by: Played, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        await zoho_played_by(Server()).delete("Contacts", [str(n) for n in range(count)])
