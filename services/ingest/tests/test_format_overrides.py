"""What an admin says about a tenant's files, laid over the built-in format; what a sample would give."""

import base64
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.actor import Role
from contracts.ids import TenantId
from contracts.names import Table
from contracts.problems import Forbidden, Invalid
from contracts.rpc import Empty
from contracts.rpc.ingest import STATUS, DeliveryState, TableState
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    SET_FORMAT,
    ColumnChange,
    ColumnType,
    DryRun,
    FormatChanges,
    HeadingRead,
    Policy,
    ProblemFound,
    SetFormat,
    TableChange,
)
from ingest.dry_run import try_out
from ingest.format_overrides import changed_format
from ingest.table_format import load_format

FORMAT = load_format("dailyup-1")


def of_kunde(**change: Any) -> FormatChanges:
    return FormatChanges(tables={Table.KUNDE: TableChange(**change)})


def test_without_changes_the_format_is_the_built_in_one() -> None:
    assert changed_format(FORMAT, FormatChanges()) == FORMAT


def test_file_patterns_and_aliases_say_how_things_are_found() -> None:
    changes = of_kunde(
        files=("personen*.txt",), columns={"nachname": ColumnChange(aliases=("Familienname",))}
    )
    form = changed_format(FORMAT, changes)
    assert form.table_of("Personen-2026.TXT") is Table.KUNDE
    assert form.table_of("kunden.csv") is None
    column = form[Table.KUNDE].column_headed("familienname")
    assert column is not None
    assert column.name == "nachname"
    assert form[Table.VERTRAG] == FORMAT[Table.VERTRAG]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (of_kunde(columns={"schuhgroesse": ColumnChange()}), "hat keine Spalte schuhgroesse"),
        (of_kunde(columns={"geburtsdatum": ColumnChange(type=ColumnType.TEXT)}), "kann nicht als text"),
        (of_kunde(columns={"verstorben": ColumnChange(type=ColumnType.DECIMAL)}), "kann nicht als decimal"),
        (of_kunde(columns={"ameise_id": ColumnChange(required=False)}), "the key's columns"),
        (of_kunde(columns={"titel": ColumnChange(aliases=("Vorname",))}), "vorname steht für mehrere"),
        (of_kunde(files=("vertraege.csv",)), "vertraege.csv steht bei mehreren Tabellen"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes: FormatChanges, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        changed_format(FORMAT, changes)


@pytest.mark.parametrize(
    ("column", "type_"),
    [("geburtsdatum", ColumnType.TIMESTAMP), ("created_at", ColumnType.DATE), ("beruf", ColumnType.DECIMAL)],
)
def test_a_column_can_be_read_as_what_its_store_can_hold(column: str, type_: ColumnType) -> None:
    form = changed_format(FORMAT, of_kunde(columns={column: ColumnChange(type=type_)}))
    [changed] = [c for c in form[Table.KUNDE].columns if c.name == column]
    assert changed.type is type_


@pytest.mark.parametrize(
    "wrong",
    [
        {"tables": {"kunden": {}}},
        {"tables": {"kunde": {"colums": {}}}},
        {"tables": {"kunde": {"files": []}}},
        {"tables": {"kunde": {"columns": {"plz": {"missing": "panic"}}}}},
    ],
)
def test_a_word_that_means_nothing_is_no_change(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        FormatChanges.model_validate(wrong)


def test_an_ignored_new_column_is_neither_kept_nor_reported() -> None:
    data = b"ameise_id;vip;rabatt\r\n1;x;y\r\n"
    changes = of_kunde(new_columns={"VIP": Policy.IGNORE})
    found = [p.column for p in try_out(data, "kunden.csv", changed_format(FORMAT, changes)).problems]
    assert "rabatt" in found
    assert "vip" not in found


def test_an_ignored_missing_column_and_ignored_unreadable_cells_are_not_reported() -> None:
    columns = {
        name: ColumnChange(missing=Policy.IGNORE, unreadable=Policy.IGNORE)
        for name in FORMAT[Table.KUNDE].names
    }
    seen = try_out(
        b"ameise_id;geburtsdatum\r\n1;gestern\r\n",
        "kunden.csv",
        changed_format(FORMAT, of_kunde(columns=columns)),
    )
    assert (seen.problem_count, seen.rows, seen.rejected) == (0, 1, 0)


# ── a sample ─────────────────────────────────────────────────────────────────


def test_a_sample_says_what_it_would_give() -> None:
    data = "id\tText\tmehr\r\n050\tMüll\tx\r\n060\tHausrat\r\n".encode("cp1252")
    seen = try_out(data, "sparten.csv", FORMAT)
    assert (seen.table, seen.encoding, seen.delimiter) == (Table.SPARTE, "windows-1252", "\t")
    assert seen.headings == (
        HeadingRead(heading="id", column="id"),
        HeadingRead(heading="text", column="text"),
        HeadingRead(heading="mehr"),
    )
    assert (seen.rows, seen.rejected, seen.keys) == (1, 1, ("050",))
    assert seen.problems == (
        ProblemFound(file="sparten.csv", rule="column_unknown", row=1, line=1, column="mehr"),
        ProblemFound(file="sparten.csv", rule="row_too_short", row=3, line=3),
    )


def test_a_sample_of_no_table_or_that_is_none_says_so() -> None:
    nothing = try_out(b"id;text\r\n", "liesmich.txt", FORMAT)
    assert (nothing.table, [p.rule for p in nothing.problems]) == (None, ["file_of_no_table"])
    refused = try_out("\ufeffnummer;text\r\n".encode(), "sparten.csv", FORMAT)
    assert refused.encoding == "utf-8 with BOM"
    assert refused.headings[1] == HeadingRead(heading="text", column="text")
    assert [(p.rule, p.column) for p in refused.problems] == [("key_column_missing", "id")]


# ── over RPC ─────────────────────────────────────────────────────────────────

CHANGES = of_kunde(files=("personen*.csv",), columns={"nachname": ColumnChange(aliases=("Familienname",))})
SAMPLE = base64.b64encode(b"ameise_id;Familienname\r\n5000000001;M\xc3\xbcller\r\n").decode()


async def test_a_delivery_is_received_and_read_by_the_tenants_own_format(ingest: Any, kit: Any) -> None:
    await ingest.set_up()
    await ingest.call(SET_FORMAT, SetFormat(changes=CHANGES), role=Role.ADMIN)
    files = kit.a_book(1).files()
    kunden = files.pop("DEMO01_20261124_kunden.csv").replace(b"nachname", b"Familienname")
    kunden = kunden.replace(b"2.1.1980", b"gestern")
    delivery = await ingest.deliver(files | {"personen-1.csv": kunden})
    assert (delivery.state, delivery.missing) == (DeliveryState.IMPORTED_WITH_WARNINGS, ())
    tables = (await ingest.call(STATUS, Empty())).tables
    warned = {table for table, now in tables.items() if now.state is TableState.IMPORTED_WITH_WARNINGS}
    assert warned == {Table.KUNDE}, "its file is told by the tenant's own names"
    kunde = (await ingest.objects(Table.KUNDE, "5000000001"))["5000000001"]
    assert kunde.fields["nachname"] == "Müller 5000000001"
    [told] = [event for event in await ingest.events() if event.type == "format_changed"]
    assert (told.actor_id, told.data["tables"]) == ("anna", ["kunde"])


async def test_a_format_is_the_tenants_own_and_replaced_as_a_whole(ingest: Any) -> None:
    other = TenantId("hamburg")
    await ingest.call(SET_FORMAT, SetFormat(changes=CHANGES), role=Role.ADMIN)
    view = await ingest.call(GET_FORMAT, Empty(), role=Role.ADMIN)
    assert view.changes == CHANGES
    fields = {table.table: table.fields for table in view.tables}
    assert {"plz", "land", "juristische_person", "email", "details"} <= set(fields[Table.KUNDE])
    assert fields[Table.KUNDENDETAIL] == ()
    assert (await ingest.call(GET_FORMAT, Empty(), role=Role.ADMIN, tenant=other)).changes == FormatChanges()
    wrong = of_kunde(files=("vertraege.csv",))
    with pytest.raises(Invalid):
        await ingest.call(SET_FORMAT, SetFormat(changes=wrong), role=Role.ADMIN)
    with pytest.raises(Forbidden):
        await ingest.call(SET_FORMAT, SetFormat(changes=FormatChanges()), role=Role.USER)
    assert (await ingest.call(GET_FORMAT, Empty(), role=Role.ADMIN)).changes == CHANGES
    view = await ingest.call(SET_FORMAT, SetFormat(changes=FormatChanges()), role=Role.ADMIN)
    assert view.changes == FormatChanges()


async def test_a_dry_run_keeps_and_tells_nothing(ingest: Any) -> None:
    async def asked(**changes: Any) -> Any:
        request = DryRun(file="personen.csv", content=SAMPLE, **changes)
        return await ingest.call(DRY_RUN, request, role=Role.ADMIN)

    assert (await asked()).table is None
    seen = await asked(changes=CHANGES)
    assert (seen.table, seen.rows, seen.keys) == (Table.KUNDE, 1, ("5000000001",))
    assert "Müller" not in seen.model_dump_json()
    with pytest.raises(Invalid, match="Base64"):
        await ingest.call(DRY_RUN, DryRun(file="kunden.csv", content="kein Base64"), role=Role.ADMIN)
    for table in ("outbox", "delivery", "format_override"):
        assert await ingest.sql(f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize(
    "changes",
    [
        '{"tables": {"kunde": {"columns": {"gibt_es_nicht_mehr": {}}}}}',
        '{"tables": {"kunde": {"gibt_es_nicht_mehr": true}}}',
    ],
)
async def test_changes_that_a_newer_release_does_not_fit_stop_no_delivery(
    ingest: Any, kit: Any, changes: str
) -> None:
    await ingest.set_up()
    await ingest.sql("INSERT INTO format_override VALUES (%s, %s, now(), 'anna')", kit.tenant, changes)
    with capture_logs() as logs:
        assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED
        assert (await ingest.deliver(kit.a_book(1).files())).state is DeliveryState.IMPORTED
    assert [line["event"] for line in logs].count("format.changes_do_not_fit") == 1
    view = await ingest.call(GET_FORMAT, Empty(), role=Role.ADMIN)
    assert view.fault
    mended = await ingest.call(SET_FORMAT, SetFormat(changes=FormatChanges()), role=Role.ADMIN)
    assert (view.tables, mended.fault) == (mended.tables, None)
