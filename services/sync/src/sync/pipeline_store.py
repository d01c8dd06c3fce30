"""Queries on pipelines."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import AmeiseKey, PipelineId, TenantId, Uuid
from contracts.names import Table
from sync.pipelines import BUILT_IN, Definition, Pipeline
from sync.tables import PipelineRow


async def load(session: AsyncSession, pipeline: PipelineId) -> Pipeline | None:
    """A pipeline of the session's tenant."""
    row = (await session.exec(select(PipelineRow).where(PipelineRow.id == int(pipeline)))).first()
    return _pipeline(row) if row else None


async def fed_by(session: AsyncSession, table: Table) -> list[Pipeline]:
    """The enabled pipelines that objects of a table go through."""
    chosen = select(PipelineRow).where(PipelineRow.table_name == table.value, PipelineRow.enabled)
    return [_pipeline(row) for row in (await session.exec(chosen.order_by(PipelineRow.id))).all()]  # pyright: ignore[reportArgumentType]


def _pipeline(row: PipelineRow) -> Pipeline:
    return Pipeline(
        tenant=TenantId(row.tenant),
        id=PipelineId(str(row.id)),
        name=row.name,
        table=Table(row.table_name),
        module=row.module,
        ameise_connection=Uuid(row.ameise_connection),
        zoho_connection=Uuid(row.zoho_connection),
        enabled=row.enabled,
        version=row.version,
        definition=_definition(row),
    )


_definitions: dict[str, Definition] = {}
"""By version, which is the hash of its content: reading one anew for every record takes milliseconds."""


def _definition(row: PipelineRow) -> Definition:
    if row.version not in _definitions:
        _definitions[row.version] = Definition.model_validate(row.definition)
    return _definitions[row.version]


async def create_built_in(
    session: AsyncSession, tenant: TenantId, *, ameise_connection: Uuid, zoho_connection: Uuid
) -> list[PipelineId]:
    """Make the built-in pipelines that these connections do not have yet; returns the new ones."""
    # Numbers are given one after another per tenant, so two admins at once must take turns.
    await run_sql(session, "SELECT pg_advisory_xact_lock(hashtext('pipeline:' || :tenant))", tenant=tenant)
    present = (await session.exec(select(PipelineRow))).all()
    taken = {(p.zoho_connection, p.table_name, p.module) for p in present}
    next_id = max((p.id for p in present), default=0) + 1
    created: list[PipelineId] = []
    for built_in in BUILT_IN:
        if (str(zoho_connection), built_in.table.value, built_in.module) in taken:
            continue
        session.add(
            PipelineRow(
                tenant=tenant,
                id=next_id,
                name=built_in.name,
                table_name=built_in.table.value,
                module=built_in.module,
                ameise_connection=str(ameise_connection),
                zoho_connection=str(zoho_connection),
                definition=built_in.definition.model_dump(mode="json"),
                version=built_in.definition.version,
            )
        )
        created.append(PipelineId(str(next_id)))
        next_id += 1
    await session.flush()
    return created


_SUMMARIES = """
SELECT p.id, p.name, p.table_name, p.module, p.enabled, p.definition, p.last_success, p.last_error,
       CAST(p.ameise_connection AS text) AS ameise_connection,
       CAST(p.zoho_connection AS text) AS zoho_connection,
       (SELECT count(*) FROM link l WHERE l.zoho_connection = p.zoho_connection AND l.module = p.module
            AND l.table_name = p.table_name AND l.linked_at IS NOT NULL) AS linked,
       coalesce(w.waiting, 0) AS waiting, coalesce(w.parked, 0) AS parked
FROM pipeline p LEFT JOIN (
    SELECT pipeline, count(*) FILTER (WHERE NOT parked) AS waiting, count(*) FILTER (WHERE parked) AS parked
    FROM work GROUP BY pipeline
) w ON w.pipeline = p.id
ORDER BY p.id
"""


async def summaries(session: AsyncSession) -> list[dict[str, Any]]:
    """All pipelines of the session's tenant with their counters."""
    return await fetch_all(session, _SUMMARIES)


async def note_success(session: AsyncSession, pipeline: Pipeline) -> None:
    await run_sql(
        session,
        "UPDATE pipeline SET last_success = now(), last_error = NULL WHERE id = :id "
        # once a second is enough for people, and keeps the row from being rewritten for every record
        "AND (last_success IS NULL OR last_success < now() - interval '1 second' OR last_error IS NOT NULL)",
        id=int(pipeline.id),
    )


