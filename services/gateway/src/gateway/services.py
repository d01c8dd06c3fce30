"""Which services answer now."""

import asyncio
from typing import Any

from contracts.actor import Actor
from contracts.ids import TenantId
from contracts.names import Service
from contracts.problems import Problem, Unavailable
from contracts.rpc import Empty, Rpc, RpcModel, audit, auth, ingest, sync_parked
from gateway import tenants
from gateway.asking import admin_of
from gateway.log_page import LogLine, line_of
from gateway.models import ServiceState, Status
from gateway.overview import Part, part_of
from gateway.parts import Parts

PROBE_SECONDS = 2.0

_PROBES: dict[Service, tuple[Rpc[Any, Any], RpcModel]] = {
    Service.INGEST: (ingest.STATUS, Empty()),
    Service.SYNC: (sync_parked.LIST_PARKED, sync_parked.ListParked(limit=1)),
    Service.AUTH: (auth.LIST_CONNECTIONS, Empty()),
    Service.AUDIT: (audit.SEARCH, audit.SearchLog(limit=1)),
}
"""One question to each service that only looks. There is no RPC for health: what counts is an answer."""

_NO_TENANT = TenantId("none")


async def status(parts: Parts) -> Status:
    """Ask all services at once, for the first tenant (or one that does not exist)."""
    known = await tenants.listed(parts.base)
    tenant = TenantId(known[0].tenant) if known else _NO_TENANT
    states = await asyncio.gather(*(_probe(parts, service, tenant) for service in _PROBES))
    own = await parts.base.health.problems()
    states.append(ServiceState(service=Service.GATEWAY, answers=not own, detail=", ".join(own) or None))
    return Status(all_answer=all(state.answers for state in states), services=tuple(states))


async def installation_log(parts: Parts) -> Part[tuple[LogLine, ...]]:
    """Who signed in lately, and what was refused at the door: in no team's log."""
    asked = parts.base.rpc.call(
        audit.INSTALLATION_LOG, audit.InstallationLog(), actor=Actor.of_service(Service.GATEWAY, _NO_TENANT)
    )
    page = await part_of(Service.AUDIT, asked)
    lines = tuple(map(line_of, page.value.events)) if page.value else ()
    return Part(lines, page.problem)


async def _probe(parts: Parts, service: Service, tenant: TenantId) -> ServiceState:
    rpc, request = _PROBES[service]
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await parts.base.rpc.call(rpc, request, actor=admin_of(tenant))
    except TimeoutError:
        return ServiceState(service=service, answers=False, detail=f"keine Antwort in {PROBE_SECONDS:.0f} s")
    except Unavailable as problem:
        return ServiceState(service=service, answers=False, detail=problem.detail)
    except Problem as problem:  # it answers, though not with what was asked for
        return ServiceState(service=service, answers=True, detail=problem.detail)
    return ServiceState(service=service, answers=True)
