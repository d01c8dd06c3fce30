"""Queries on deliveries, FTP users and stored objects, named by the question they answer."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.events import TableCounts
from contracts.ids import TenantId, Uuid
from contracts.names import Table
from contracts.problems import Invalid, NotFound
from contracts.rpc.ingest import DeliveryState
from contracts.rpc.ingest_format import FormatChanges
from ingest.composing import CHILDREN_OF_KUNDE, WANTED_KEYS, composed_sql
from ingest.guards import Before
from ingest.table_format import Format
from ingest.tables import DeliveredTableRow, DeliveryRow, FormatOverrideRow, FtpUserRow

SHOWN_DELIVERIES = 90
KEPT_PROBLEMS = 1000
UNDECIDED = (DeliveryState.RECEIVING, DeliveryState.WAITING, DeliveryState.IMPORTING, DeliveryState.HELD)
"""States in which the files are needed still; a held delivery's until a person decides."""


async def ftp_user(session: AsyncSession, tenant: TenantId) -> FtpUserRow | None:
    """The tenant's way in."""
    return await session.get(FtpUserRow, tenant)


async def receiving_deliveries(session: AsyncSession) -> Sequence[DeliveryRow]:
    """Deliveries whose files are still coming in; for the all-tenants role."""
    statement = select(DeliveryRow).where(DeliveryRow.state == DeliveryState.RECEIVING)
    return (await session.exec(statement)).all()


async def tenants_with_work(session: AsyncSession) -> list[TenantId]:
    """Tenants with a delivery to import. Who sends a tenth of the bytes comes first, so that nobody waits for
    more than one much larger delivery; those of like size take turns, whose last import is longest ago first.
    Who has waited for an hour comes before all others."""
    rows = await fetch_all(
        session,
        """
        SELECT d.tenant FROM delivery d WHERE d.state IN ('waiting', 'importing') GROUP BY d.tenant
        ORDER BY min(d.received_from) < now() - interval '1 hour' DESC, length(CAST(max(d.bytes) AS text)),
                 (SELECT max(f.finished_at) FROM delivery f WHERE f.tenant = d.tenant) NULLS FIRST, d.tenant
        """,
    )
    return [TenantId(row["tenant"]) for row in rows]


