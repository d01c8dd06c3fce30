"""What holds a delivery."""

import pytest

from contracts.events import TableCounts
from contracts.names import Table
from contracts.rpc.ingest_format import Policy
from ingest.guards import Before, Incoming, Limit, Limits, is_whole, reasons_to_hold
from ingest.table_format import Column, ColumnType, TableFormat

LIMITS = Limits(gone=Limit(10, 20), emptied=Limit(10, 20), rejected=Limit(5, 20))
COLUMNS = frozenset({"id", "text"})


def a_table(*, new: dict[str, Policy] | None = None, **about_text: Policy) -> TableFormat:
    """A table with the columns id and text."""
    columns = (
        Column(name="id", type=ColumnType.TEXT, required=True),
        Column.model_validate({"name": "text", "type": "text", **about_text}),
    )
    return TableFormat(
        table=Table.KUNDE, files=("kunden.csv",), key=("id",), columns=columns, new_columns=new or {}
    )


TABLE = a_table()


def reasons(old: int, new: int, *, gone: int, columns: frozenset[str] = COLUMNS) -> list[str]:
    before = {Table.KUNDE: Before(old, COLUMNS)}
    incoming = {Table.KUNDE: Incoming(TABLE, new, columns, TableCounts(gone=gone))}
    return reasons_to_hold(before, incoming, LIMITS)


@pytest.mark.parametrize(("old", "gone"), [(100, 20), (1000, 100), (5, 4), (0, 0)])
def test_few_rows_may_go(old: int, gone: int) -> None:
    assert reasons(old, max(old - gone, 1), gone=gone) == []


def test_a_shrunken_table_holds_the_delivery() -> None:
    assert reasons(1000, 899, gone=101) == ["kunde: 101 von 1000 Zeilen fehlen"]


def test_exchanged_keys_hold_the_delivery_though_the_number_of_rows_is_the_same() -> None:
    assert reasons(1000, 1000, gone=1000) == ["kunde: 1000 von 1000 Zeilen fehlen"]


def test_an_emptied_table_holds_the_delivery_however_small() -> None:
    assert reasons(3, 0, gone=3) == ["kunde: leer, obwohl 3 Zeilen gespeichert sind"]


def test_a_lost_column_holds_the_delivery() -> None:
    found = reasons(3, 3, gone=0, columns=frozenset({"id"}))
    assert found == ["kunde: Spalte text fehlt, bisher kam sie"]


def test_a_first_delivery_passes() -> None:
    assert reasons_to_hold({}, {Table.KUNDE: Incoming(TABLE, 0, COLUMNS, TableCounts())}, LIMITS) == []


def emptied(rows: int, before: int, now: int, *, unreadable: int = 0) -> list[str]:
    old = Before(rows, COLUMNS, {"id": rows, "text": before})
    new = Incoming(
        TABLE, rows, COLUMNS, TableCounts(), {"id": rows, "text": now}, {"id": 0, "text": unreadable}
    )
    return reasons_to_hold({Table.KUNDE: old}, {Table.KUNDE: new}, LIMITS)


@pytest.mark.parametrize(
    ("rows", "before", "now"), [(100, 50, 30), (1000, 900, 800), (20, 20, 0), (1000, 1, 0)]
)
def test_a_column_may_lose_a_few_of_its_values(rows: int, before: int, now: int) -> None:
    assert emptied(rows, before, now) == []


def test_a_column_that_is_emptied_holds_the_delivery() -> None:
    assert emptied(1000, 900, 799) == ["kunde: Spalte text ist in 80% der Zeilen gefüllt, zuvor in 90%"]
    assert emptied(21, 21, 0) == ["kunde: Spalte text ist in 0% der Zeilen gefüllt, zuvor in 100%"]


def test_fewer_rows_are_no_emptied_column() -> None:
    old, new = {"id": 1000, "text": 900}, {"id": 500, "text": 450}
    incoming = Incoming(TABLE, 500, COLUMNS, TableCounts(), new)
    assert reasons_to_hold({Table.KUNDE: Before(1000, COLUMNS, old)}, {Table.KUNDE: incoming}, LIMITS) == []


def held_by(table: TableFormat, **brought: object) -> list[str]:
    values = {
        "definition": table, "rows": 100, "columns": COLUMNS, "counts": TableCounts(),
        "filled": {"id": 100, "text": 100},
    } | brought  # fmt: skip
    incoming = Incoming(**values)  # pyright: ignore[reportArgumentType]
    return reasons_to_hold({Table.KUNDE: Before(100, COLUMNS)}, {Table.KUNDE: incoming}, LIMITS)


def test_a_missing_column_passes_where_somebody_said_so_and_holds_where_somebody_said_that() -> None:
    only_id = frozenset({"id"})
    for policy in (Policy.KEEP_RAW, Policy.IGNORE):
        assert held_by(a_table(missing=policy), columns=only_id) == []
    assert held_by(a_table(missing=Policy.HOLD), columns=only_id) == ["kunde: Spalte text fehlt"]


def test_a_new_column_holds_only_where_somebody_said_so() -> None:
    brings = {"new_columns": ("mehr", "rabatt")}
    assert held_by(TABLE, **brings) == []
    assert held_by(a_table(new={"rabatt": Policy.HOLD}), **brings) == ["kunde: Spalte rabatt ist neu"]
    all_but_one = a_table(new={"*": Policy.HOLD, "mehr": Policy.IGNORE})
    assert held_by(all_but_one, **brings) == ["kunde: Spalte rabatt ist neu"]


def test_a_column_that_cannot_be_read_any_more_holds_only_where_somebody_said_so() -> None:
    brings = {"unreadable": {"text": 21}}
    assert held_by(TABLE, **brings) == []
    table = a_table(unreadable=Policy.HOLD)
    assert held_by(table, **brings) == ["kunde: Spalte text ist in 21 von 100 Zeilen unlesbar"]
    assert held_by(table, unreadable={"text": 20}) == []


@pytest.mark.parametrize(
    ("about", "whole"),
    [
        ({}, True),
        ({"rejected": 20}, True),
        ({"rejected": 21}, False),
        ({"rows": 1000, "rejected": 21}, True),
        ({"every_row_has_key": False}, False),
        ({"cut_off": True}, False),
        ({"unfinished": True}, False),
    ],
)
def test_a_table_that_did_not_come_whole_makes_nothing_gone(about: dict[str, object], whole: bool) -> None:
    values = {"rows": 100, "rejected": 0, "every_row_has_key": True, "cut_off": False, "unfinished": False}
    assert is_whole(**(values | about), limit=LIMITS.rejected) is whole  # pyright: ignore[reportArgumentType]
