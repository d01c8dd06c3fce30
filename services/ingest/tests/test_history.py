"""How did this row look then? Today's row, with the changes since undone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.names import Table
from contracts.rpc.ingest import OBJECT_AS_OF, ObjectAsOf, ObjectAsOfRequest, Presence
from ingest.history import Change, StoredRow, as_of

KEY = "5000000001"
START = datetime(2026, 10, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@dataclass
class Life:
    """A row over some days, and the changes that a history would hold of it."""

    states: list[dict[str, Any] | None]
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The first state is of day 0 and not None; None is gone."""
        self.row = StoredRow(dict(self.states[0] or {}), frozenset(), None, day(0))
        for number, state in enumerate(self.states[1:], start=1):
            before = self.row
            was = None if before.gone_since else dict(before.fields)
            if state == was:
                continue
            differing = {} if state is None else {k: v for k, v in before.fields.items() if v != state[k]}
            change = Change(day(number), before.held_from, differing, before.unknown, before.gone_since)
            self.changes.insert(0, change)
            self.row = StoredRow(
                before.fields if state is None else dict(state),
                frozenset(),
                day(number) if state is None else None,
                day(number),
            )

    def at(self, moment: datetime, *, known: int | None = None) -> tuple[Presence, StoredRow | None]:
        since = [change for change in self.changes[:known] if change.changed_at > moment]
        return as_of(self.row, since, first_seen=day(0), moment=moment)


VALUES = st.fixed_dictionaries({"name": st.sampled_from("ab"), "ort": st.sampled_from(["x", None])})


@given(st.lists(VALUES | st.none(), max_size=6), VALUES)
def test_each_state_is_found_again(later: list[dict[str, Any] | None], first: dict[str, Any]) -> None:
    states = [first, *later]
    life = Life(states)
    for number, state in enumerate(states):
        presence, row = life.at(day(number) + timedelta(hours=1))
        assert row is not None
        assert presence is (Presence.GONE if state is None else Presence.THERE)
        if state is not None:
            assert dict(row.fields) == state


def test_before_it_was_first_seen_a_row_was_not_there() -> None:
    assert Life([{"name": "a"}]).at(day(-1)) == (Presence.NOT_THERE, None)


def test_further_back_than_the_history_goes_nothing_is_claimed() -> None:
    life = Life([{"name": "a"}, {"name": "b"}, {"name": "c"}])
    assert life.at(day(0), known=1) == (Presence.FORGOTTEN, None)
    _, row = life.at(day(1), known=1)
    assert row is not None
    assert row.fields == {"name": "b"}


async def ask(ingest: Any, moment: datetime, table: Table = Table.KUNDE, key: str = KEY) -> ObjectAsOf:
    request = ObjectAsOfRequest.model_validate({"table": table, "key": key, "moment": moment})
    return await ingest.call(OBJECT_AS_OF, request)


async def test_a_row_is_told_as_it_was_between_the_deliveries(ingest: Any, kit: Any) -> None:
    book = kit.a_book(2)
    before = datetime.now(UTC)
    await ingest.deliver(book.files())
    first = datetime.now(UTC)
    book.tables[Table.KUNDE][0] |= {"nachname": "Schmidt", "geburtsdatum": "3.1.1980"}
    book.tables[Table.VERTRAG][0]["beitrag_netto"] = "99,90"
    await ingest.deliver(book.files())
    second = datetime.now(UTC)
    removed = book.tables[Table.KUNDE].pop(0)
    await ingest.deliver(book.files())
    third = datetime.now(UTC)
    book.tables[Table.KUNDE].append(removed | {"nachname": "Lehmann"})
    await ingest.deliver(book.files())

    assert (await ask(ingest, before)).presence is Presence.NOT_THERE
    then = await ask(ingest, first)
    assert (then.presence, then.fields["nachname"], then.fields["geburtsdatum"]) == (
        Presence.THERE, f"Müller {KEY}", "1980-01-02",
    )  # fmt: skip
    assert (await ask(ingest, second)).fields["nachname"] == "Schmidt"
    assert (await ask(ingest, third)).presence is Presence.GONE
    assert (await ask(ingest, datetime.now(UTC))).fields["nachname"] == "Lehmann"
    assert (await ask(ingest, first, Table.VERTRAG, "1001")).fields["beitrag_netto"] == "1234.50"
    assert (await ask(ingest, second, Table.VERTRAG, "1001")).fields["beitrag_netto"] == "99.90"


async def test_only_the_differing_columns_are_kept(ingest: Any, kit: Any) -> None:
    book = kit.a_book(3)
    await ingest.deliver(book.files())
    book.tables[Table.KUNDE][0]["nachname"] = "Schmidt"
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "gestern"
    await ingest.deliver(book.files())
    await ingest.deliver(book.files())
    kept = await ingest.sql("SELECT table_name, key, action, before, after FROM history")
    assert kept == [("kunde", KEY, "changed", {"nachname": f"Müller {KEY}"}, {"nachname": "Schmidt"})]


async def test_a_value_that_was_unknown_stays_unknown_for_the_time_before(ingest: Any, kit: Any) -> None:
    book = kit.a_book(1)
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "gestern"
    await ingest.deliver(book.files())
    first = datetime.now(UTC)
    book.tables[Table.KUNDE][0]["geburtsdatum"] = "2.1.1980"
    await ingest.deliver(book.files())
    then = await ask(ingest, first)
    assert then.unknown == ("geburtsdatum",)
    assert "geburtsdatum" not in then.fields
    assert (await ask(ingest, datetime.now(UTC))).fields["geburtsdatum"] == "1980-01-02"


async def test_another_tenants_row_was_never_there(ingest: Any, kit: Any) -> None:
    await ingest.deliver(kit.a_book(1).files())
    request = ObjectAsOfRequest.model_validate(
        {"table": Table.KUNDE, "key": KEY, "moment": datetime.now(UTC)}
    )
    theirs = await ingest.call(OBJECT_AS_OF, request, tenant=type(kit.tenant)("hamburg"))
    assert theirs.presence is Presence.NOT_THERE


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        ObjectAsOfRequest.model_validate({"table": "kunde", "key": KEY, "moment": "2026-10-03T12:00:00"})
