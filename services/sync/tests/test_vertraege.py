"""A Vertrag typed into Zoho becomes one in Ameise, once; what a connection cannot do is refused clearly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from redefining import definition_of, redefine
from typed_vertraege import MODULE, kunde_with_contact, lost_answer, typed

from chassis.database import Database
from chassis.rpc import RpcClient
from contracts.names import Table
from contracts.problems import NotFound
from contracts.rpc.sync_capabilities import CAPABILITIES, SET_CAPABILITIES, AskCapabilities, SetCapabilities
from contracts.rpc.sync_parked import ParkedCause
from contracts.rpc.sync_preview import PREVIEW, Foreseen, ObjectPreview, PreviewRequest
from sync import parked_store, pipeline_store
from sync.retry import Park

if TYPE_CHECKING:
    from conftest import Team

    from contracts.ids import TenantId


@pytest.fixture
async def kunde(team: "Team") -> tuple[str, str]:
    return await kunde_with_contact(team)


async def capable(team: "Team", **changes: bool) -> None:
    request = SetCapabilities(connection=team.auth.ameise.id, **changes)
    await RpcClient(team.client).call(SET_CAPABILITIES, request, actor=team.actor())


async def preview(team: "Team", record: str) -> ObjectPreview:
    request = PreviewRequest(pipeline=team.pipelines[MODULE].id, zoho_id=record)
    [shown] = (await RpcClient(team.client).call(PREVIEW, request, actor=team.actor())).objects
    return shown


async def posted(team: "Team") -> int:
    return len(await team.world.calls("POST", "/vertraege"))


async def test_a_vertrag_typed_into_zoho_is_made_for_the_kunde_of_its_lookup(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    record = await typed(team, contact)
    shown = await preview(team, record)
    [whose] = [f.to_ameise for f in shown.fields if f.ameise == "kunde_id"]
    assert shown.foreseen is Foreseen.CREATE_VERTRAG
    assert whose is not None
    assert whose.value == number
    await team.webhook(record, MODULE)
    assert await team.idle() == []
    [vertrag] = await team.world.vertraege_of(number)
    assert (vertrag["Kunde"], vertrag["Sparte"], vertrag["Beitrag"]["Netto"]) == (number, "050", "120.50")
    assert (vertrag["Laufzeit"]["Beginn"], vertrag["Risiko"]) == ("2026-01-01", "Wohnung")
    back = await team.world.record(record, MODULE)
    assert back["Vertragsnummer"] == vertrag["Id"]
    assert vertrag["Id"] in back["Ameise_Link"]
    assert back["Kunde"]["id"] == contact
    told = [e["data"]["object"] for e in team.rows.events("written_to_ameise")]
    assert [(o["table"], o["key"], o["action"]) for o in told] == [("vertrag", vertrag["Id"], "created")]
    assert "4711" not in str(team.rows.events())


async def test_what_a_new_vertrag_leaves_blank_has_defaults(team: "Team", kunde: tuple[str, str]) -> None:
    number, contact = kunde
    await redefine(team, MODULE, new_vertrag={"risiko": "Einfamilienhaus", "zahlweise_id": "1"})
    first = await typed(team, contact, Risiko=None)
    [risiko] = [f.to_ameise for f in (await preview(team, first)).fields if f.ameise == "risiko"]
    assert risiko is not None
    assert risiko.value == "Einfamilienhaus"
    await team.webhook(first, MODULE)
    await team.webhook(await typed(team, contact, Versicherungsscheinnummer="KV 1"), MODULE)
    assert await team.idle() == []
    made = await team.world.vertraege_of(number)
    assert {v["Risiko"] for v in made} == {"Einfamilienhaus", "Wohnung"}
    assert {v["Beitrag"]["Zahlweise"] for v in made} == {"1"}
    assert (await team.world.record(first, MODULE))["Risiko"] == "Einfamilienhaus"


async def test_defaults_do_not_tell_whether_the_kunde_has_the_vertrag(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    usual = {"versicherungsscheinnummer": "beantragt", "sparte_id": "060"}
    await redefine(team, MODULE, new_vertrag=usual)
    of_day = {"Versicherungsscheinnummer": "beantragt", "Laufzeit": {"Beginn": "2026-01-01"}}
    await team.world.add_vertrag(number, Sparte="010", **of_day)
    alike = await team.world.add_vertrag(number, Sparte="050", **of_day)
    await team.webhook(
        await typed(team, contact, Versicherungsscheinnummer=None, Beginn="2026-03-01"), MODULE
    )
    assert await team.idle() == []
    assert [v["Versicherungsscheinnummer"] for v in await team.world.vertraege_of(number)] == [
        "beantragt"
    ] * 3

    unsure = await typed(team, contact, Versicherungsscheinnummer=None)
    await team.webhook(unsure, MODULE)
    [parked] = await team.idle()
    assert (parked["cause"], parked["candidates"]) == (ParkedCause.SIMILAR_VERTRAEGE, [alike])
    await team.world.edit(unsure, MODULE, Sparte=None)  # the default Sparte is not that of the two
    await team.webhook(unsure, MODULE)
    [parked] = await team.idle()
    assert len(parked["candidates"]) == 2


async def test_one_form_twice_without_a_number_is_one_vertrag_though_it_comes_late(
    team: "Team", kunde: tuple[str, str]
) -> None:
    await redefine(team, MODULE, new_vertrag={"versicherungsscheinnummer": "beantragt"})
    await lost_answer(team, kunde[1], Versicherungsscheinnummer=None)
    await team.webhook(await typed(team, kunde[1], Versicherungsscheinnummer=None, Name="Zwei"), MODULE)
    async with asyncio.timeout(10):
        while not (parked := team.rows.parked()):
            await asyncio.sleep(0.03)
    assert [row["cause"] for row in parked] == [ParkedCause.TWIN_RECORD]


async def test_a_vertrag_parked_for_want_of_its_kunde_goes_on_once_he_is_linked(
    team: "Team", kunde: tuple[str, str]
) -> None:
    contact = await team.world.add(
        Salutation="Frau", First_Name="Anna", Last_Name="Spät", Date_of_Birth="1990-01-02"
    )
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    waiting = await team.postponed("wartet darauf, dass sein Kunde verknüpft wird")
    long_ago = "UPDATE work SET failing_since = now() - interval '16 minutes' WHERE id = %s"
    team.rows.change(long_ago, waiting["id"])
    [parked] = await team.hurried()
    assert parked["cause"] == ParkedCause.KUNDE_NOT_LINKED
    await team.webhook(contact)
    assert await team.idle() == []
    [number] = await team.world.named("Spät")
    assert len(await team.world.vertraege_of(number)) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_a_kunde_who_is_linked_while_his_vertrag_is_being_parked_is_not_missed(
    team: "Team", kunde: tuple[str, str], known: bool
) -> None:
    """`known`: whether there is a row for the link of his record already."""
    number = await team.world.add_kunde(Nachname="Spät")
    contact = await team.world.add(Last_Name="Spät")
    await team.webhook(await typed(team, contact), MODULE)
    waiting = await team.postponed("wartet darauf, dass sein Kunde verknüpft wird")
    if known:
        team.rows.change(NEW_LINK, contact, None, None)
    with psycopg.connect(team.rows.url) as linking:
        linking.execute(
            f"{NEW_LINK} ON CONFLICT (tenant, zoho_connection, module, zoho_id) "
            "DO UPDATE SET ameise_key = excluded.ameise_key, linked_at = excluded.linked_at".encode(),
            [contact, number, datetime.now(UTC)],
        )
        long_ago = "UPDATE work SET failing_since = now() - interval '16 minutes' WHERE id = %s"
        team.rows.change(long_ago, waiting["id"])
        team.hurry()
        async with asyncio.timeout(20):
            while not (team.rows.select(WAITS_FOR_A_LOCK) or team.rows.parked()):
                await asyncio.sleep(0.03)
    assert await team.hurried() == []
    assert len(await team.world.vertraege_of(number)) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_nobody_is_linked_unseen_until_his_vertrag_is_parked(
    team: "Team", kunde: tuple[str, str], database: Database, known: bool
) -> None:
    contact = await team.world.add(Last_Name="Spät")
    if known:
        team.rows.change(NEW_LINK, contact, None, None)
    parked = Park(ParkedCause.KUNDE_NOT_LINKED, {"field": "Kunde", "record": contact})
    async with database.tenant(team.tenant) as session:
        pipeline = await pipeline_store.load(session, team.pipelines[MODULE].id)
        assert pipeline is not None
        assert await parked_store.kunde_is_linked(session, pipeline, parked) is False
        with (
            psycopg.connect(team.rows.url, options="-c lock_timeout=200ms") as linking,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            linking.execute(
                f"{NEW_LINK} ON CONFLICT (tenant, zoho_connection, module, zoho_id) "
                "DO UPDATE SET ameise_key = excluded.ameise_key".encode(),
                [contact, "5001", None],
            )


NEW_LINK = """
INSERT INTO link
    (tenant, zoho_connection, module, ameise_connection, table_name, zoho_id, ameise_key, linked_at)
