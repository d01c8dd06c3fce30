"""A pipeline tried on everything: counts as the work would decide, nothing written, and one at a time."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redefining import redefine

from chassis.rpc import RpcClient
from contracts.actor import Role
from contracts.ids import PipelineId
from contracts.names import Table
from contracts.problems import Conflict, Forbidden, NotFound, Problem
from contracts.problems import Unavailable as NoAnswer
from contracts.rpc.sync_dry_run import DRY_RUN, GET_DRY_RUN, DryRun, DryRunState
from contracts.rpc.sync_pipelines import DELETE_PIPELINE, DeletePipeline, PipelineRequest
from contracts.rpc.sync_preview import Foreseen
from sync import dry_run
from sync.dry_run import after_error
from vendor.errors import NotConnected, NotNow, Rejected, Unavailable, VendorError

if TYPE_CHECKING:
    from conftest import Team

GROSS = {"nachname": "Groß", "vorname": "Anna", "juristische_person": False}


def put(team: "Team", key: str, *, gone: bool = False, **fields: Any) -> None:
    team.ingest.put(Table.KUNDE, key, GROSS | {"ameise_id": key} | fields, gone=gone)


def wanted(team: "Team", module: str = "Contacts") -> PipelineRequest:
    return PipelineRequest(pipeline=team.pipelines[module].id)


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wakes a run for what a test changes behind its back."""
    monkeypatch.setattr(dry_run, "POLL_SECONDS", 0.1)


async def begin(team: "Team", module: str = "Contacts") -> DryRun:
    return await RpcClient(team.client).call(DRY_RUN, wanted(team, module), actor=team.actor())


async def last(team: "Team", module: str = "Contacts") -> DryRun | None:
    return (await RpcClient(team.client).call(GET_DRY_RUN, wanted(team, module), actor=team.actor())).run


async def ended(team: "Team", module: str = "Contacts") -> DryRun:
    async with asyncio.timeout(20):
        while (run := await last(team, module)) is None or run.state is DryRunState.RUNNING:
            await asyncio.sleep(0.03)
    return run


async def tried(team: "Team", module: str = "Contacts") -> DryRun:
    await begin(team, module)
    return await ended(team, module)


async def linked(team: "Team", *names: str) -> list[tuple[str, str]]:
    """Kunden who are in both, and in step: (Kundennummer, id of the Contact)."""
    numbers = [await team.world.add_kunde(Nachname=name) for name in names]
    await team.delivery(numbers)
    assert await team.idle() == []
    contacts = [await team.world.contact_of(number) for number in numbers]
    return [(n, c["id"]) for n, c in zip(numbers, contacts, strict=True) if c is not None]


async def writes(team: "Team") -> int:
    return len(await team.world.calls("PUT", "/crm/v8")) + len(await team.world.calls("POST", "/upsert"))


@pytest.mark.parametrize(
    ("error", "reason", "waits"),
    [
        (
            NotNow("zoho", "das Tageskontingent reicht nicht", after=timedelta(minutes=5)),
            "Tageskontingent",
            300,
        ),
        (Unavailable("zoho", "503"), "Zoho antwortet zurzeit nicht", 10),
        (NoAnswer("ingest"), "die Lieferungen sind nicht zu lesen: ingest", 10),
        (NotConnected("zoho", "dead"), "Zoho ist nicht verbunden", None),
        (
            Rejected("zoho", "no", code="NO_PERMISSION"),
            "der verbundene Zoho-Benutzer darf das nicht (NO_PERMISSION)",
            None,
        ),
    ],
)
def test_what_passes_is_waited_for_and_what_a_person_must_mend_ends_it(
    error: VendorError | Problem, reason: str, waits: int | None
) -> None:
    told, delay = after_error(error)
    assert reason in told
    assert (delay.total_seconds() if delay else None) == waits


async def test_every_outcome_is_counted_and_nothing_is_written(team: "Team") -> None:
    await redefine(team, ameise_rule={"field": "beruf", "compare": "not_equals", "value": "Test"})
    (first, _), (second, record), (_, _), (fourth, deleted) = await linked(team, "A", "B", "C", "D")
    await team.world.edit_kunde(first, Titel="Dr.")
    await team.world.edit_kunde(second, Beruf="Ärztin in A")
    await team.world.edit(record, Beruf="Ärztin in Z")
    await team.world.edit_kunde(fourth, Titel="Dr.")
    await team.world.delete(deleted)
    await team.ingest.store([first, second, fourth])
    put(team, "6001", beruf=None)
    put(team, "6002", beruf="Test")
    put(team, "6003", beruf="lang", email="keine")
    put(team, "6004", gone=True)
    before = (team.rows.links(), team.rows.work(), len(team.rows.events()), await writes(team))
    run = await tried(team)
    assert (run.state, run.done, run.total, run.reason) == (DryRunState.DONE, 8, 8, None)
    assert run.counts.outcomes == {
        Foreseen.CREATE_RECORD: 1, Foreseen.UPDATE: 2, Foreseen.UNCHANGED: 1, Foreseen.EXCLUDED: 1,
        Foreseen.PARKED: 1, Foreseen.GONE: 1, Foreseen.GONE_IN_ZOHO: 1,
    }  # fmt: skip
    assert (run.counts.updates, run.counts.conflicts, run.counts.read) == (2, 1, 3)
    [(reason, count)] = run.counts.parked.items()
    assert (reason.startswith("abgelehnt: Email"), count) == (True, 1)
    assert (run.credits.reads, run.credits.writes, run.credits.by_bulk) == (1, 2, None)
    after = (team.rows.links(), team.rows.work(), len(team.rows.events()), await writes(team))
    assert after == before


