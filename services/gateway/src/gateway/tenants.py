"""The broker teams of the installation."""

from chassis.cause import Cause
from chassis.process import Foundation
from contracts.events import TenantCreated
from contracts.ids import TenantId, Uuid
from contracts.problems import Conflict
from gateway import store
from gateway.asking import admin_of
from gateway.tables import Tenant


async def create(base: Foundation, tenant: TenantId, name: str, correlationid: Uuid) -> Tenant:
    """Store a new team and tell it. Raises Conflict if there is one of that id."""
    async with base.database.tenant(tenant) as session:
        if not await store.add_tenant(session, tenant, name):
            raise Conflict(f"Das Team {tenant} gibt es schon.")
        await base.outbox.tell(session, Cause.of_actor(admin_of(tenant), correlationid), TenantCreated())
        made = await store.find_tenant(session, tenant)
    assert made is not None
    return made


async def listed(base: Foundation) -> list[Tenant]:
    """All teams, for the one admin of all of them.

    As the all-tenants role: the runtime role sees one tenant's rows, and which tenants there are is what
    is asked here.
    """
    async with base.all_tenants.unbound() as session:
        return await store.all_tenants(session)
