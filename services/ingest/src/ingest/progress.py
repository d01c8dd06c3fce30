"""Where a delivery is, table by table: told while the import's transaction is still open.

The importing replica keeps it in memory and writes it into the delivery's row once a second, by transactions
of its own. Once the delivery has ended, it follows from how it ended.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog

from chassis.database import Database, is_unreachable, run_sql
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.rpc.ingest import DeliveryState, TableState, TableStatus
from ingest.table_format import Format
from ingest.tables import DeliveryRow

log: structlog.stdlib.BoundLogger = structlog.get_logger()

WRITE_SECONDS = 1.0


class Progress:
    """What the import is at. Tables that did not come are not in it."""

    def __init__(self) -> None:
        self.tables: dict[Table, TableStatus] = {}

    def checking(self, tables: Iterable[Table]) -> None:
        """These have a file that can be read."""
        self.tables = {table: TableStatus(state=TableState.CHECKING) for table in tables}

    def importing(self, table: Table) -> Callable[[int, int], None]:
        """A table's turn has come; call what is returned with how many rows were loaded, and how much of its
        file that was, in percent."""

        def loaded(rows: int, percent: int) -> None:
            self.tables[table] = TableStatus(state=TableState.IMPORTING, rows=rows, percent=percent)

        loaded(0, 0)
        return loaded


@asynccontextmanager
async def shown_progress(database: Database, tenant: TenantId, delivery: Uuid) -> AsyncGenerator[Progress]:
    """Keep what the block tells the progress visible for others, once a second."""
    progress = Progress()
    writing = asyncio.create_task(_write_again_and_again(database, tenant, delivery, progress))
    try:
        yield progress
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


async def _write_again_and_again(
    database: Database, tenant: TenantId, delivery: Uuid, progress: Progress
) -> None:
    written: dict[Table, TableStatus] | None = None
    while True:
        if written != progress.tables:
            written = dict(progress.tables)
            try:
                await write(database, tenant, delivery, written)
            except Exception as error:
                if not is_unreachable(error):
                    raise
                log.info("progress.postponed", reason="PostgreSQL is away")
        await asyncio.sleep(WRITE_SECONDS)


async def write(
    database: Database, tenant: TenantId, delivery: Uuid, tables: Mapping[Table, TableStatus]
) -> None:
    """Nothing happens if the delivery has ended meanwhile."""
    text = ", ".join(f'"{table}": {status.model_dump_json()}' for table, status in tables.items())
    async with database.tenant(tenant) as session:
        await run_sql(
            session,
            "UPDATE delivery SET progress = CAST(:progress AS jsonb) "
            "WHERE id = :delivery AND state = 'importing'",
            progress=f"{{{text}}}",
            delivery=delivery,
        )


def table_states(delivery: DeliveryRow, form: Format) -> dict[Table, TableStatus]:
    """Every table of a delivery, from its row and the format of its tenant."""
    return {table: _table_state(delivery, table, form) for table in Table}


def _table_state(delivery: DeliveryRow, table: Table, form: Format) -> TableStatus:
    """What was read of a table counts more than that its file did not come, or not whole."""
    state = DeliveryState(delivery.state)
    if counts := delivery.counts.get(table):
        return _imported(delivery, table, form, counts)
    if state is DeliveryState.IMPORTING and (told := delivery.progress.get(table)):
        return TableStatus.model_validate(told)
    if table in delivery.missing:
        return TableStatus(state=TableState.MISSING)
    match state:
        case DeliveryState.IMPORTED | DeliveryState.IMPORTED_WITH_WARNINGS:
            return TableStatus(state=TableState.FAILED)
        case DeliveryState.IMPORTING:
            return TableStatus(state=TableState.CHECKING)
        case _:
            return TableStatus(state=TableState(state))


def _imported(delivery: DeliveryRow, table: Table, form: Format, counts: Mapping[str, int]) -> TableStatus:
    has_problem = any(form.table_of(problem["file"]) is table for problem in delivery.problems)
    state = TableState.IMPORTED_WITH_WARNINGS if has_problem else TableState.IMPORTED
    return TableStatus(state=state, rows=counts["new"] + counts["changed"] + counts["unchanged"])
