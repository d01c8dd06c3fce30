"""Zoho's modules change under a pipeline: the field that no longer fits is held back, all else goes on, a
person is asked once, and once it fits again what was held back is written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine

from chassis.process import Foundation
from chassis.rpc import RpcClient
from contracts.ids import TenantId
from contracts.names import Table
from contracts.rpc import Empty
from contracts.rpc.sync_drift import DriftKind, DriftState
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineRequest
from contracts.rpc.sync_reconcile import COMPARE, CompareRequest
from contracts.rpc.sync_state import SYNC_STATE

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "vorname": "Anna", "juristische_person": False}
BERLIN = TenantId("berlin")


@pytest.fixture
async def sync(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
) -> AsyncIterator[Foundation]:
    """Looks at Zoho's metadata before every batch."""
    async with sync_with(zoho_metadata_kept=timedelta(0)) as base:
        yield base


async def customise(team: "Team", module: str = "Contacts", *, gone: bool = False, **fields: Any) -> None:
    await team.world.customise(module, {"gone": gone, "fields": fields})


async def deliver(team: "Team", key: str, **fields: Any) -> list[dict[str, Any]]:
    """A Kunde of the next delivery; what is parked then."""
    team.ingest.put(Table.KUNDE, key, GROSS | {"ameise_id": key} | fields)
    await team.chunk(Table.KUNDE, [key])
    return await team.idle()


async def drift(team: "Team", module: str = "Contacts") -> DriftState:
    request = PipelineRequest(pipeline=team.pipelines[module].id)
    return (await RpcClient(team.client).call(GET_PIPELINE, request, actor=team.actor())).drift


async def contact(team: "Team", key: str) -> dict[str, Any]:
    found = await team.world.contact_of(key)
    assert found is not None
    return found


async def test_a_mapping_that_fits_is_said_to_have_been_checked(team: "Team") -> None:
    assert (await drift(team)).checked_at is None
    await deliver(team, "5001")
    now = await drift(team)
    assert (now.findings, now.since, now.held_back) == ((), None, 0)
    assert now.checked_at is not None
    assert team.rows.events("pipeline_drifted", "pipeline_fits_again") == []


async def test_a_vanished_field_is_held_back_and_the_others_go_on(team: "Team") -> None:
    await customise(team, Titel={"gone": True})
    assert await deliver(team, "5001", titel="Dr.", beruf="Ärztin") == []
    assert (await contact(team, "5001"))["Beruf"] == "Ärztin"
    [told] = team.rows.events("pipeline_drifted")
    assert told["data"]["fields"] == ["Titel"]
    assert (told["data"]["outcome"], told["data"]["reason"]) == ("error", "Titel gibt es in Zoho nicht mehr")
    now = await drift(team)
    assert [(f.kind, f.field) for f in now.findings] == [(DriftKind.FIELD_GONE, "Titel")]
    assert (now.held_back, now.since is not None) == (1, True)
    # Asked once, whatever comes after it.
    await deliver(team, "5002")
    assert len(team.rows.events("pipeline_drifted")) == 1
    assert (await drift(team)).held_back == 1
    state = await RpcClient(team.client).call(SYNC_STATE, Empty(), actor=team.actor())
    assert {p.name: len(p.drift.findings) for p in state.pipelines if p.drift.findings} == {
        "Kunde (natürliche Person)": 1
    }


async def owned(team: "Team", **owner: Any) -> None:
    """Records of Kunden belong to the user of their Vermittler."""
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    fields = [m for m in fields if m["ameise"] != "vermittler_id"]
    mapped = {"ameise": "vermittler_id", "zoho": "Owner", "converter": "user", "way": "to_zoho"}
    await redefine(team, fields=[*fields, mapped | owner])


async def user_of_a_new_record(team: "Team") -> int:
    return int((await team.world.record(await team.world.add(Last_Name="Irgendwer")))["Owner"]["id"])


