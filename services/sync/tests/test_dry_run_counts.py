"""What a dry run adds up to, and what that costs at Zoho."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.rpc.sync_dry_run import DryRunCounts
from contracts.rpc.sync_parked import ParkedCause
from contracts.rpc.sync_preview import Foreseen
from sync.dry_run_counts import MOST_REASONS, OTHER_REASONS, credits_for, tally_of
from sync.retry import Park

CREATED = Foreseen.CREATE_RECORD


def test_full_calls_are_what_is_counted() -> None:
    counts = DryRunCounts(outcomes={CREATED: 25}, updates=101, read=250)
    found = credits_for(counts, bulk_min_rows=5000, bulk_max_rows=25_000)
    assert (found.reads, found.writes, found.by_bulk) == (3, 3 + 11, None)


def test_a_bulk_write_is_named_where_there_are_rows_enough() -> None:
    counts = DryRunCounts(updates=60_000, bulk_rows=50_001, read=60_000)
    found = credits_for(counts, bulk_min_rows=5000, bulk_max_rows=25_000)
    assert (found.reads, found.writes) == (600, 6000)
    assert found.by_bulk == 600 + 3 * 500 + 1000


def test_a_tally_goes_on_from_what_was_kept() -> None:
    counts = DryRunCounts(
        outcomes={CREATED: 2, Foreseen.PARKED: 1}, parked={"unklar": 1}, updates=3, conflicts=1, read=4
    )
    assert tally_of(counts).counts() == counts


def test_reasons_name_no_object_and_do_not_grow_without_end() -> None:
    tally = tally_of(DryRunCounts())
    for key in range(3):
        tally.add_reason(Park(ParkedCause.OBJECT_UNKNOWN, {"table": "kunde", "key": f"500{key}"}))
    for length in range(2 * MOST_REASONS):
        tally.add_reason(Park(ParkedCause.VALUE_UNFIT, {"problem": f"ort: {length} Zeichen"}))
    parked = tally.counts().parked
    assert parked["abgelehnt: das Objekt war in keiner Lieferung"] == 3
    assert len(parked) == MOST_REASONS + 1
    assert sum(parked.values()) == 3 + 2 * MOST_REASONS
    assert parked[OTHER_REASONS] == MOST_REASONS + 1


NUMBERS = st.integers(0, 2_000_000)


@given(created=NUMBERS, updates=NUMBERS, read=NUMBERS, data=st.data())
def test_credits_are_never_less_than_zoho_counts(
    created: int, updates: int, read: int, data: st.DataObject
) -> None:
    bulk = data.draw(st.integers(0, updates))
    counts = DryRunCounts(outcomes={CREATED: created}, updates=updates, read=read, bulk_rows=bulk)
    found = credits_for(counts, bulk_min_rows=5000, bulk_max_rows=25_000)
    assert found.reads * 100 >= read
    assert found.writes * 10 >= created + updates
    assert (found.by_bulk is None) == (bulk < 5000)
    if found.by_bulk is not None:
        # A bulk write of full files is worth it: 500 credits instead of 2,500.
        assert found.by_bulk <= found.reads + found.writes + 500 + 1
