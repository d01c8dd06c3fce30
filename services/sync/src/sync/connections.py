"""A tenant's connections, as auth knows them, for what an admin decides about them."""

from chassis.rpc import Caller, RpcClient
from contracts.ids import Uuid
from contracts.names import System
from contracts.problems import NotConnected, NotFound
from contracts.rpc import Empty
from contracts.rpc.auth import LIST_CONNECTIONS, Connection, ConnectionState
from sync.outside_words import named


async def connections_of(rpc: RpcClient, caller: Caller) -> tuple[Connection, ...]:
    """All of the caller's tenant."""
    reply = await rpc.call(
        LIST_CONNECTIONS, Empty(), actor=caller.actor, correlationid=caller.cause.correlationid
    )
    return reply.connections


async def check_connections(rpc: RpcClient, caller: Caller, *, ameise: Uuid, zoho: Uuid) -> None:
    """Raise NotFound, NotConnected unless both are this tenant's and active."""
    connections = await connections_of(rpc, caller)
    for wanted, system in ((ameise, System.AMEISE), (zoho, System.ZOHO)):
        found = of_system(connections, wanted, system)
        if found.state is not ConnectionState.ACTIVE:
            raise NotConnected(f"die Verbindung „{found.name}“ ist nicht aktiv", remedy="bitte neu verbinden")


def of_system(connections: tuple[Connection, ...], wanted: Uuid, system: System) -> Connection:
    """Raises NotFound for one that is not there, or of the other system."""
    found = next((c for c in connections if c.id == wanted and c.system is system), None)
    if found is None:
        raise NotFound(f"es gibt keine {named(system)}-Verbindung {wanted}")
    return found
