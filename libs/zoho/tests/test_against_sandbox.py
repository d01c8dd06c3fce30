"""The client against the stand-in of Zoho, over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from vendor import Rejected, Stale, Unavailable
from zoho import RuleEvent, Webhook, WorkflowRule, ZohoClient


async def add(zoho: ZohoClient, *kundennummern: str) -> list[str]:
    records = [{"Last_Name": f"Müller {number}", "Kundennummer": number} for number in kundennummern]
    results = await zoho.upsert("Contacts", records, duplicate_check_fields=["Kundennummer"])
    assert all(result.succeeded for result in results)
    return [result.id for result in results]


async def test_the_organisation_introduces_itself(zoho: ZohoClient) -> None:
    org = await zoho.get_org()
    assert org.id
    assert (await zoho.get_current_user()).id
    assert {"Contacts", "Accounts", "Vertraege"} <= {module.api_name for module in await zoho.list_modules()}


async def test_fields_tell_their_type_and_uniqueness(zoho: ZohoClient) -> None:
    fields = {field.api_name: field for field in await zoho.list_fields("Contacts")}
    assert fields["Kundennummer"].is_unique
    assert not fields["Last_Name"].is_unique
    assert fields["Last_Name"].system_mandatory
    assert fields["Salutation"].data_type == "picklist"
    assert fields["Salutation"].pick_list_values
    lookup = fields["Account_Name"].lookup
    assert lookup is not None
    assert lookup.module is not None
    assert lookup.module.api_name == "Accounts"


async def test_a_layout_tells_what_must_be_filled_in(zoho: ZohoClient) -> None:
    [layout] = await zoho.list_layouts("Contacts")
    assert layout.id
    assert layout.required_fields == {"Last_Name"}


async def test_a_record_found_again_by_our_field_is_updated(zoho: ZohoClient) -> None:
    (first,) = await add(zoho, "5001000001")
    (result,) = await zoho.upsert(
        "Contacts",
        [{"Last_Name": "Maier", "Kundennummer": "5001000001"}],
        duplicate_check_fields=["Kundennummer"],
    )
    assert (result.action, result.id) == ("update", first)
    record = await zoho.get_record("Contacts", first, ["Last_Name"])
    assert record == {"id": first, "Last_Name": "Maier"}


async def test_good_and_bad_records_of_one_write_are_told_apart(zoho: ZohoClient) -> None:
    good, bad = await zoho.insert("Contacts", [{"Last_Name": "M"}, {"First_Name": "Ohne Nachnamen"}])
    assert good.error() is None
    error = bad.error()
    assert isinstance(error, Rejected)
    assert (error.code, error.api_name) == ("MANDATORY_NOT_FOUND", "Last_Name")
    assert error.json_path == "$.data[1].Last_Name"


async def test_a_duplicate_names_the_record_in_the_way(zoho: ZohoClient) -> None:
    first, second = await add(zoho, "5001000001", "5001000002")
    (result,) = await zoho.update("Contacts", [{"id": second, "Kundennummer": "5001000001"}])
    error = result.error()
    assert isinstance(error, Rejected)
    assert (error.duplicate_id, error.duplicate_module) == (first, "Contacts")


async def test_a_write_on_an_old_reading_is_stale(zoho: ZohoClient) -> None:
    (contact,) = await add(zoho, "5001000001")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    (refused,) = await zoho.update(
        "Contacts", [{"id": contact, "Last_Name": "Alt"}], if_unmodified_since=long_ago
    )
    assert isinstance(refused.error(), Stale)

    assert refused.modified_time is not None
    (accepted,) = await zoho.update(
        "Contacts", [{"id": contact, "Last_Name": "Neu"}], if_unmodified_since=refused.modified_time
    )
    assert accepted.error() is None


async def test_all_pages_of_the_modified_are_read(zoho: ZohoClient) -> None:
    start = datetime.now(UTC) - timedelta(seconds=1)
    ids: list[str] = []
    for block in range(5):
        ids += await add(zoho, *(f"50010{block:02}{number:03}" for number in range(90)))

    found = [record["id"] async for record in zoho.list_modified("Contacts", start, ["Kundennummer"])]
    assert sorted(found) == sorted(ids)

    later = datetime.now(UTC) + timedelta(hours=1)
    assert [record async for record in zoho.list_modified("Contacts", later, ["Kundennummer"])] == []

    many = await zoho.get_records("Contacts", ids, ["Last_Name"])
    assert len(many) == 450


async def test_no_record_is_none_and_an_unknown_module_is_rejected(zoho: ZohoClient) -> None:
    assert await zoho.get_record("Contacts", "3652397000000624046") is None
    with pytest.raises(Rejected) as caught:
        await zoho.get_record("Nowhere", "3652397000000624046")
    assert caught.value.code == "INVALID_MODULE"


async def test_nothing_deleted_is_an_empty_list(zoho: ZohoClient) -> None:
    assert [gone async for gone in zoho.list_deleted("Contacts")] == []


async def test_zoho_can_be_made_to_call_us(zoho: ZohoClient) -> None:
    webhook = await zoho.create_webhook(
        Webhook("Connector", "Contacts", "http://127.0.0.1:9/hook", {"X-Hook-Secret": "s"})
    )
    rule = await zoho.create_workflow_rule(
        WorkflowRule("Connector", "Contacts", webhook, RuleEvent.CREATE_OR_EDIT)
    )
    assert rule
    today = datetime.now(UTC).date()
    failures = zoho.list_webhook_failures(start=today - timedelta(days=1), end=today + timedelta(days=1))
    assert [failure async for failure in failures] == []


@pytest.mark.parametrize("kind", ["garbage", "html"])
async def test_garbage_after_a_write_leaves_its_outcome_unknown(
    zoho: ZohoClient, sandbox: str, http: httpx.AsyncClient, kind: str
) -> None:
    await zoho.get_org()  # the token is exchanged before the fault waits
    fault = {
        "vendor": "zoho",
        "method": "POST",
        "path_pattern": "Accounts/upsert",
        "kind": kind,
        "status": 502,
    }
    await http.put(f"{sandbox}/sandbox/faults", json={**fault, "times": 1})
    with pytest.raises(Unavailable) as caught:
        await zoho.upsert(
            "Accounts", [{"Account_Name": "Müller GmbH"}], duplicate_check_fields=["Kundennummer"]
        )
    assert caught.value.outcome_unknown


async def test_coql_reads_on_from_an_id(zoho: ZohoClient) -> None:
    first, second = await add(zoho, "5001000001", "5001000002")
    assert await zoho.select_after("Contacts", "0", ["Kundennummer"]) == [
        {"id": first, "Kundennummer": "5001000001"},
        {"id": second, "Kundennummer": "5001000002"},
    ]
    rest = await zoho.select_after(
        "Contacts", first, ["Kundennummer"], since=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert [record["id"] for record in rest] == [second]
    assert await zoho.select_after("Contacts", second, ["Kundennummer"]) == []
    with pytest.raises(ValueError, match="50 fields"):
        await zoho.select_after("Contacts", "0", [f"F{number}" for number in range(50)])
