"""The values of a mapped picklist, from ingest's list and Zoho's metadata."""

from typing import TYPE_CHECKING, Any

import pytest
from redefining import definition_of, redefine

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.names import Table
from contracts.problems import Forbidden, Invalid, NotFound
from contracts.rpc.sync_values import SUGGEST_VALUES, ListEntry, SuggestedValues, SuggestValues

if TYPE_CHECKING:
    from conftest import Team


async def suggested(team: "Team", field: str, *, role: Role = Role.ADMIN) -> SuggestedValues:
    request = SuggestValues(pipeline=team.pipelines["Contacts"].id, field=field)
    return await RpcClient(team.client).call(SUGGEST_VALUES, request, actor=team.actor(role))


async def test_entries_meet_zohos_values_and_what_is_left_is_named(team: "Team") -> None:
    for key, text in {"1": "Herr", "2": "frau ", "3": "Firma", "4": "Divers", "5": "Frau"}.items():
        team.ingest.put(Table.ANREDE, key, {"id": key, "text": text})
    team.ingest.put(Table.ANREDE, "6", {}, gone=True)
    found = await suggested(team, "anrede_id")
    assert found == await suggested(team, "Salutation")
    assert (found.table, found.values["1"], found.values["2"], found.values["5"]) == (
        Table.ANREDE, "Herr", "Frau", "Frau",
    )  # fmt: skip
    assert (found.texts["1"], found.texts["2"], set(found.texts)) == ("Herr", "frau", set(found.values))
    assert ListEntry(value="3", text="Firma") in found.unmatched
    assert not set(found.unused) & set(found.values.values())


async def map_owner(team: "Team", **more: Any) -> None:
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, "Contacts")).fields]
    fields = [m for m in fields if m["ameise"] != "vermittler_id"]
    owner = {"ameise": "vermittler_id", "zoho": "Owner", "converter": "user", "way": "to_zoho"}
    await redefine(team, fields=[*fields, owner | more])


async def test_vermittler_meet_zohos_users_by_name_and_people_see_who_they_are(team: "Team") -> None:
    for key, name in {"1001": "viktor vertrieb", "1002": "Egon Ehemals"}.items():
        team.ingest.put(Table.VERMITTLER, key, {"id": key, "name": name})
    await map_owner(team, values={"1003": "77"})
    found = await suggested(team, "vermittler_id")
    [(entry, user)] = found.values.items()
    assert entry == "1001"
    assert found.names[user].startswith("Viktor Vertrieb <viktor@")
    assert [one.text for one in found.unmatched] == ["Egon Ehemals"]  # he cannot sign in any more
    assert len(found.unused) == 2


async def test_a_connection_that_may_not_read_users_says_so(team: "Team") -> None:
    await map_owner(team, values={"1003": "77"})
    refused = {"code": "OAUTH_SCOPE_MISMATCH", "status": "error", "message": "invalid oauth scope"}
    await team.world.fault("status", "/users$", status=401, body=refused)
    with pytest.raises(Invalid, match=r"ZohoCRM\.users\.READ"):
        await suggested(team, "vermittler_id")


async def test_a_field_that_is_no_list_or_no_picklist_or_not_mapped_is_refused(team: "Team") -> None:
    with pytest.raises(Invalid, match="aus keiner Liste"):
        await suggested(team, "nachname")
    with pytest.raises(Invalid, match="keine Auswahlliste"):
        await suggested(team, "vermittler_id")
    with pytest.raises(NotFound, match="kein Feld"):
        await suggested(team, "Nichts")
    with pytest.raises(Forbidden):
        await suggested(team, "anrede_id", role=Role.USER)