async def test_records_are_read_a_hundred_at_a_time_as_the_work_does(team: "Team") -> None:
    await linked(team, *(f"Nr{number}" for number in range(12)))
    team.rows.change("UPDATE judged SET outcome = 'void'")
    reads = len(await team.world.calls("GET", "/crm/v8/Contacts"))
    run = await tried(team)
    assert (run.counts.outcomes, run.credits.reads) == ({Foreseen.UNCHANGED: 12}, 1)
    # The played ingest has pages of three: one call each.
    assert len(await team.world.calls("GET", "/crm/v8/Contacts")) == reads + 4


async def test_a_vertrag_whose_kunde_was_never_judged_would_wait(team: "Team") -> None:
    put(team, "5001")
    team.ingest.put(Table.VERTRAG, "77001", {"ameise_id": "77001", "kunde_id": "5001", "sparte": "PKW"})
    run = await tried(team, "Vertraege")
    assert run.counts.outcomes == {Foreseen.WAITS: 1}


async def test_nothing_delivered_is_nothing_to_do(team: "Team") -> None:
    assert await last(team) is None
    run = await tried(team)
    assert (run.state, run.total, run.counts.outcomes) == (DryRunState.DONE, 0, {})


async def test_values_that_no_longer_fit_are_counted(team: "Team") -> None:
    await team.world.customise("Contacts", {"fields": {"Titel": {"gone": True}}})
    put(team, "5001", titel="Dr.")
    run = await tried(team)
    assert (run.counts.outcomes, run.counts.held_back) == ({Foreseen.CREATE_RECORD: 1}, 1)


async def test_zoho_away_makes_it_wait_and_a_new_one_takes_its_place(team: "Team") -> None:
    [(number, _)] = await linked(team, "A")
    await team.world.edit_kunde(number, Titel="Dr.")
    await team.ingest.store([number])
    await team.world.fault("status", "/crm/v8/Contacts", status=503)
    old = await begin(team)
    async with asyncio.timeout(20):
        while (run := await last(team)) is None or run.reason is None:
            await asyncio.sleep(0.03)
    assert (run.state, run.id, run.done) == (DryRunState.RUNNING, old.id, 0)
    await team.world.well_again()
    new = await begin(team)
    run = await ended(team)
    assert (run.id, run.id != old.id, run.state) == (new.id, True, DryRunState.DONE)
    assert run.counts.outcomes == {Foreseen.UPDATE: 1}


@pytest.mark.usefixtures("looking_often")
async def test_another_process_goes_on_where_one_was_killed(team: "Team") -> None:
    for number in range(7):
        put(team, f"{5000 + number}")
    await tried(team)
    counts = '{"outcomes": {"create_record": 3}}'
    team.rows.change(
        "UPDATE dry_run SET state = 'running', done = 3, after = '5002', counts = CAST(%s AS jsonb)", counts
    )
    run = await ended(team)
    assert (run.done, run.total, run.counts.outcomes) == (7, 7, {Foreseen.CREATE_RECORD: 7})
    assert team.rows.select("SELECT after FROM dry_run") == [{"after": ""}]


@pytest.mark.usefixtures("looking_often")
async def test_a_definition_that_changed_ends_it(team: "Team") -> None:
    put(team, "5001")
    await tried(team)
    await redefine(team, recreate=True)
    team.rows.change("UPDATE dry_run SET state = 'running'")
    run = await ended(team)
    assert (run.state, run.reason) == (DryRunState.FAILED, "die Pipeline wurde inzwischen geändert")


async def test_without_its_module_it_cannot_be_tried(team: "Team") -> None:
    await team.world.customise("Contacts", {"gone": True})
    put(team, "5001")
    run = await tried(team)
    assert (run.state, run.reason) == (DryRunState.FAILED, "das Modul Contacts gibt es in Zoho nicht mehr")


async def test_who_may_not_and_what_cannot_be_tried(team: "Team") -> None:
    rpc = RpcClient(team.client)
    with pytest.raises(Forbidden):
        await rpc.call(DRY_RUN, wanted(team), actor=team.actor(Role.USER))
    with pytest.raises(NotFound, match="keine Pipeline"):
        await rpc.call(DRY_RUN, PipelineRequest(pipeline=PipelineId("99")), actor=team.actor())
    await redefine(team, direction="to_ameise")
    with pytest.raises(Conflict, match="nach Zoho"):
        await begin(team)


async def test_a_deleted_pipeline_takes_its_run_along(team: "Team") -> None:
    await tried(team)
    request = DeletePipeline(pipeline=team.pipelines["Contacts"].id, links_too=True)
    await RpcClient(team.client).call(DELETE_PIPELINE, request, actor=team.actor())
    assert team.rows.select("SELECT * FROM dry_run") == []
