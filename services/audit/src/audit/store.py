"""Queries on audit's own database: which numbered events were seen."""

from collections.abc import Sequence

from chassis.database import Database, fetch_all, run_sql
from contracts.names import Service
from contracts.subjects import EventTenant

# A multirange holds any number of seen events in one value as long as there are few gaps; numbers that
# come twice or out of order change nothing. The relay's numbers of an epoch begin at 1.
_ADD = """
INSERT INTO seen_number AS known (tenant, service, epoch, seen)
SELECT :tenant, service, epoch, range_agg(int8range(number, number, '[]'))
FROM unnest(CAST(:services AS text[]), CAST(:epochs AS integer[]), CAST(:numbers AS bigint[]))
     AS fresh (service, epoch, number)
GROUP BY service, epoch ORDER BY service, epoch
ON CONFLICT (tenant, service, epoch) DO UPDATE SET seen = known.seen + excluded.seen
"""

_MISSING = """
SELECT service, sum(upper(seen) - 1 - covered) AS missing
FROM seen_number, LATERAL (SELECT sum(upper(r) - lower(r)) AS covered FROM unnest(seen) AS r) AS ranges
GROUP BY service
"""


async def add_seen(
    database: Database, tenant: EventTenant, numbers: Sequence[tuple[Service, int, int]]
) -> None:
    """Remember the events (service, epoch, number) of one tenant as seen."""
    async with database.tenant(tenant) as session:
        await run_sql(
            session, _ADD,
            tenant=str(tenant),
            services=[service.value for service, _, _ in numbers],
            epochs=[epoch for _, epoch, _ in numbers],
            numbers=[number for _, _, number in numbers],
        )  # fmt: skip


async def count_missing(all_tenants: Database) -> dict[Service, int]:
    """How many events below the highest number seen are missing, by service, over all tenants and epochs.

    As the all-tenants role: a sum for a metric, which names no tenant.
    """
    async with all_tenants.unbound() as session:
        rows = await fetch_all(session, _MISSING)
    return {Service(row["service"]): int(row["missing"]) for row in rows}