async def next_delivery(session: AsyncSession, tenant: TenantId) -> DeliveryRow | None:
    """The tenant's oldest delivery that is to be imported; one whose import died comes first again."""
    statement = (
        select(DeliveryRow)
        .where(
            DeliveryRow.tenant == tenant,
            col(DeliveryRow.state).in_([DeliveryState.WAITING, DeliveryState.IMPORTING]),
        )
        .order_by(col(DeliveryRow.received_from))
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def decided_deliveries(session: AsyncSession, tenant: TenantId) -> set[Uuid]:
    """Deliveries whose files nobody needs any more."""
    ended = select(DeliveryRow.id).where(
        DeliveryRow.tenant == tenant, col(DeliveryRow.state).not_in(UNDECIDED)
    )
    return set(map(Uuid, (await session.exec(ended)).all()))


async def delivery(session: AsyncSession, tenant: TenantId, id_: Uuid) -> DeliveryRow:
    """Raises NotFound."""
    row = await session.get(DeliveryRow, id_)
    if row is None or row.tenant != tenant:
        raise NotFound(f"Die Lieferung {id_} gibt es nicht.")
    return row


async def keep_problems(
    session: AsyncSession, tenant: TenantId, delivery: Uuid, problems: Sequence[Mapping[str, Any]]
) -> None:
    """All problems of a delivery, in place of those of an attempt before."""
    await run_sql(session, "DELETE FROM delivery_problem WHERE delivery = :delivery", delivery=delivery)
    await run_sql(
        session,
        """
        INSERT INTO delivery_problem (tenant, delivery, position, problem)
        SELECT :tenant, :delivery, position, CAST(problem AS jsonb)
        FROM unnest(CAST(:problems AS text[])) WITH ORDINALITY p (problem, position)
        """,
        tenant=tenant,
        delivery=delivery,
        problems=[json.dumps(problem) for problem in problems],
    )


async def change_delivery(session: AsyncSession, delivery: Uuid | str, **values: Any) -> None:
    """Set columns of one delivery."""
    await session.exec(update(DeliveryRow).where(col(DeliveryRow.id) == str(delivery)).values(**values))


async def change_importing(session: AsyncSession, delivery: Uuid | str, **values: Any) -> bool:
    """Set columns of one delivery while it is being imported; False, and nothing, if it has ended."""
    statement = (
        update(DeliveryRow)
        .where(col(DeliveryRow.id) == str(delivery), col(DeliveryRow.state) == DeliveryState.IMPORTING)
        .values(**values)
    )
    return (await session.exec(statement)).rowcount == 1


async def is_superseded(session: AsyncSession, delivery: DeliveryRow) -> bool:
    """Whether a delivery that began later was imported. One that is to begin in the future does not count:
    the clock was put back, and nobody knows which of the two is newer."""
    later = select(DeliveryRow.id).where(
        DeliveryRow.tenant == delivery.tenant,
        col(DeliveryRow.state).in_([DeliveryState.IMPORTED, DeliveryState.IMPORTED_WITH_WARNINGS]),
        DeliveryRow.received_from > delivery.received_from,
        DeliveryRow.received_from <= datetime.now(UTC),
    )
    return (await session.exec(later.limit(1))).first() is not None


async def delivery_to_decide_on(session: AsyncSession, delivery: Uuid) -> DeliveryRow | None:
    """The delivery, locked until the transaction ends: of two decisions the second sees the first."""
    statement = select(DeliveryRow).where(DeliveryRow.id == str(delivery)).with_for_update()
    return (await session.exec(statement)).first()


async def format_changes(session: AsyncSession, tenant: TenantId) -> FormatChanges:
    """How the tenant's files differ from the built-in format. Raises Invalid if an older release kept what
    this one does not understand."""
    row = await session.get(FormatOverrideRow, tenant)
    try:
        return FormatChanges.model_validate(row.changes) if row else FormatChanges()
    except ValidationError as error:
        raise Invalid("; ".join(fault["msg"] for fault in error.errors())) from error


async def newest_deliveries(session: AsyncSession, tenant: TenantId) -> Sequence[DeliveryRow]:
    statement = (
        select(DeliveryRow)
        .where(DeliveryRow.tenant == tenant)
        .order_by(col(DeliveryRow.received_from).desc())
        .limit(SHOWN_DELIVERIES)
    )
    return (await session.exec(statement)).all()


async def delivered_tables(session: AsyncSession, tenant: TenantId) -> dict[Table, DeliveredTableRow]:
    """What the newest imported deliveries brought, per table."""
    rows = await session.exec(select(DeliveredTableRow).where(DeliveredTableRow.tenant == tenant))
    return {Table(row.table_name): row for row in rows}


def as_of_objects(table: Table, delivered: Mapping[Table, DeliveredTableRow]) -> datetime | None:
    """The moment that a table's objects show; None if it was never delivered.

    A delivery may come without a table: an object is as old as the oldest part of it.
    """
    if table not in delivered:
        return None
    parts = (table, *CHILDREN_OF_KUNDE) if table is Table.KUNDE else (table,)
    return min(delivered[part].as_of for part in parts if part in delivered)


async def stored_before(session: AsyncSession, tenant: TenantId) -> dict[Table, Before]:
    """Living rows and last delivered columns per table; tables never delivered are not there."""
    tables = await delivered_tables(session, tenant)
    return {table: Before(row.rows, frozenset(row.columns), row.filled) for table, row in tables.items()}


async def remember_table(
    session: AsyncSession,
    table: Table,
    *,
    tenant: TenantId,
    filled: Mapping[str, int],
    counts: TableCounts,
    whole: bool,
    delivery: Uuid,
    as_of: datetime,
) -> None:
    """Keep what this delivery brought of a table. `filled` has every delivered column."""
    await run_sql(
        session,
        """
        INSERT INTO delivered_table AS t
            (tenant, table_name, columns, filled, rows, whole_once, delivery, as_of)
        VALUES (:tenant, :table, CAST(:columns AS text[]), CAST(:filled AS jsonb), :grown, :whole, :delivery,
                :as_of)
        ON CONFLICT (tenant, table_name) DO UPDATE SET columns = excluded.columns, filled = excluded.filled,
            rows = t.rows + excluded.rows, whole_once = t.whole_once OR excluded.whole_once,
            delivery = excluded.delivery, as_of = excluded.as_of
        """,
        tenant=tenant,
        table=table.value,
        columns=sorted(filled),
        filled=json.dumps(dict(filled)),
        grown=counts.new - counts.gone,
        whole=whole,
        delivery=delivery,
        as_of=as_of,
    )


async def composed_objects(
    session: AsyncSession, form: Format, table: Table, *, tenant: TenantId, keys: Sequence[str]
) -> Mapping[str, dict[str, Any]]:
    """Key → version, gone, fields, unknown of the objects that were ever stored; one query."""
    rows = await fetch_all(
        session,
        f"""
        WITH composed AS MATERIALIZED ({composed_sql(form, table, WANTED_KEYS)})
        SELECT s.key, s.version, s.gone_since IS NOT NULL AS gone, c.fields, c.unknown
        FROM {table} s LEFT JOIN composed c ON c.key = s.key
        WHERE s.tenant = :tenant AND s.key = ANY(CAST(:keys AS text[])) AND s.version IS NOT NULL
        """,  # noqa: S608 (no value in it)
        tenant=tenant,
        keys=list(keys),
    )
    return {row["key"]: row for row in rows}
