"""Files as they must not be: each is named with line and rule, does no harm, and the next good ones work."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.names import Table
from contracts.rpc.ingest import DeliveryState
from ingest.problems import Problem, Rule, TableRejected, ValueClass, value_class
from ingest.reading import FEW_TARGETS, ReadTable, TableReader, open_delivery, read_sample
from ingest.table_format import load_format

FORMAT = load_format("dailyup-1")
SPARTE = FORMAT[Table.SPARTE]
LONG = b"x" * 50_000_000


def read(data: bytes) -> ReadTable:
    return read_sample(data, "sparten.csv", SPARTE)[0]


def found(data: bytes) -> list[Problem]:
    """The problems of a file, also of one that is refused."""
    try:
        return list(read(data).problems)
    except TableRejected as refused:
        return [refused.problem]


def said(rule: Rule, line: int | None = None, column: str | None = None, **more: Any) -> Problem:
    return Problem("sparten.csv", rule, row=line, line=line, column=column, **more)


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        pytest.param(
            b"id;text\r\n1;a\r\n2", [said(Rule.ROW_TOO_SHORT, 3), said(Rule.FILE_CUT_OFF)], id="truncated"
        ),
        pytest.param(b"", [said(Rule.FILE_EMPTY)], id="zero bytes"),
        pytest.param(b"id|text\r\n1|a\r\n", [said(Rule.KEY_COLUMN_MISSING, 1, "id")], id="wrong delimiter"),
        pytest.param("id;text\r\n1;Müller\r\n".encode() + b"2;M\xfcller\r\n", [], id="mixed encodings"),
        pytest.param(
            b"id;text\r\n1;a\x00\r\n",
            [said(Rule.CELL_UNREADABLE, 2, "text", value=ValueClass.UNREADABLE_CHARACTERS)],
            id="NUL byte",
        ),
        pytest.param(
            b"id;text\r\n1;a\r\n2;" + LONG + b"\r\n3;c\r\n",
            [said(Rule.CELL_UNREADABLE, 3, "text", value=ValueClass.TOO_LONG)],
            id="line of 50 MB",
        ),
        pytest.param(
            b"id;text;" + b";".join(b"c%d" % n for n in range(10_000)),
            [said(Rule.TOO_MANY_COLUMNS, 1)],
            id="10,000 columns",
        ),
        pytest.param(b"id;text;Text\r\n1;a;b\r\n", [said(Rule.COLUMN_TWICE, 1, "text")], id="headings twice"),
        pytest.param("id;text\r\n\ufeff1;a\r\n2;\ufeffb\r\n".encode(), [], id="BOM in the middle"),
        pytest.param(
            b'id;text\r\n1;"a\r\nb"\r\n2\r\n',
            [Problem("sparten.csv", Rule.ROW_TOO_SHORT, row=3, line=4)],
            id="CRLF inside quotes",
        ),
        pytest.param(
            b'id;text\r\n1;"a\r\n2;b\r\n',
            [said(Rule.CELL_UNREADABLE, 2, "text", value=ValueClass.LONE_QUOTE)],
            id="unbalanced quote",
        ),
    ],
)
def test_what_is_wrong_is_named_with_line_and_rule(data: bytes, problems: list[Problem]) -> None:
    assert found(data) == problems


def test_a_bom_in_the_middle_and_mixed_encodings_change_no_value() -> None:
    data = "id;text\r\n\ufeff1;\ufeffMüller\r\n".encode() + b"2;M\xfcller\r\n"
    _, rows = read_sample(data, "sparten.csv", SPARTE)
    assert rows.select("key", "text").rows() == [("1", "Müller"), ("2", "Müller")]


def test_of_a_table_that_comes_twice_the_newer_file_counts(tmp_path: Path) -> None:
    for stamp, (name, content) in enumerate(
        {"sparten.csv": b"id\n1\n", "neu_sparten.csv": b"id\n2\n"}.items()
    ):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (stamp, stamp))
    delivered = open_delivery(list(tmp_path.iterdir()), FORMAT)
    [frame] = TableReader(delivered.files[Table.SPARTE]).frames()
    assert frame["key"].to_list() == ["2"]
    assert delivered.problems == [Problem("sparten.csv", Rule.FILE_SUPERSEDED)]


def test_files_of_no_table_and_unfinished_ones_are_named(tmp_path: Path) -> None:
    for name in ("liesmich.txt", "sparten.csv.unfinished"):
        (tmp_path / name).write_bytes(b"id;text\n1;a\n")
    delivered = open_delivery(list(tmp_path.iterdir()), FORMAT)
    assert delivered.files == {}
    assert delivered.unfinished == {Table.SPARTE}
    assert {(p.file, p.rule) for p in delivered.problems} == {
        ("liesmich.txt", Rule.FILE_OF_NO_TABLE),
        ("sparten.csv.unfinished", Rule.FILE_UNFINISHED),
    }


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (None, ValueClass.EMPTY),
        ("31.2.1980", ValueClass.DATE_LIKE),
        ("1980-02-31 12:00", ValueClass.DATE_LIKE),
        ("1,234.56", ValueClass.NUMBER),
        ("-7", ValueClass.NUMBER),
        ("gestern", ValueClass.TEXT),
        ("030 12", ValueClass.TEXT),
        ("ü" * 20_000, ValueClass.TOO_LONG),
        ("a\ufffdb", ValueClass.UNREADABLE_CHARACTERS),
    ],
)
def test_a_problem_says_the_kind_of_value_and_never_the_value(cell: str | None, kind: ValueClass) -> None:
    assert value_class(cell) is kind


# ── a whole delivery ─────────────────────────────────────────────────────────

_HELD, _WARNED, _FINE = DeliveryState.HELD, DeliveryState.IMPORTED_WITH_WARNINGS, DeliveryState.IMPORTED
BAD_KUNDEN = {
    "truncated": (lambda good: good[:-40], _WARNED),
    "zero bytes": (lambda _: b"", _WARNED),
    "header only": (lambda good: good.split(b"\n")[0] + b"\n", _HELD),
    "wrong delimiter": (lambda good: good.replace(b";", b"|"), _WARNED),
    "mixed encodings": (
        lambda good: good.replace("üller 5000000002".encode(), b"\xfcller 5000000002"),
        _FINE,
    ),
    "NUL byte": (lambda good: good.replace(b"ller 5", b"ller\x005"), _WARNED),
    "10,000 columns": (lambda good: good.replace(b"\r\n", b";x" * 10_000 + b"\r\n"), _WARNED),
    "duplicate headings": (lambda good: good.replace(b"titel", b"nachname", 1), _WARNED),
    "BOM in the middle": (lambda good: good.replace(b"\n5", b"\n\xef\xbb\xbf5"), _FINE),
    "unbalanced quote": (lambda good: good.replace("Müller 5000000001".encode(), b'"Schmidt'), _WARNED),
    "a key column renamed": (lambda good: good.replace(b"ameise_id", b"nummer", 1), _WARNED),
    "no table at all": (lambda _: bytes(range(256)) * 100, _WARNED),
}  # fmt: skip


async def test_no_bad_file_harms_what_is_stored_and_the_next_good_one_works(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    good = book.files()
    await ingest.deliver(good)
    keys = [row["ameise_id"] for row in book.tables[Table.KUNDE]]
    before = await ingest.objects(Table.KUNDE, *keys)
    await ingest.work()
    for name, (spoil, state) in BAD_KUNDEN.items():
        spoilt = {file: spoil(data) if "_kunden." in file else data for file, data in good.items()}
        delivery = await ingest.deliver(spoilt)
        assert (name, delivery.state) == (name, state)
        after = await ingest.objects(Table.KUNDE, *keys)
        assert (name, {key: o.fields for key, o in after.items()}) == (
            name,
            {key: o.fields for key, o in before.items()},
        )
        assert (name, await ingest.work()) == (name, [])
    await ingest.deliver(good)
    unnamed = await ingest.sql(
        "SELECT id FROM delivery WHERE state = 'imported_with_warnings' AND NOT EXISTS "
        "(SELECT FROM jsonb_array_elements(problems) p WHERE p ->> 'file' = 'DEMO01_20261124_kunden.csv')"
    )
    assert unnamed == []
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    assert (await ingest.deliver(book.files())).state is DeliveryState.IMPORTED
    assert (await ingest.objects(Table.KUNDE, keys[0]))[keys[0]].fields["nachname"] == "Schmidt"


async def test_a_file_of_no_table_is_reported_and_the_others_are_imported(ingest: Any, kit: Any) -> None:
    delivery = await ingest.deliver({"liesmich.txt": b"Guten Tag"} | kit.a_book(1).files())
    assert (delivery.state, delivery.problems) == (DeliveryState.IMPORTED_WITH_WARNINGS, 1)


@pytest.mark.parametrize("few", [0, FEW_TARGETS], ids=["many targets", "few"])
async def test_a_reference_that_points_nowhere_is_a_warning_with_its_line(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Whether the reader knows all that is pointed to, or PostgreSQL finds it among the rows."""
    monkeypatch.setattr("ingest.reading.FEW_TARGETS", few)
    book = kit.a_book(2)
    book.vertrag("7001", "5999999999")
    book.vertrag("7002", "5000000001", sparte_id="999")
    delivery = await ingest.deliver(book.files())
    assert (delivery.state, delivery.problems) == (DeliveryState.IMPORTED_WITH_WARNINGS, 2)
    assert delivery.reason == (
        "Probleme: 2; vertrag.kunde_id zeigt in 1 Zeilen ins Leere; "
        "vertrag.sparte_id zeigt in 1 Zeilen ins Leere"
    )
    [[problems]] = await ingest.sql("SELECT problems FROM delivery")
    about = {"file": "DEMO01_20261124_vertraege.csv", "rule": "points_nowhere"}
    assert problems == [
        about | {"row": 4, "line": 4, "column": "kunde_id"},
        about | {"row": 5, "line": 5, "column": "sparte_id"},
    ]
    assert (await ingest.objects(Table.VERTRAG, "7001"))["7001"].fields["kunde_id"] == "5999999999"


