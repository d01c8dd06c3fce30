"""Where a delivery is, table by table: while it is imported, and after."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.names import Table
from contracts.rpc import Empty
from contracts.rpc.ingest import STATUS, DeliveryState, TableState, TableStatus
from ingest import merging
from ingest.progress import Progress, table_states, write
from ingest.table_format import load_format
from ingest.tables import DeliveryRow

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNTS = {"new": 2, "changed": 3, "unchanged": 5, "gone": 1, "rejected": 0}


def a_delivery(state: DeliveryState, **values: Any) -> DeliveryRow:
    return DeliveryRow(
        id="x", tenant="berlin", state=state, correlationid="y", received_from=NOON, as_of=NOON, **values
    )


def states(delivery: DeliveryRow) -> dict[Table, TableStatus]:
    return table_states(delivery, load_format("dailyup-1"))


@pytest.mark.parametrize(
    "state", [DeliveryState.RECEIVING, DeliveryState.WAITING, DeliveryState.HELD, DeliveryState.FAILED]
)
def test_a_delivery_that_is_not_imported_has_its_tables_where_it_is(state: DeliveryState) -> None:
    found = states(a_delivery(state, missing=["sparte"]))
    assert found[Table.KUNDE].state.value == state.value
    assert found[Table.SPARTE].state is TableState.MISSING


def test_an_imported_delivery_tells_what_became_of_each_table() -> None:
    problem = {"file": "DEMO_vertraege.csv", "rule": "cell_unreadable", "row": 2}
    found = states(
        a_delivery(
            DeliveryState.IMPORTED_WITH_WARNINGS, missing=["sparte"], problems=[problem],
            counts={"kunde": COUNTS, "vertrag": COUNTS},
        )
    )  # fmt: skip
    assert found[Table.KUNDE] == TableStatus(state=TableState.IMPORTED, rows=10)
    assert found[Table.VERTRAG].state is TableState.IMPORTED_WITH_WARNINGS
    assert found[Table.LAND].state is TableState.FAILED


def test_a_table_that_came_in_part_is_what_became_of_that_part() -> None:
    """Its file was cut off, so that it counts as missing for who waits; and still it was read."""
    importing = a_delivery(
        DeliveryState.IMPORTING,
        missing=["kunde", "sparte"],
        progress={"kunde": {"state": "checking", "rows": 9}},
    )
    assert states(importing)[Table.KUNDE] == TableStatus(state=TableState.CHECKING, rows=9)
    assert states(importing)[Table.SPARTE].state is TableState.MISSING
    imported = a_delivery(DeliveryState.IMPORTED, missing=["kunde", "sparte"], counts={"kunde": COUNTS})
    assert states(imported)[Table.KUNDE] == TableStatus(state=TableState.IMPORTED, rows=10)
    assert states(imported)[Table.SPARTE].state is TableState.MISSING


def test_an_import_tells_rows_and_percent() -> None:
    progress = Progress()
    progress.checking([Table.KUNDE, Table.VERTRAG])
    assert progress.tables[Table.KUNDE] == TableStatus(state=TableState.CHECKING)
    loaded = progress.importing(Table.KUNDE)
    assert progress.tables[Table.KUNDE] == TableStatus(state=TableState.IMPORTING, rows=0, percent=0)
    loaded(50, 25)
    assert progress.tables[Table.KUNDE] == TableStatus(state=TableState.IMPORTING, rows=50, percent=25)


async def test_progress_is_seen_while_the_import_is_open_and_is_over_with_it(
    ingest: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    compare = merging.compare

    async def compare_and_look(session: Any, read: Any, definition: Any, **more: Any) -> Any:
        if definition.table is Table.KUNDE:

            async def is_shown() -> Any:
                tables = (await ingest.call(STATUS, Empty())).tables
                return tables if tables[Table.KUNDE].state is TableState.IMPORTING else None

            seen.append(await kit.until(is_shown))
        return await compare(session, read, definition, **more)

    monkeypatch.setattr(merging, "compare", compare_and_look)
    delivery = await ingest.deliver(kit.a_book(4).files())

    [tables] = seen
    assert tables[Table.KUNDE] == TableStatus(state=TableState.IMPORTING, rows=4, percent=100)
    assert tables[Table.VERTRAG] == TableStatus(state=TableState.CHECKING)
    late = {Table.KUNDE: TableStatus(state=TableState.CHECKING)}
    await write(ingest.base.database, kit.tenant, delivery.id, late)
    after = (await ingest.call(STATUS, Empty())).tables
    assert after[Table.KUNDE] == TableStatus(state=TableState.IMPORTED, rows=4)
    assert delivery.started_at is not None
