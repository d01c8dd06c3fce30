"""What an admin can ask about the limits of a connection."""

from dataclasses import dataclass, replace

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.rpc import Caller, RpcClient
from contracts.events import LimitsChanged
from contracts.ids import Uuid
from contracts.names import System
from contracts.problems import NotFound
from contracts.rpc.sync_limits import AskConnectionLimits, ConnectionLimits, SetConnectionLimits
from sync import limit_store
from sync.connections import connections_of
from sync.limit_store import State
from sync.limits import Terms, credits_left


@dataclass(frozen=True, slots=True)
class LimitAdmin:
    """One method per RPC. `defaults` hold where nobody has decided anything."""

    database: Database
    outbox: Outbox
    rpc: RpcClient
    defaults: Terms

    async def connection_limits(self, request: AskConnectionLimits, caller: Caller) -> ConnectionLimits:
        """Raises NotFound for a connection that is not this tenant's."""
        system = await self._system_of(request.connection, caller)
        async with self.database.tenant(caller.tenant) as session:
            state = await limit_store.load(session, request.connection, system, self.defaults)
        return _shown(request.connection, system, state)

    async def set_connection_limits(self, request: SetConnectionLimits, caller: Caller) -> ConnectionLimits:
        """Raises NotFound. The gates of all replicas follow within a second."""
        system = await self._system_of(request.connection, caller)
        chosen = request.model_dump(exclude={"connection"}, exclude_none=True)
        async with self.database.tenant(caller.tenant) as session:
            before = await limit_store.load(session, request.connection, system, self.defaults)
            terms = replace(before.terms, **chosen)
            if terms != before.terms:
                await limit_store.set_terms(session, request.connection, terms)
                told = LimitsChanged(
                    connection=request.connection,
                    system=system,
                    daily_credits=terms.daily_credits,
                    share_percent=terms.share_percent,
                    simultaneous_calls=terms.simultaneous_calls,
                    bulk_write_allowed=terms.bulk_write_allowed,
                )
                await self.outbox.tell(session, caller.cause, told)
        return _shown(request.connection, system, replace(before, terms=terms))

    async def _system_of(self, connection: Uuid, caller: Caller) -> System:
        connections = await connections_of(self.rpc, caller)
        found = next((c for c in connections if c.id == connection), None)
        if found is None:
            raise NotFound(f"es gibt keine Verbindung {connection}")
        return found.system


def _shown(connection: Uuid, system: System, state: State) -> ConnectionLimits:
    paused = state.health.paused_until
    return ConnectionLimits(
        connection=connection,
        system=system,
        daily_credits=state.terms.daily_credits,
        share_percent=state.terms.share_percent,
        simultaneous_calls=state.terms.simultaneous_calls,
        bulk_write_allowed=state.terms.bulk_write_allowed,
        credits_spent=state.spent,
        credits_left=credits_left(state.terms, spent=state.spent, remaining=state.remaining),
        credits_remaining=state.remaining,
        paused_until=paused if paused and paused > state.now else None,
        unreachable_since=state.health.opened_at,
    )