async def test_records_belong_to_the_mapped_user_as_long_as_he_can_sign_in(team: "Team") -> None:
    paula = await user_of_a_new_record(team)
    viktor, egon = str(paula + 1), str(paula + 2)  # the stand-in's users are numbered
    await owned(team, values={"1001": viktor, "1002": egon})
    assert await deliver(team, "5001", vermittler_id="1001") == []
    assert (await contact(team, "5001"))["Owner"]["name"] == "Viktor Vertrieb"
    # Egon is there, but cannot sign in; of a Vermittler who is not listed nothing is said.
    for vermittler in ("1002", "1009"):
        assert await deliver(team, "5001", vermittler_id=vermittler, beruf=vermittler) == []
        changed = await contact(team, "5001")
        assert (changed["Owner"]["name"], changed["Beruf"]) == ("Viktor Vertrieb", vermittler)
    [told] = team.rows.events("pipeline_drifted")
    assert told["data"]["fields"] == ["Owner"]
    assert (await drift(team)).held_back == 1


REFUSED = {"code": "OAUTH_SCOPE_MISMATCH", "status": "error", "message": "invalid oauth scope"}
NOBODY = {"users": [], "info": {"per_page": 200, "count": 0, "page": 1, "more_records": False}}


@pytest.mark.parametrize(("status", "body"), [(401, REFUSED), (200, NOBODY)])
async def test_a_connection_that_may_not_read_users_goes_on_and_says_what_is_missing(
    team: "Team", status: int, body: dict[str, Any]
) -> None:
    user = str(await user_of_a_new_record(team))
    await owned(team, default=user)
    await team.world.fault("status", "/users$", status=status, body=body)
    assert await deliver(team, "5001", vermittler_id="1001") == []
    assert (await contact(team, "5001"))["Owner"]["id"] == user
    assert [f.kind for f in (await drift(team)).findings] == [DriftKind.USERS_UNSEEN]


async def test_what_was_held_back_is_written_once_it_fits_again(team: "Team") -> None:
    await customise(team, Titel={"gone": True})
    await deliver(team, "5001", titel="Dr.")
    await deliver(team, "5002")
    await customise(team)
    await deliver(team, "5003")
    [over] = team.rows.events("pipeline_fits_again")
    assert over["data"]["since"]
    assert (await drift(team)).findings == ()
    assert team.ingest.asked_again[1:] == [(Table.KUNDE,)]  # the first was for the new pipelines
    # ingest tells all of the table; only what was held back is written.
    writes = len(await team.world.calls("PUT", "/Contacts"))
    await team.chunk(Table.KUNDE, ["5001", "5002", "5003"])
    assert await team.idle() == []
    assert (await contact(team, "5001"))["Titel"] == "Dr."
    assert len(await team.world.calls("PUT", "/Contacts")) == writes + 1


async def test_what_a_person_writes_into_a_changed_field_does_not_reach_ameise(team: "Team") -> None:
    number = await team.world.add_kunde(Nachname="Groß", Vorname="Anna", Beruf="Ärztin")
    await team.delivery([number])
    await team.idle()
    await customise(team, Beruf={"data_type": "integer"})
    await team.ingest.store([number])
    await deliver(team, "5009")  # a batch looks
    record = (await contact(team, number))["id"]
    await team.world.edit(record, Beruf=17, Titel="Dr.")
    await team.webhook(record)
    assert await team.idle() == []
    person = (await team.world.kunde(number))["Person"]
    assert (person["Beruf"], person["Titel"]) == ("Ärztin", "Dr.")


async def test_only_values_that_do_not_fit_are_held_back(team: "Team") -> None:
    await customise(team, Salutation={"values": ["Herr", "Frau"]}, Last_Name={"length": 5})
    assert await deliver(team, "5001", anrede_id="2") == []
    assert (await contact(team, "5001"))["Salutation"] == "Frau"
    assert (await drift(team)).held_back == 0
    assert await deliver(team, "5001", anrede_id="4", nachname="Lang-Mühl", beruf="Koch") == []
    now = await contact(team, "5001")
    assert (now["Salutation"], now["Last_Name"], now["Beruf"]) == ("Frau", "Groß", "Koch")
    assert (await drift(team)).held_back == 2


async def test_without_its_module_a_pipeline_waits_and_the_others_go_on(team: "Team") -> None:
    await customise(team, gone=True)
    team.ingest.put(Table.KUNDE, "5001", GROSS | {"ameise_id": "5001"})
    team.ingest.put(Table.KUNDE, "5002", {"nachname": "AG", "juristische_person": True, "ameise_id": "5002"})
    await team.chunk(Table.KUNDE, ["5001", "5002"])
    await team.postponed("das Modul Contacts gibt es in Zoho nicht mehr")
    async with asyncio.timeout(10):
        while await team.world.contact_of("5002", "Accounts") is None:
            await asyncio.sleep(0.03)
    assert (await drift(team, "Accounts")).findings == ()
    await customise(team)
    assert await team.hurried() == []
    assert (await contact(team, "5001"))["Last_Name"] == "Groß"


