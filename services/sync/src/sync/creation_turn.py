"""One creation at a time per Ameise connection, whichever replica it is.

Kunden and Verträge have turns of their own.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

from chassis import leases
from chassis.database import Database
from chassis.leases import Lease
from sync.pipelines import Pipeline
from sync.retry import Postpone
from sync.work_store import Work

NOT_YET = Postpone(timedelta(milliseconds=100), "eine andere Anlage läuft", counts=False)


@asynccontextmanager
async def creation_turn(
    database: Database,
    pipeline: Pipeline,
    work: Work,
    kind: Literal["erstanlage", "vertragsanlage"],
    *,
    lasting: timedelta,
) -> AsyncGenerator[Lease | None]:
    """The turn while the block runs; None while somebody else has it."""
    async with database.tenant(pipeline.tenant) as session:
        name = f"{kind}:{pipeline.ameise_connection}"
        turn = await leases.take(session, pipeline.tenant, name, owner=work.owner, lasting=lasting)
    if turn is None:
        yield None
        return
    try:
        yield turn
    finally:
        async with database.tenant(pipeline.tenant) as session:
            await leases.give_back(session, turn)
