"""The values of a mapped picklist, from ingest's list and Zoho's metadata."""

from typing import TYPE_CHECKING

import pytest

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
    assert ListEntry(value="3", text="Firma") in found.unmatched
    assert not set(found.unused) & set(found.values.values())


async def test_a_field_that_is_no_list_or_no_picklist_or_not_mapped_is_refused(team: "Team") -> None:
    with pytest.raises(Invalid, match="aus keiner Liste"):
        await suggested(team, "nachname")
    with pytest.raises(Invalid, match="keine Auswahlliste"):
        await suggested(team, "vermittler_id")
    with pytest.raises(NotFound, match="kein Feld"):
        await suggested(team, "Nichts")
    with pytest.raises(Forbidden):
        await suggested(team, "anrede_id", role=Role.USER)