async def test_the_ready_pipelines_fit_the_modules_that_the_handbook_asks_for(team: "Team") -> None:
    await RpcClient(team.client).call(COMPARE, CompareRequest(links=True), actor=team.actor())
    states = [await drift(team, module) for module in ("Contacts", "Accounts", "Vertraege")]
    assert [state.findings for state in states] == [(), (), ()]
    assert None not in [state.checked_at for state in states]


async def test_the_nightly_look_finds_it_without_any_work(team: "Team") -> None:
    await customise(team, "Vertraege", Status={"gone": True})
    await RpcClient(team.client).call(COMPARE, CompareRequest(links=True), actor=team.actor())
    [told] = team.rows.events("pipeline_drifted")
    assert (told["data"]["module"], told["data"]["fields"]) == ("Vertraege", ["Status"])


async def test_a_corrected_mapping_is_judged_anew(team: "Team") -> None:
    await customise(team, Titel={"gone": True})
    await deliver(team, "5001")
    mapped = (await definition_of(team, "Contacts")).fields
    await redefine(team, fields=tuple(m for m in mapped if m.zoho != "Titel"))
    assert (await drift(team)).findings == ()
    await deliver(team, "5002")
    assert len(team.rows.events("pipeline_fits_again")) == 1


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 403, "body": {"code": "NO_PERMISSION"}}, {"kind": "status", "status": 204}],
)
async def test_metadata_that_cannot_be_seen_hold_nothing_up(team: "Team", fault: dict[str, Any]) -> None:
    await team.world.fault(path="/settings/", **fault)
    assert await deliver(team, "5001", titel="Dr.") == []
    assert (await contact(team, "5001"))["Titel"] == "Dr."
    assert team.rows.events("pipeline_drifted") == []


async def test_metadata_are_asked_for_once_in_a_while(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
    team_of: Callable[..., Any],
) -> None:
    async with sync_with(zoho_metadata_kept=timedelta(hours=1)):
        team = await team_of(BERLIN)
        await team.create_pipelines()
        await deliver(team, "5001")
        await deliver(team, "5002")
        asked = [c["path"].rpartition("/")[2] for c in await team.world.calls("GET", "/settings/")]
        # Contacts and Accounts, each once.
        assert sorted(asked) == ["fields", "fields", "layouts", "layouts", "modules", "modules"]
        assert await team.world.calls("GET", "/users") == []


async def test_a_look_that_failed_for_a_person_leaves_what_was_read_before(
    sync_with: Callable[..., AbstractAsyncContextManager[Foundation]],
    team_of: Callable[..., Any],
) -> None:
    async with sync_with(zoho_metadata_kept=timedelta(hours=1)):
        team = await team_of(BERLIN)
        await team.create_pipelines()
        await customise(team, Titel={"gone": True})
        await deliver(team, "5001")
        await team.world.fault("status", "/settings/", status=503, times=1)
        await redefine(team, policy="ask")  # whoever saves looks anew, and Zoho does not answer
        await deliver(team, "5002", titel="Dr.")
        assert [f.kind for f in (await drift(team)).findings] == [DriftKind.FIELD_GONE]


async def test_users_are_asked_for_once_where_pipelines_map_them(team: "Team") -> None:
    owner = {"ameise": "betreuer", "zoho": "Owner", "converter": "user", "way": "to_zoho", "default": "77"}
    for module in ("Contacts", "Accounts"):
        fields = [m.model_dump() for m in (await definition_of(team, module)).fields]
        await redefine(team, module, fields=[*fields, owner | {"parts": ["vermittler_id"]}])
    await RpcClient(team.client).call(COMPARE, CompareRequest(links=True), actor=team.actor())
    for module in ("Contacts", "Accounts"):
        assert [f.kind for f in (await drift(team, module)).findings] == [DriftKind.VALUE_UNKNOWN]
    assert len(await team.world.calls("GET", "/users")) == 1
