"""The page of a team's file format."""

import base64

import pytest

from contracts.names import Table
from contracts.problems import Invalid, Unavailable
from contracts.rpc.ingest_format import (
    DRY_RUN,
    GET_FORMAT,
    MAX_SAMPLE_BYTES,
    SET_FORMAT,
    ColumnChange,
    ColumnType,
    ColumnView,
    FormatChanges,
    FormatView,
    HeadingRead,
    ProblemFound,
    SampleRead,
    TableChange,
    TableView,
)

CHANGES = FormatChanges(tables={Table.KUNDE: TableChange(columns={"plz": ColumnChange(aliases=("zip",))})})
TYPED = '{"tables": {"kunde": {"columns": {"plz": {"aliases": ["zip"]}}}}}'
VIEW = FormatView(
    base="dailyup-1",
    changes=CHANGES,
    tables=(
        TableView(
            table=Table.KUNDE, files=("kunden*.csv",), key=("ameise_id",),
            columns=(
                ColumnView(name="ameise_id", type=ColumnType.TEXT, required=True, aliases=()),
                ColumnView(name="plz", type=ColumnType.TEXT, required=False, aliases=("zip",)),
            ),
        ),
    ),
)  # fmt: skip


@pytest.fixture
async def browser(fake_services, browser_of_a_team):
    fake_services.answer(GET_FORMAT, VIEW)
    fake_services.answer(SET_FORMAT, VIEW)
    fake_services.answer(DRY_RUN, SampleRead())
    return await browser_of_a_team()


async def test_tables_columns_and_differences_are_shown(browser):
    page = await browser.get("/format")
    for shown in ("dailyup-1", "kunden*.csv", "abweichend", "ameise_id", "zip", "&#34;aliases&#34;"):
        assert shown in page


async def test_differences_are_saved(browser, fake_services):
    await browser.get("/format")
    assert "gelten ab der nächsten Lieferung" in await browser.post("/format", changes=TYPED)
    assert [request.changes for request in fake_services.requests(SET_FORMAT)] == [CHANGES]


async def test_what_does_not_fit_is_said_and_stays_typed(browser, fake_services):
    await browser.get("/format")
    page = await browser.post("/format", status=422, changes='{"tables": {"kunde": {"colums": {}}}}')
    assert "tables.kunde.colums: diesen Eintrag gibt es nicht." in page
    assert "{&#34;colums&#34;: {}}" in page
    fake_services.answer(SET_FORMAT, Invalid("kunde hat keine Spalte plzz."))
    assert "kunde hat keine Spalte plzz." in await browser.post("/format", status=422, changes=TYPED)


async def test_a_sample_is_tried_with_what_is_typed(browser, fake_services):
    read = SampleRead(
        table=Table.KUNDE, encoding="utf-8", delimiter=";", rows=1234, rejected=1, problem_count=1,
        headings=(HeadingRead(heading="zip", column="plz"), HeadingRead(heading="Haarfarbe")),
        problems=(ProblemFound(file="kunden.csv", rule="key_unreadable", line=3, value="empty"),),
    )  # fmt: skip
    fake_services.answer(DRY_RUN, read)
    await browser.get("/format")
    page = await browser.post("/format/try", files={"sample": ("kunden.csv", b"zip\n1\n")}, changes=TYPED)
    [asked] = fake_services.requests(DRY_RUN)
    assert (asked.file, base64.b64decode(asked.content), asked.changes) == (
        "kunden.csv", b"zip\n1\n", CHANGES,
    )  # fmt: skip
    for shown in ("1.234", "Haarfarbe", "unbekannt", "Der Schlüssel ist nicht lesbar", "leer"):
        assert shown in page
    assert fake_services.requests(SET_FORMAT) == []


async def test_of_a_long_file_the_first_whole_lines_are_tried(browser, fake_services):
    fake_services.answer(DRY_RUN, SampleRead())
    await browser.get("/format")
    line = b"Musterweg 1;12345\n"
    for lines, told in (MAX_SAMPLE_BYTES // len(line), False), (100_000 // len(line), True):
        page = await browser.post("/format/try", files={"sample": ("kunden.csv", line * lines)}, changes="")
        read = base64.b64decode(fake_services.requests(DRY_RUN)[-1].content)
        assert read == line * (MAX_SAMPLE_BYTES // len(line))
        assert ("Die Datei ist länger" in page) is told


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "keine Datei zum Ausprobieren"),
        ({"sample": ("", b"")}, "keine Datei zum Ausprobieren"),
        ({"sample": ("k.csv", bytes(45_001))}, "kein Zeilenende"),
        ({"sample": ("k" * 256, b"x")}, "Dateiname ist zu lang"),
    ],
)
async def test_what_is_no_sample_is_refused(browser, fake_services, files, words):
    await browser.get("/format")
    assert words in await browser.post("/format/try", status=422, files=files, changes="")
    assert fake_services.requests(DRY_RUN) == []


async def test_forms_without_their_token_are_refused(browser, fake_services):
    for path in ("/format", "/format/try"):
        await browser.post(path, status=403, csrf="falsch", changes=TYPED)
    assert fake_services.requests(SET_FORMAT) == []


async def test_what_was_typed_is_not_lost_while_ingest_does_not_answer(browser, fake_services):
    await browser.get("/format")
    for rpc in (SET_FORMAT, GET_FORMAT):
        fake_services.answer(rpc, Unavailable("Der Dienst ingest läuft gerade nicht."))
        page = await browser.post("/format", status=422, changes=TYPED)
        assert "Der Dienst ingest läuft gerade nicht." in page
        assert "&#34;zip&#34;" in page.partition("</textarea>")[0]
    assert "So wird jetzt gelesen" not in page
