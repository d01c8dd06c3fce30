"""What holds a delivery."""

import pytest

from contracts.events import TableCounts
from contracts.names import Table
from ingest.guards import Before, Incoming, Limits, reasons_to_hold

LIMITS = Limits(percent=10, floor=20)
COLUMNS = frozenset({"id", "text"})


def reasons(old: int, new: int, *, gone: int, columns: frozenset[str] = COLUMNS) -> list[str]:
    before = {Table.KUNDE: Before(old, COLUMNS)}
    incoming = {Table.KUNDE: Incoming(new, columns, TableCounts(gone=gone))}
    return reasons_to_hold(before, incoming, LIMITS)


@pytest.mark.parametrize(("old", "gone"), [(100, 20), (1000, 100), (5, 4), (0, 0)])
def test_few_rows_may_go(old: int, gone: int) -> None:
    assert reasons(old, max(old - gone, 1), gone=gone) == []


def test_a_shrunken_table_holds_the_delivery() -> None:
    assert reasons(1000, 899, gone=101) == ["kunde: 101 of 1000 rows are missing"]


def test_exchanged_keys_hold_the_delivery_though_the_number_of_rows_is_the_same() -> None:
    assert reasons(1000, 1000, gone=1000) == ["kunde: 1000 of 1000 rows are missing"]


def test_an_emptied_table_holds_the_delivery_however_small() -> None:
    assert reasons(3, 0, gone=3) == ["kunde: empty, though 3 rows are stored"]


def test_a_lost_column_holds_the_delivery() -> None:
    found = reasons(3, 3, gone=0, columns=frozenset({"id"}))
    assert found == ["kunde: column text is missing, it used to be delivered"]


def test_a_first_delivery_passes() -> None:
    assert reasons_to_hold({}, {Table.KUNDE: Incoming(0, COLUMNS, TableCounts())}, LIMITS) == []