async def note_error(session: AsyncSession, pipeline: Pipeline, error: str) -> None:
    await run_sql(
        session, "UPDATE pipeline SET last_error = :error WHERE id = :id", id=int(pipeline.id), error=error
    )


async def judged_versions(session: AsyncSession, pipeline: Pipeline, keys: Sequence[str]) -> dict[str, str]:
    """Key → the version that this pipeline, as it is defined now, judged last; not where that is void."""
    rows = await fetch_all(
        session,
        "SELECT key, version FROM judged WHERE pipeline = :pipeline AND pipeline_version = :version "
        "AND outcome <> 'void' AND key = ANY(CAST(:keys AS text[]))",
        pipeline=int(pipeline.id), version=pipeline.version, keys=list(keys),
    )  # fmt: skip
    return {row["key"]: row["version"] for row in rows}


_JUDGE = """
INSERT INTO judged (tenant, pipeline, key, version, outcome, pipeline_version)
SELECT :tenant, :pipeline, o.key, o.version, o.outcome, :pipeline_version
FROM unnest(CAST(:keys AS text[]), CAST(:versions AS text[]), CAST(:outcomes AS text[]))
     AS o (key, version, outcome)
ON CONFLICT (tenant, pipeline, key) DO UPDATE SET
    version = excluded.version, outcome = excluded.outcome, pipeline_version = excluded.pipeline_version,
    judged_at = now()
"""


async def judge(session: AsyncSession, pipeline: Pipeline, judged: Sequence[tuple[str, str, str]]) -> None:
    """Remember (key, version, outcome) as judged by this pipeline."""
    if judged:
        await run_sql(
            session, _JUDGE,
            tenant=pipeline.tenant, pipeline=int(pipeline.id), pipeline_version=pipeline.version,
            keys=[key for key, _, _ in judged], versions=[version for _, version, _ in judged],
            outcomes=[outcome for _, _, outcome in judged],
        )  # fmt: skip


async def forget_judgement(session: AsyncSession, pipeline: Pipeline, key: str) -> None:
    """What was applied is void since we wrote to Ameise: the first comparison after a delivery that shows our
    write fetches the object and merges by value. The version stays, since ingest has it still. What is gone
    there has no values to merge."""
    await run_sql(
        session,
        "UPDATE judged SET outcome = 'void' WHERE pipeline = :id AND key = :key AND outcome <> 'gone'",
        id=int(pipeline.id), key=key,
    )  # fmt: skip


async def kunden_not_judged(
    session: AsyncSession, pipeline: Pipeline, keys: Sequence[AmeiseKey]
) -> set[AmeiseKey]:
    """Which Kunden some pipeline to the same Zoho connection has yet to judge."""
    rows = await fetch_all(
        session,
        "SELECT DISTINCT k.key FROM unnest(CAST(:keys AS text[])) AS k (key) JOIN pipeline p "
        "ON p.zoho_connection = :connection AND p.table_name = 'kunde' AND p.enabled "
        "LEFT JOIN judged j ON j.pipeline = p.id AND j.key = k.key WHERE j.key IS NULL "
        # linked is as good as judged: after a write to Ameise the judgement is void, the link is not
        "AND NOT EXISTS (SELECT 1 FROM link l WHERE l.zoho_connection = p.zoho_connection "
        "AND l.table_name = 'kunde' AND l.ameise_key = k.key AND l.linked_at IS NOT NULL)",
        keys=list(keys), connection=pipeline.zoho_connection,
    )  # fmt: skip
    return {AmeiseKey(row["key"]) for row in rows}


async def tables_not_judged(session: AsyncSession) -> list[Table]:
    """The tables of pipelines that have judged no object yet."""
    rows = await fetch_all(
        session,
        "SELECT DISTINCT table_name FROM pipeline p "
        "WHERE NOT EXISTS (SELECT FROM judged j WHERE j.tenant = p.tenant AND j.pipeline = p.id) ORDER BY 1",
    )
    return [Table(row["table_name"]) for row in rows]


async def enabled_over(session: AsyncSession, zoho_connection: Uuid) -> list[Pipeline]:
    """The enabled pipelines of the session's tenant to one organisation of Zoho."""
    return [p for p in await enabled(session) if p.zoho_connection == zoho_connection]


async def enabled(session: AsyncSession) -> list[Pipeline]:
    """The enabled pipelines of the session's tenant."""
    chosen = select(PipelineRow).where(PipelineRow.enabled).order_by(PipelineRow.id)  # pyright: ignore[reportArgumentType]
    return [_pipeline(row) for row in (await session.exec(chosen)).all()]
