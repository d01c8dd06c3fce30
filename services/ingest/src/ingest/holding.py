"""What a held delivery would change: kept with it, so that a person can decide at once."""

from collections.abc import Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all
from contracts.events import ObjectAction, TableCounts
from contracts.ids import AmeiseKey
from contracts.names import Table
from contracts.rpc.ingest import TablePreview

SHOWN_KEYS = 10

_ACTIONS = {"new": ObjectAction.CREATED, "changed": ObjectAction.UPDATED, "gone": ObjectAction.GONE}


async def preview_of(
    session: AsyncSession, reasons: list[str], counts: Mapping[Table, TableCounts]
) -> dict[str, Any]:
    """Reasons, and per table that would change its counts and a few keys, from the filled `delta_<table>`."""
    tables = {
        table: TablePreview(counts=count, keys=await _keys(session, table))
        for table, count in counts.items()
        if count.new or count.changed or count.gone or count.rejected
    }
    return {
        "reasons": reasons,
        "tables": {table: shown.model_dump(mode="json") for table, shown in tables.items()},
    }


async def _keys(session: AsyncSession, table: Table) -> dict[ObjectAction, tuple[AmeiseKey, ...]]:
    rows = await fetch_all(
        session,
        f"""
        SELECT action, array_agg(key ORDER BY key) AS keys
        FROM (SELECT action, key, row_number() OVER (PARTITION BY action ORDER BY key) AS place
              FROM delta_{table}) d
        WHERE place <= :shown GROUP BY action
        """,  # noqa: S608 (an enum)
        shown=SHOWN_KEYS,
    )
    return {_ACTIONS[row["action"]]: tuple(map(AmeiseKey, row["keys"])) for row in rows}