SELECT tenant, zoho_connection, module, ameise_connection, table_name, %s, %s, %s FROM pipeline
WHERE module = 'Contacts'
"""
WAITS_FOR_A_LOCK = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_the_next_delivery_meets_the_vertrag_and_changes_nothing(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    await team.webhook(await typed(team, contact), MODULE)
    await team.idle()
    await team.delivery([number])
    assert await team.idle() == []
    assert len(await team.world.records(MODULE)) == 1
    assert await posted(team) == 1


async def test_two_records_of_one_vertrag_at_once_give_one_vertrag_and_one_question(
    team: "Team", kunde: tuple[str, str]
) -> None:
    records = [await typed(team, kunde[1]), await typed(team, kunde[1], Name="Nochmal")]
    await asyncio.gather(*(team.webhook(record, MODULE) for record in records))
    [parked] = await team.idle()
    assert parked["cause"] == ParkedCause.TWIN_RECORD
    assert await posted(team) == 1


async def test_a_vertrag_that_the_kunde_has_already_is_linked(team: "Team", kunde: tuple[str, str]) -> None:
    number, contact = kunde
    there = await team.world.add_vertrag(number, Versicherungsscheinnummer="hr4711-1", Sparte="050")
    record = await typed(team, contact, Risiko=None, Beitrag_netto=None, Beginn=None)
    await team.webhook(record, MODULE)
    [parked] = await team.idle()
    assert parked["cause"] == ParkedCause.FIELDS_MISSING  # nothing is looked for before all is there
    await team.world.edit(record, MODULE, Risiko="Wohnung", Beitrag_netto=120.5, Beginn="2026-01-01")
    await capable(team, changes_vertraege=True)
    await team.world.knobs(ameise_changes_vertraege=True)
    await team.webhook(record, MODULE)
    assert await team.idle() == []
    assert (await team.world.record(record, MODULE))["Vertragsnummer"] == there
    assert [e["data"]["object"]["key"] for e in team.rows.events("adopted")] == [there]
    assert (await team.world.vertraege_of(number))[0]["Risiko"] == "Wohnung"
    assert await posted(team) == 1  # the one that the test made


async def test_a_vertrag_without_a_number_that_may_be_the_same_is_a_question(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    there = await team.world.add_vertrag(number, Sparte="050", Laufzeit={"Beginn": "2026-01-01"})
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    [parked] = await team.idle()
    assert parked["reason"] == f"unklar: könnte Vertrag {there} sein"
    assert (await preview(team, record)).foreseen is Foreseen.PARKED


async def test_an_answer_that_got_lost_is_no_second_vertrag(team: "Team", kunde: tuple[str, str]) -> None:
    number, contact = kunde
    record = await lost_answer(team, contact)
    assert await team.hurried() == []
    [vertrag] = await team.world.vertraege_of(number)
    assert (await team.world.record(record, MODULE))["Vertragsnummer"] == vertrag["Id"]


async def test_a_text_field_says_whose_a_vertrag_is_if_it_holds_a_kundennummer(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, _ = kunde
    fields = [m.model_dump(mode="json") for m in (await definition_of(team, MODULE)).fields]
    fields = [m for m in fields if m["zoho"] not in {"Gesellschaft", "Status"}]
    of_kunde = {"way": "to_zoho", "parts": ["kunde_id"]}
    text = of_kunde | {"ameise": "kundennummer", "zoho": "Gesellschaft"}
    link = {"ameise": "portal", "zoho": "Status", "converter": "link", "template": "{base}{value}"}
    await redefine(team, MODULE, fields=[*fields, text, of_kunde | link])

    record = await typed(team, None, Gesellschaft=number, Status=f"https://portal.example/{number}")
    await team.webhook(record, MODULE)
    assert await team.idle() == []
    assert len(await team.world.vertraege_of(number)) == 1

    await team.webhook(await typed(team, None, Gesellschaft="ARAG SE"), MODULE)
    [parked] = await team.idle()
    assert parked["reason"] == "abgelehnt: in Gesellschaft steht keine Kundennummer"


async def test_what_was_made_is_found_though_the_number_was_edited_meanwhile(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    record = await lost_answer(team, contact)
    await team.world.edit(record, MODULE, Versicherungsscheinnummer="HR 4712")
    assert await team.hurried() == []
    [vertrag] = await team.world.vertraege_of(number)
    assert (await team.world.record(record, MODULE))["Vertragsnummer"] == vertrag["Id"]


async def test_a_number_typed_by_a_person_settles_what_was_open(team: "Team", kunde: tuple[str, str]) -> None:
    number, contact = kunde
    record = await lost_answer(team, contact)
    [made] = await team.world.vertraege_of(number)
    await team.world.edit(record, MODULE, Vertragsnummer=made["Id"])
    assert await team.hurried() == []
    assert intents(team) == [{"zoho_id": record, "outcome": "adopted", "ameise_key": made["Id"]}]


async def test_a_number_that_was_there_before_ends_nothing_and_what_was_posted_gets_a_record_of_its_own(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    before = await team.world.add_vertrag(number, Versicherungsscheinnummer="KV 1", Sparte="050")
    record = await lost_answer(team, contact)
    await team.world.edit(record, MODULE, Vertragsnummer=before, Versicherungsscheinnummer="KV 1")
    await capable(team, changes_vertraege=True)
    await team.world.knobs(ameise_changes_vertraege=True)
    assert await team.hurried() == []
    assert intents(team) == [{"zoho_id": record, "outcome": "open", "ameise_key": None}]

    await team.delivery([number])
    assert await team.idle() == []
    [late] = [v["Id"] for v in await team.world.vertraege_of(number) if v["Id"] != before]
    assert await record_of(team, late) != record
    assert await record_of(team, before) == record
    # Another form like it is a question for a day, and then none that nobody can answer.
    await team.webhook(await typed(team, contact, Versicherungsscheinnummer="HR 4711/1", Name="Zwei"), MODULE)
    [parked] = await team.idle()
    assert parked["cause"] == ParkedCause.TWIN_RECORD
    team.rows.change("UPDATE intent SET created_at = now() - interval '2 days'")
    await team.webhook(parked["object"], MODULE)
    [parked] = await team.idle()
    assert parked["cause"] != ParkedCause.TWIN_RECORD


async def test_a_delivery_meets_the_open_record_of_the_same_kunde_only(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    other = await team.world.add_kunde(Nachname="Nachbar")
    await team.delivery([other])
    assert await team.idle() == []
    theirs = await team.world.add_vertrag(other, Versicherungsscheinnummer="HR 4711/1", Sparte="050")
    record = await lost_answer(team, contact)
    await team.delivery([other])
    assert await record_of(team, theirs) != record
    assert intents(team) == [{"zoho_id": record, "outcome": "open", "ameise_key": None}]

    await team.delivery([number])
    [ours] = [v["Id"] for v in await team.world.vertraege_of(number)]
    assert await record_of(team, ours) == record
    assert intents(team) == [{"zoho_id": record, "outcome": "adopted", "ameise_key": ours}]


def intents(team: "Team") -> list[dict[str, Any]]:
    return team.rows.select("SELECT zoho_id, outcome, ameise_key FROM intent WHERE table_name = 'vertrag'")


async def record_of(team: "Team", vertrag: str) -> str:
    """Wait until a Vertrag of a delivery is linked; the id of its record."""
    async with asyncio.timeout(20):
        while True:
            for link in team.rows.links():
                if link["ameise_key"] == vertrag and link["linked_at"]:
                    return link["zoho_id"]
            await asyncio.sleep(0.05)


async def test_a_vertrag_waits_for_its_kunde_who_is_just_being_made(
    team: "Team", kunde: tuple[str, str]
) -> None:
    contact = await team.world.add(Last_Name="Später", First_Name="Anna", Salutation="Frau")
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    await team.postponed("wartet darauf, dass sein Kunde verknüpft wird")
    await team.webhook(contact)
    assert await team.hurried() == []
    number = (await team.world.record(contact))["Kundennummer"]
    assert len(await team.world.vertraege_of(number)) == 1
    assert kunde[0] != number


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Kunde": None}, "unvollständig: für die Anlage fehlt Kunde"),
        (
            {"Versicherungsscheinnummer": None},
            "unvollständig: für die Anlage fehlt Versicherungsscheinnummer",
        ),
        ({"Sparte": "Raumfahrt"}, "abgelehnt: Sparte gibt es in Ameise nicht"),
        ({"Vertragsnummer": "1"}, "abgelehnt: Vertrag 1 gibt es in Ameise nicht (oder nicht für uns)"),
        ({"Vertragsnummer": "eins"}, "abgelehnt: in Vertragsnummer steht keine Nummer"),
    ],
)
async def test_what_ameise_would_not_take_is_parked_before_it_is_asked(
    team: "Team", kunde: tuple[str, str], values: dict[str, Any], reason: str
) -> None:
    await team.webhook(await typed(team, kunde[1], **values), MODULE)
    [parked] = await team.idle()
    assert parked["reason"] == reason
    assert await posted(team) == 0


async def test_a_change_is_refused_until_an_admin_says_that_the_connection_can_do_it(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    assert await team.idle() == []
    await team.world.edit(record, MODULE, Risiko="Haus")
    await team.webhook(record, MODULE)
    [parked] = await team.idle()
    assert parked["reason"] == "abgelehnt: diese Ameise-Verbindung kann Verträge nicht ändern (risiko)"
    assert await team.world.calls("PUT", "/vertraege") == []
    assert (await preview(team, record)).foreseen is Foreseen.PARKED

    await capable(team, changes_vertraege=True)
    await team.retry(parked["id"])
    [parked] = await team.idle()
    assert parked["reason"].startswith("abgelehnt: ")  # Ameise's own 405: the admin was wrong
    assert len(await team.world.calls("PUT", "/vertraege")) == 1

    await team.world.knobs(ameise_changes_vertraege=True)
    await team.retry(parked["id"])
    assert await team.idle() == []
    assert (await team.world.vertraege_of(number))[0]["Risiko"] == "Haus"
    [told] = team.rows.events("capabilities_changed")
    assert (told["data"]["creates_vertraege"], told["data"]["changes_vertraege"]) == (True, True)


async def test_a_connection_that_may_not_create_says_so(team: "Team", kunde: tuple[str, str]) -> None:
    await capable(team, creates_vertraege=False)
    record = await typed(team, kunde[1])
    assert (await preview(team, record)).reason == (
        "abgelehnt: diese Ameise-Verbindung kann Verträge nicht anlegen"
    )
    await team.webhook(record, MODULE)
    [parked] = await team.idle()
    assert parked["reason"] == "abgelehnt: diese Ameise-Verbindung kann Verträge nicht anlegen"
    assert await posted(team) == 0


async def test_only_the_own_ameise_connection_has_capabilities(
    team: "Team", team_of: Callable[["TenantId"], Awaitable["Team"]]
) -> None:
    from contracts.ids import TenantId

    other = await team_of(TenantId("hamburg"))
    for connection in (team.auth.zoho.id, other.auth.ameise.id):
        with pytest.raises(NotFound):
            await RpcClient(team.client).call(
                CAPABILITIES, AskCapabilities(connection=connection), actor=team.actor()
            )


async def test_a_vertrag_whose_link_was_not_stored_meets_its_record(
    team: "Team", kunde: tuple[str, str]
) -> None:
    number, contact = kunde
    record = await typed(team, contact)
    await team.webhook(record, MODULE)
    await team.idle()
    # As a database that was cut off between the POST and the link.
    team.rows.change("DELETE FROM link WHERE table_name = 'vertrag'")
    await team.world.edit(record, MODULE, Vertragsnummer=None)
    await team.delivery([number])
    assert await team.idle() == []
    [vertrag] = await team.world.records(MODULE)
    assert (vertrag["id"], vertrag["Vertragsnummer"]) == (
        record,
        (await team.world.vertraege_of(number))[0]["Id"],
    )


async def test_a_vertrag_that_is_being_made_is_forgotten_with_its_kunde(
    team: "Team", kunde: tuple[str, str]
) -> None:
    from contracts.ids import Kundennummer
    from contracts.rpc.ingest import KundeRequest
    from contracts.rpc.sync_people import SYNC_FORGET

    number, contact = kunde
    await team.webhook(await typed(team, contact), MODULE)
    await team.idle()
    receipt = await RpcClient(team.client).call(
        SYNC_FORGET, KundeRequest(kunde=Kundennummer(number)), actor=team.actor()
    )
    assert receipt.erased["intent"] == 1
    assert team.rows.select("SELECT 1 AS one FROM intent") == []
    assert team.rows.select("SELECT 1 AS one FROM link") == []


def test_what_travels_to_ameise_is_what_it_takes() -> None:
    from contracts.problems import Invalid
    from sync.definition_check import check_definition
    from sync.templates import VERTRAG

    fields = [m.model_dump() | ({"way": "both"} if m.ameise == "sparte" else {}) for m in VERTRAG.fields]
    with pytest.raises(Invalid, match="sparte: das nimmt Ameise nicht an"):
        check_definition(Table.VERTRAG, VERTRAG.model_copy(update={"direction": "both", "fields": fields}))
