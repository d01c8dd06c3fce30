"""When a delivery is complete."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.names import Table
from ingest.completeness import Complete, Patience, ReceivedFile, is_complete

STARTED = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PATIENCE = Patience(quiet=timedelta(seconds=10), waiting=timedelta(hours=1))
EXPECTED = (Table.SPARTE, Table.KUNDE)


def file(table: Table | None, *, quiet: float = 60, unfinished: bool = False) -> ReceivedFile:
    return ReceivedFile(f"{table}.csv", table, 100, timedelta(seconds=quiet), unfinished)


def judged(*files: ReceivedFile, after: timedelta = timedelta(minutes=5)) -> Complete | None:
    return is_complete(files, EXPECTED, started=STARTED, now=STARTED + after, patience=PATIENCE)


def test_all_tables_there_and_quiet_is_complete() -> None:
    assert judged(file(Table.SPARTE), file(Table.KUNDE)) == Complete(())


def test_nothing_there_is_not_complete() -> None:
    assert judged() is None


@pytest.mark.parametrize("after", [timedelta(minutes=5), timedelta(hours=5)])
def test_a_file_that_still_grows_is_always_waited_for(after: timedelta) -> None:
    assert judged(file(Table.SPARTE), file(Table.KUNDE, quiet=9), after=after) is None


def test_a_missing_table_is_waited_for_until_the_waiting_time_is_over() -> None:
    assert judged(file(Table.KUNDE), after=timedelta(minutes=59)) is None
    assert judged(file(Table.KUNDE), after=timedelta(minutes=60)) == Complete((Table.SPARTE,))


def test_a_cut_off_upload_is_waited_for_and_then_missing() -> None:
    files = file(Table.SPARTE), file(Table.KUNDE, unfinished=True)
    assert judged(*files) is None
    assert judged(*files, after=timedelta(hours=2)) == Complete((Table.KUNDE,))


def test_a_file_of_no_table_changes_nothing() -> None:
    assert judged(file(Table.SPARTE), file(Table.KUNDE), file(None)) == Complete(())
    assert judged(file(None), after=timedelta(hours=2)) == Complete(EXPECTED)
