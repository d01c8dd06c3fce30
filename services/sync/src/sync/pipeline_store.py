"""Queries on pipelines."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import Where, fetch_all, run_sql
from contracts.ids import AmeiseKey, PipelineId, TenantId, Uuid
from contracts.names import Table
from sync import flow_store
from sync.drift_store import DRIFT_COLUMNS, drift_in
from sync.pipelines import Definition, Pipeline
from sync.tables import PipelineRow
from sync.templates import BUILT_IN


async def load(session: Where, pipeline: PipelineId) -> Pipeline | None:
    """A pipeline of the session's tenant."""
    rows = await fetch_all(session, "SELECT * FROM pipeline WHERE id = :id", id=int(pipeline))
    return _pipeline(rows[0]) if rows else None


async def fed_by(session: AsyncSession, table: Table) -> list[Pipeline]:
    """The enabled pipelines that bring objects of a table to Zoho."""
    rows = await fetch_all(
        session, "SELECT * FROM pipeline WHERE table_name = :table AND enabled ORDER BY id", table=table.value
    )
    return [made for row in rows if (made := _pipeline(row)).definition.takes_deliveries]


def _pipeline(row: dict[str, Any]) -> Pipeline:
    return Pipeline(
        tenant=TenantId(row["tenant"]),
        id=PipelineId(str(row["id"])),
        name=row["name"],
        table=Table(row["table_name"]),
        module=row["module"],
        ameise_connection=Uuid(str(row["ameise_connection"])),
        zoho_connection=Uuid(str(row["zoho_connection"])),
        enabled=row["enabled"],
        version=row["version"],
        definition=_definition(row),
        drift=drift_in(row),
    )


_definitions: dict[str, Definition] = {}
"""By version, which is the hash of its content: reading one anew for every record takes milliseconds."""


def _definition(row: dict[str, Any]) -> Definition:
    if row["version"] not in _definitions:
        _definitions[row["version"]] = Definition.model_validate(row["definition"])
    return _definitions[row["version"]]


async def create_built_in(
    session: AsyncSession, tenant: TenantId, *, ameise_connection: Uuid, zoho_connection: Uuid
) -> list[PipelineId]:
    """Make the built-in pipelines that these connections do not have yet; returns the new ones."""
    made = [
        await create(
            session,
            tenant,
            name=built_in.name,
            table=built_in.table,
            module=built_in.module,
            ameise_connection=ameise_connection,
            zoho_connection=zoho_connection,
            enabled=True,
            definition=built_in.definition,
        )
        for built_in in BUILT_IN
    ]
    return [number for number in made if number is not None]


async def _next_id(session: AsyncSession, tenant: TenantId) -> int:
    """Never one that was given before: webhooks of a deleted pipeline must not meet another."""
    [row] = await fetch_all(
        session,
        "INSERT INTO pipeline_number (tenant, last) VALUES (:tenant, 1) "
        "ON CONFLICT (tenant) DO UPDATE SET last = pipeline_number.last + 1 RETURNING last",
        tenant=tenant,
    )
    return row["last"]


async def create(
    session: AsyncSession,
    tenant: TenantId,
    *,
    name: str,
    table: Table,
    module: str,
    ameise_connection: Uuid,
    zoho_connection: Uuid,
    enabled: bool,
    definition: Definition,
) -> PipelineId | None:
    """Make a pipeline; None if these connections have one of this table to this module already."""
    # Two admins at once take turns until the commit.
    await run_sql(session, "SELECT pg_advisory_xact_lock(hashtext('pipeline:' || :tenant))", tenant=tenant)
    there = select(PipelineRow).where(
        PipelineRow.zoho_connection == str(zoho_connection),
        PipelineRow.table_name == table.value,
        PipelineRow.module == module,
    )
    if (await session.exec(there)).first() is not None:
        return None
    number = await _next_id(session, tenant)
    session.add(
        PipelineRow(
            tenant=tenant,
            id=number,
            name=name,
            table_name=table.value,
            module=module,
            ameise_connection=str(ameise_connection),
            zoho_connection=str(zoho_connection),
            enabled=enabled,
            definition=definition.model_dump(mode="json"),
            version=definition.version,
        )
    )
    await session.flush()
    await flow_store.make_wanted(session)
    return PipelineId(str(number))


async def change(
    session: AsyncSession, pipeline: PipelineId, *, name: str | None, old_version: str, definition: Definition
) -> bool:
    """Give it a definition, and a name unless it keeps its own; False if it is not defined as `old_version`
    any more."""
    changed = await run_sql(
        session,
        "UPDATE pipeline SET name = coalesce(CAST(:name AS text), name), "
        "definition = CAST(:definition AS jsonb), version = :version "
        "WHERE id = :id AND version = :old",
        id=int(pipeline), name=name, old=old_version,
        definition=definition.model_dump_json(), version=definition.version,
    )  # fmt: skip
    await flow_store.make_wanted(session)
    return changed > 0


async def switch(session: AsyncSession, pipeline: PipelineId, *, enabled: bool) -> bool:
    """Whether it was changed by that."""
    changed = await run_sql(
        session,
        "UPDATE pipeline SET enabled = :enabled WHERE id = :id AND enabled <> :enabled",
        id=int(pipeline), enabled=enabled,
    )  # fmt: skip
    await flow_store.make_wanted(session)
    return changed > 0


