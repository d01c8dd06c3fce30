"""The two ends of an authorization code flow, as far as the gateway has a part in it.

auth owns connections. The outside system's redirect names no tenant, only our random `state`: the
gateway keeps the tenant under the state's hash from the start of a flow to its end.
"""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from contracts.ids import TenantId, Uuid
from contracts.problems import Internal, Invalid
from contracts.rpc.auth import (
    FINISH_CONNECTION,
    START_CONNECTION,
    Connection,
    ConnectionStartedReply,
    FinishConnection,
    StartConnection,
)
from gateway import store
from gateway.asking import Asking, admin_of
from gateway.parts import Parts
from gateway.secrets import sha256

STATE_LIFETIME = timedelta(minutes=10)


async def start(asking: Asking, request: StartConnection) -> ConnectionStartedReply:
    """Have auth begin a flow, and remember whose it is. Raises Problems."""
    started = await asking.call(START_CONNECTION, request)
    async with asking.parts.base.database.tenant(asking.tenant) as session:
        await store.add_state(
            session, asking.tenant, sha256(state_in(started.authorize_url)), lifetime=STATE_LIFETIME
        )
    return started


async def team_of(parts: Parts, state: str) -> TenantId:
    """Whose flow comes back with `state`, which is used up by that. Raises Invalid for one that is unknown,
    old or used.

    No sign-in is needed: who knows the state began the flow. It is looked up as the all-tenants role,
    since the tenant is what it tells us.
    """
    async with parts.base.all_tenants.unbound() as session:
        tenant = await store.take_state(session, sha256(state), lifetime=STATE_LIFETIME)
    if tenant is None:
        raise Invalid(
            "Diese Anmeldung ist unbekannt, abgelaufen oder schon benutzt.",
            remedy="In der Übersicht des Teams noch einmal „Verbinden“ wählen.",
        )
    return tenant


async def finish(
    parts: Parts, tenant: TenantId, request: FinishConnection, correlationid: Uuid
) -> Connection:
    """Hand the redirect's values to auth. Raises Problems."""
    return await parts.base.rpc.call(
        FINISH_CONNECTION, request, actor=admin_of(tenant), correlationid=correlationid
    )


def state_in(authorize_url: str) -> str:
    """The `state` parameter of a URL that auth made. Raises Internal if it has none, or is no web address."""
    parts = urlsplit(authorize_url)
    states = parse_qs(parts.query).get("state", [])
    if parts.scheme not in {"http", "https"} or len(states) != 1:
        raise Internal("auth answered an authorize_url that cannot be used")
    return states[0]
