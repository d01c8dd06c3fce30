"""When a delivery is complete."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.names import Table
from ingest.completeness import Complete, Patience, ReceivedFile, is_complete

STARTED = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PATIENCE = Patience(quiet=timedelta(seconds=10), waiting=timedelta(hours=1))
EXPECTED = (Table.SPARTE, Table.KUNDE)


def file(*tables: Table, quiet: float = 60, unfinished: bool = False) -> ReceivedFile:
    return ReceivedFile("a.csv", frozenset(tables), 100, timedelta(seconds=quiet), unfinished)


def marker(*, quiet: float = 60, unfinished: bool = False) -> ReceivedFile:
    return ReceivedFile("a.done", frozenset(), 0, timedelta(seconds=quiet), unfinished, is_marker=True)


def judged(
    *files: ReceivedFile, after: timedelta = timedelta(minutes=5), by_marker: bool = False
) -> Complete | None:
    return is_complete(
        files, EXPECTED, started=STARTED, now=STARTED + after, patience=PATIENCE, by_marker=by_marker
    )


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
    assert judged(file(Table.SPARTE), file(Table.KUNDE), file()) == Complete(())
    assert judged(file(), after=timedelta(hours=2)) == Complete(EXPECTED)


def test_an_archive_brings_several_tables() -> None:
    assert judged(file(Table.SPARTE, Table.KUNDE)) == Complete(())
    assert judged(file(Table.SPARTE), file(Table.KUNDE, Table.VERTRAG)) == Complete(())


def test_files_that_trickle_in_begin_the_quiet_time_anew() -> None:
    assert (
        judged(file(Table.SPARTE, quiet=3000), file(Table.KUNDE, quiet=2), after=timedelta(hours=1)) is None
    )
    assert judged(file(Table.SPARTE, quiet=3008), file(Table.KUNDE, quiet=10)) == Complete(())


def test_with_a_marker_nothing_else_is_waited_for() -> None:
    both = file(Table.SPARTE), file(Table.KUNDE)
    assert judged(*both, by_marker=True) is None, "all tables are there, but the sender has not said so"
    assert judged(*both, marker(), by_marker=True) == Complete(())
    assert judged(file(Table.KUNDE), marker(), by_marker=True) == Complete((Table.SPARTE,))


def test_also_with_a_marker_all_must_be_quiet_and_whole() -> None:
    assert judged(file(Table.KUNDE, quiet=9), marker(), by_marker=True) is None
    assert judged(file(Table.KUNDE, unfinished=True), marker(), by_marker=True) is None
    assert judged(file(Table.KUNDE), marker(unfinished=True), by_marker=True) is None


def test_a_marker_that_never_comes_is_waited_for_until_the_waiting_time_is_over() -> None:
    both = file(Table.SPARTE), file(Table.KUNDE)
    assert judged(*both, by_marker=True, after=timedelta(minutes=60)) == Complete(())


def test_a_clock_that_was_put_back_only_makes_a_missing_table_be_waited_for_longer() -> None:
    yesterday = timedelta(days=-1)
    assert judged(file(Table.SPARTE), file(Table.KUNDE), after=yesterday) == Complete(())
    assert judged(file(Table.KUNDE), after=yesterday) is None