async def count_links(session: AsyncSession, pipeline: Pipeline) -> int:
    """How many records and objects are linked by it."""
    [row] = await fetch_all(
        session,
        "SELECT count(*) AS n FROM link WHERE zoho_connection = :zoho_connection AND module = :module "
        "AND table_name = :table_name AND linked_at IS NOT NULL",
        zoho_connection=pipeline.zoho_connection, module=pipeline.module, table_name=pipeline.table.value,
    )  # fmt: skip
    return row["n"]


async def delete(session: AsyncSession, pipeline: Pipeline) -> int:
    """Take it away with its links, judgements, counters and work; returns how many rows of work.

    A bulk write that is under way ends by itself. How far the module was read goes too: should the pipeline
    come back, it begins where it is made.
    """
    await run_sql(
        session,
        "DELETE FROM link WHERE zoho_connection = :zoho_connection AND module = :module "
        "AND table_name = :table_name",
        zoho_connection=pipeline.zoho_connection, module=pipeline.module, table_name=pipeline.table.value,
    )  # fmt: skip
    await run_sql(
        session,
        "DELETE FROM zoho_position WHERE zoho_connection = :zoho_connection AND module = :module",
        zoho_connection=pipeline.zoho_connection, module=pipeline.module,
    )  # fmt: skip
    await run_sql(session, "DELETE FROM judged WHERE pipeline = :id", id=int(pipeline.id))
    await run_sql(session, "DELETE FROM dismissed WHERE pipeline = :id", id=int(pipeline.id))
    await run_sql(session, "DELETE FROM throughput WHERE pipeline = :id", id=int(pipeline.id))
    await run_sql(session, "DELETE FROM dry_run WHERE pipeline = :id", id=int(pipeline.id))
    works = await run_sql(session, "DELETE FROM work WHERE pipeline = :id", id=int(pipeline.id))
    await run_sql(session, "DELETE FROM pipeline WHERE id = :id", id=int(pipeline.id))
    return works


async def of_link(session: AsyncSession, link: int) -> Pipeline | None:
    """The pipeline that a link belongs to."""
    rows = await fetch_all(
        session,
        "SELECT p.id FROM link l JOIN pipeline p ON p.zoho_connection = l.zoho_connection "
        "AND p.table_name = l.table_name AND p.module = l.module WHERE l.id = :link",
        link=link,
    )
    return await load(session, PipelineId(str(rows[0]["id"]))) if rows else None


_SUMMARIES = f"""
SELECT {DRIFT_COLUMNS},
       p.id, p.name, p.table_name, p.module, p.enabled, p.definition, p.last_success, p.last_error,
       CAST(p.ameise_connection AS text) AS ameise_connection,
       CAST(p.zoho_connection AS text) AS zoho_connection,
       (SELECT count(*) FROM link l WHERE l.zoho_connection = p.zoho_connection AND l.module = p.module
            AND l.table_name = p.table_name AND l.linked_at IS NOT NULL) AS linked,
       coalesce(w.waiting, 0) AS waiting, coalesce(w.parked, 0) AS parked
FROM pipeline p LEFT JOIN (
    SELECT pipeline, count(*) FILTER (WHERE NOT parked AND direction <> 'deletion') AS waiting,
           count(*) FILTER (WHERE parked) AS parked
    FROM work GROUP BY pipeline
) w ON w.pipeline = p.id
ORDER BY p.id
"""  # noqa: S608 (constants)


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


async def judged_versions(session: Where, pipeline: Pipeline, keys: Sequence[str]) -> dict[str, str]:
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


async def judge_gone_anew(session: AsyncSession, pipeline: Pipeline, key: str) -> None:
    """What was gone before it had a record: the next comparison has it judged again, with the record.

    Who has it in hand this moment is waited for: only then can his judgement be seen.
    """
    await run_sql(
        session,
        "SELECT 1 FROM work WHERE tenant = :tenant AND pipeline = :id AND direction = 'to_zoho' "
        "AND object = :key FOR UPDATE",
        tenant=pipeline.tenant, id=int(pipeline.id), key=key,
    )  # fmt: skip
    await run_sql(
        session,
        "DELETE FROM judged WHERE pipeline = :id AND key = :key AND outcome = 'gone'",
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
    """The tables of pipelines that have judged no object yet, as they are defined now."""
    rows = await fetch_all(
        session,
        "SELECT DISTINCT table_name FROM pipeline p "
        "WHERE definition ->> 'direction' <> 'to_ameise' AND NOT EXISTS "
        "(SELECT FROM judged j WHERE j.tenant = p.tenant AND j.pipeline = p.id "
        "AND j.pipeline_version = p.version) ORDER BY 1",
    )
    return [Table(row["table_name"]) for row in rows]


async def enabled_over(session: AsyncSession, zoho_connection: Uuid) -> list[Pipeline]:
    """The enabled pipelines of the session's tenant to one organisation of Zoho."""
    return [p for p in await enabled(session) if p.zoho_connection == zoho_connection]


async def enabled(session: AsyncSession) -> list[Pipeline]:
    """The enabled pipelines of the session's tenant."""
    rows = await fetch_all(session, "SELECT * FROM pipeline WHERE enabled ORDER BY id")
    return [_pipeline(row) for row in rows]
