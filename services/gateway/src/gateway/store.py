"""The gateway's queries, named by the question they answer."""

from datetime import timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chassis.database import fetch_all, run_sql
from contracts.ids import PipelineId, TenantId
from gateway.tables import Tenant, WebhookEndpoint

_ADD_TENANT = "INSERT INTO tenant (tenant, name) VALUES (:tenant, :name) ON CONFLICT DO NOTHING"

# The current token becomes the previous one, so that Zoho's webhook can be edited without a gap.
_ROTATE = """
INSERT INTO webhook_endpoint AS e (tenant, pipeline, token_hash) VALUES (:tenant, :pipeline, :token_hash)
ON CONFLICT (tenant, pipeline) DO UPDATE SET
    previous_token_hash = CASE WHEN :keep_previous THEN e.token_hash END,
    token_hash = excluded.token_hash,
    created_at = now()
"""

_TAKE_STATE = """
DELETE FROM oauth_state
WHERE state_hash = :state_hash AND created_at > now() - make_interval(secs => :seconds)
RETURNING tenant
"""


async def add_tenant(session: AsyncSession, tenant: TenantId, name: str) -> bool:
    """Whether the tenant is new and now stored."""
    return await run_sql(session, _ADD_TENANT, tenant=tenant, name=name) == 1


async def find_tenant(session: AsyncSession, tenant: TenantId) -> Tenant | None:
    return await session.get(Tenant, str(tenant))


async def all_tenants(session: AsyncSession) -> list[Tenant]:
    """Every tenant of the installation, by name; sees them all only in a session of the all-tenants role."""
    return list(await session.exec(select(Tenant).order_by(col(Tenant.name), col(Tenant.tenant))))


async def find_endpoint(
    session: AsyncSession, tenant: TenantId, pipeline: PipelineId
) -> WebhookEndpoint | None:
    return await session.get(WebhookEndpoint, (str(tenant), str(pipeline)))


async def rotate_token(
    session: AsyncSession, tenant: TenantId, pipeline: PipelineId, *, token_hash: str, keep_previous: bool
) -> None:
    """Make the endpoint, or give it a new token; the one before stays good only if `keep_previous`."""
    await run_sql(
        session, _ROTATE, tenant=tenant, pipeline=pipeline, token_hash=token_hash, keep_previous=keep_previous
    )


async def add_state(session: AsyncSession, tenant: TenantId, state_hash: str, *, lifetime: timedelta) -> None:
    """Remember whose code flow a state is; forgets the tenant's states that are too old to be used."""
    await run_sql(
        session,
        "DELETE FROM oauth_state WHERE created_at < now() - make_interval(secs => :seconds)",
        seconds=lifetime.total_seconds(),
    )
    await run_sql(
        session,
        "INSERT INTO oauth_state (state_hash, tenant) VALUES (:state_hash, :tenant)",
        state_hash=state_hash, tenant=tenant,
    )  # fmt: skip


async def take_state(session: AsyncSession, state_hash: str, *, lifetime: timedelta) -> TenantId | None:
    """Whose code flow a state is; the state is gone afterwards, so it is good once.

    Needs a session of the all-tenants role: the tenant is what is asked for.
    """
    rows = await fetch_all(session, _TAKE_STATE, state_hash=state_hash, seconds=lifetime.total_seconds())
    return TenantId(rows[0]["tenant"]) if rows else None
