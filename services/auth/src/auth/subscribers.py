"""RPCs in, answers out."""

from faststream.nats import NatsBroker

from auth import store
from auth.connecting import Connecting
from auth.sealing import shown
from auth.tokens import AccessTokens
from chassis.database import Database
from chassis.rpc import Caller, serve
from contracts.rpc import Empty
from contracts.rpc.auth import (
    ACCESS_TOKEN,
    FINISH_CONNECTION,
    LIST_CONNECTIONS,
    START_CONNECTION,
    AccessToken,
    Connections,
)


def register(broker: NatsBroker, database: Database, connecting: Connecting, tokens: AccessTokens) -> None:
    """Answer everything that auth can be asked."""

    async def list_connections(request: Empty, caller: Caller) -> Connections:  # noqa: ARG001
        async with database.tenant(caller.tenant) as session:
            return Connections(connections=tuple(shown(row) for row in await store.connections(session)))

    serve(broker, START_CONNECTION, connecting.start)
    serve(broker, FINISH_CONNECTION, connecting.finish)
    serve(broker, LIST_CONNECTIONS, list_connections)
    serve(broker, ACCESS_TOKEN, tokens.hand_out, reveal=AccessToken.revealed)