async def test_what_a_delivery_leaves_out_is_pointed_to_all_the_same(
    start: Any, lay_down: Any, kit: Any
) -> None:
    """Without the file of Kunden or Sparten today, those of yesterday count."""
    book = kit.a_book(2)
    lay_down(book.files())
    async with start() as ingest:
        assert (await ingest.ended(1)).state is DeliveryState.IMPORTED
    lay_down(book.files(without=(Table.KUNDE, Table.SPARTE)))
    async with start(waiting_time=timedelta(0)) as ingest:
        assert (await ingest.ended(2)).state is DeliveryState.IMPORTED
    book.vertrag("7001", "5999999999")
    lay_down(book.files(without=(Table.KUNDE, Table.SPARTE)))
    async with start(waiting_time=timedelta(0)) as ingest:
        delivery = await ingest.ended(3)
        assert delivery.reason == "Probleme: 1; vertrag.kunde_id zeigt in 1 Zeilen ins Leere"


async def test_many_unreadable_rows_make_nothing_gone(ingest: Any, kit: Any) -> None:
    book = kit.a_book(60)
    await ingest.deliver(book.files())
    for row in book.tables[Table.KUNDENKOMMUNIKATION][:21]:
        row["kunde_id"] = ""
    del book.tables[Table.KUNDENKOMMUNIKATION][50:]
    delivery = await ingest.deliver(book.files())
    counts = delivery.counts[Table.KUNDENKOMMUNIKATION]
    assert (delivery.state, counts.rejected, counts.gone) == (DeliveryState.IMPORTED_WITH_WARNINGS, 21, 0)
    [[rules]] = await ingest.sql(
        "SELECT array_agg(DISTINCT p ->> 'rule' ORDER BY p ->> 'rule') "
        "FROM delivery, jsonb_array_elements(problems) p"
    )
    assert rules == ["nothing_taken_for_gone", "required_unreadable"]


async def test_an_emptied_column_holds_the_delivery(ingest: Any, kit: Any) -> None:
    book = kit.a_book(30)
    await ingest.deliver(book.files())
    for row in book.tables[Table.KUNDE]:
        row["plz"] = ""
    delivery = await ingest.deliver(book.files())
    assert delivery.state is DeliveryState.HELD
    assert delivery.reason == "kunde: Spalte plz ist in 0% der Zeilen gefüllt, zuvor in 100%"
