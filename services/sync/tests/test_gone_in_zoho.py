"""A record deleted in Zoho: noticed in every way, told once, and made again only if the pipeline says so."""

from typing import TYPE_CHECKING, Any

import pytest
from redefining import redefine
from test_comparing import compare
from test_reconciling import reconcile, schedule, schedule_with  # noqa: F401 (fixtures)

from contracts.names import Table
from sync.comparison_schedule import Schedule
from zoho.client import ZohoClient

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "juristische_person": False}
NOTICED = ["webhook", "reconciliation", "links", "delivery", "write"]


async def deliver(team: "Team", **fields: str) -> None:
    team.ingest.put(Table.KUNDE, "5001", GROSS | fields)
    await team.chunk(Table.KUNDE, ["5001"])


async def notice(
    team: "Team", how: str, zoho_id: str, looking: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is deleted, and sync finds out."""
    if how == "write":  # deleted between our reading and our writing
        update = ZohoClient.update

        async def deleted_first(self: ZohoClient, *given: Any, **more: Any) -> Any:
            monkeypatch.setattr(ZohoClient, "update", update)
            await team.world.delete(zoho_id)
            return await update(self, *given, **more)

        monkeypatch.setattr(ZohoClient, "update", deleted_first)
        await deliver(team, ort="Bonn")
        return
    await team.world.delete(zoho_id)
    match how:
        case "webhook":
            await team.webhook(zoho_id)
        case "reconciliation":
            await reconcile(team, looking)
        case "links":
            await compare(team, links=True)
        case _:
            await deliver(team, ort="Bonn")


@pytest.mark.parametrize("how", NOTICED)
@pytest.mark.parametrize("recreate", [False, True])
async def test_it_is_told_once_and_made_again_if_wanted(
    team: "Team",
    schedule: Schedule,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    recreate: bool,
) -> None:
    await redefine(team, recreate=recreate)
    await deliver(team)
    assert await team.idle() == []
    [record] = await team.world.records()
    await reconcile(team, schedule)
    await notice(team, how, record["id"], schedule, monkeypatch)
    assert await team.idle() == []
    left = await team.world.records()
    [link] = [link for link in team.rows.links() if link["ameise_key"]]
    if recreate:
        [again] = left
        assert (again["Last_Name"], again["id"] != record["id"]) == ("Groß", True)
        assert (link["zoho_id"], link["gone_in_zoho"]) == (again["id"], False)
    else:
        assert left == []
        assert (link["zoho_id"], link["gone_in_zoho"]) == (record["id"], True)
    told = [event["data"]["zoho_id"] for event in team.rows.events("record_deleted")]
    at_once = recreate and how in {"delivery", "write"}  # the new record says it
    assert told == ([] if at_once else [record["id"]])
