"""What auth can be asked: connections to Ameise and Zoho, and access tokens for them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field, SecretStr

from contracts.actor import Role
from contracts.events import Connected, ConnectionRefused, ConnectionStarted, ReconnectNeeded, TokenRefreshed
from contracts.ids import Uuid
from contracts.names import Service, System
from contracts.rpc import Empty, Rpc, RpcModel


class ConnectionState(StrEnum):
    CONNECTING = "connecting"
    ACTIVE = "active"
    RECONNECT_NEEDED = "reconnect_needed"


class Connection(RpcModel):
    """One authorised link. `account` is the Mitarbeiter-ID (Ameise) or the organisation id (Zoho)."""

    id: Uuid
    system: System
    name: str
    state: ConnectionState
    account: str | None = None
    account_name: str | None = None
    api_url: str | None = Field(default=None, description="Zoho: the api domain that the token answer named")
    connected_at: datetime | None = None
    token_expires_at: datetime | None = None
    last_error: str | None = None


class StartConnection(RpcModel):
    """Begin the authorization code flow; `connection` reconnects an existing one."""

    system: System
    name: str = Field(default="Produktion", max_length=60)
    connection: Uuid | None = None


class ConnectionStartedReply(RpcModel):
    connection: Uuid
    authorize_url: str = Field(description="where the person's browser must go")


class FinishConnection(RpcModel):
    """What the outside system's redirect brought. `state` is ours, random, and good once for 10 minutes."""

    state: str = Field(max_length=200)
    code: str | None = Field(default=None, max_length=2000)
    error: str | None = Field(default=None, max_length=200)
    location: str | None = Field(default=None, max_length=10, description="Zoho's data centre, e.g. `eu`")
    accounts_server: str | None = Field(default=None, max_length=200)


class Connections(RpcModel):
    connections: tuple[Connection, ...]


class AccessTokenRequest(RpcModel):
    """`refused_token_hash`: SHA-256 in hex of the token that the outside system just refused with 401;
    a different stored token is handed out as it is, the same one is renewed first."""

    connection: Uuid
    refused_token_hash: str | None = None


class AccessToken(RpcModel):
    token: SecretStr
    expires_at: datetime
    system: System
    account: str
    api_url: str | None = None

    def revealed(self) -> dict[str, Any]:
        """For the wire only: the reply with its secret in clear."""
        return self.model_dump(mode="json") | {"token": self.token.get_secret_value()}


_ADMINS = frozenset({Service.GATEWAY})

START_CONNECTION = Rpc(
    Service.AUTH, "start_connection", StartConnection, ConnectionStartedReply,
    callers=_ADMINS, role=Role.ADMIN, events=(ConnectionStarted,),
)  # fmt: skip
FINISH_CONNECTION = Rpc(
    Service.AUTH, "finish_connection", FinishConnection, Connection,
    callers=_ADMINS, role=Role.ADMIN, events=(Connected, ConnectionRefused),
    timeout=timedelta(seconds=25),  # it asks the outside system twice
)  # fmt: skip
LIST_CONNECTIONS = Rpc(
    Service.AUTH, "list_connections", Empty, Connections,
    callers=frozenset({Service.GATEWAY, Service.SYNC}), silent_because="only looks",
)  # fmt: skip
ACCESS_TOKEN = Rpc(
    Service.AUTH, "access_token", AccessTokenRequest, AccessToken,
    callers=frozenset({Service.SYNC}), role=Role.SYSTEM, events=(TokenRefreshed, ReconnectNeeded),
    timeout=timedelta(seconds=15),  # it may have to ask the outside system for a new one
)  # fmt: skip
RPCS = (START_CONNECTION, FINISH_CONNECTION, LIST_CONNECTIONS, ACCESS_TOKEN)
