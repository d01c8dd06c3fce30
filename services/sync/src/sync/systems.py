"""The outside systems of a tenant: clients whose access tokens come from auth by RPC.

A token is kept in memory until shortly before it ends, or until the outside system refuses it.
"""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from ameise.client import AmeiseClient
from chassis.rpc import RpcClient
from contracts import problems
from contracts.actor import Actor
from contracts.ids import TenantId, Uuid
from contracts.names import Service, System
from contracts.rpc.auth import ACCESS_TOKEN, AccessToken, AccessTokenRequest
from sync.gates import ConnectionGate, Gates
from sync.pipelines import Pipeline
from sync.settings import SyncSettings
from vendor import Timeouts
from vendor.errors import NotConnected, Unavailable
from zoho.bulk import BulkClient
from zoho.client import ZohoClient


class OverZoho(Protocol):
    """Whatever is done over a Zoho connection of a tenant; a pipeline, for one."""

    @property
    def tenant(self) -> TenantId: ...

    @property
    def zoho_connection(self) -> Uuid: ...


EARLY = timedelta(seconds=60)
"""A token is asked for anew this long before it ends; auth renews earlier, by itself."""


class ConnectionToken:
    """The access token of one connection; a `vendor.TokenSource`."""

    def __init__(self, rpc: RpcClient, tenant: TenantId, connection: Uuid, system: System) -> None:
        self._rpc = rpc
        self._tenant = tenant
        self._connection = connection
        self._system = system
        self._current: AccessToken | None = None
        self._asking = asyncio.Lock()

    async def current(self, *, stale: str | None = None) -> AccessToken:
        """The token with its account and api domain. Raises NotConnected, Unavailable (of `vendor`)."""
        if (kept := self._kept(stale)) is not None:
            return kept
        async with self._asking:  # one asks for all
            return self._kept(stale) or await self._ask(stale)

    def _kept(self, stale: str | None) -> AccessToken | None:
        kept = self._current
        if kept is None or kept.expires_at - EARLY <= datetime.now(UTC) or stale == _secret(kept):
            return None
        return kept

    async def _ask(self, stale: str | None) -> AccessToken:
        refused = hashlib.sha256(stale.encode()).hexdigest() if stale else None
        try:
            self._current = await self._rpc.call(
                ACCESS_TOKEN,
                AccessTokenRequest(connection=self._connection, refused_token_hash=refused),
                actor=Actor.of_service(Service.SYNC, self._tenant),
            )
        except (problems.NotConnected, problems.NotFound) as problem:
            raise NotConnected(self._system, problem.detail) from problem
        except problems.Problem as problem:
            raise Unavailable(self._system, problem.detail) from problem
        return self._current

    async def access_token(self, *, stale: str | None = None) -> str:
        return _secret(await self.current(stale=stale))


def _secret(token: AccessToken) -> str:
    return token.token.get_secret_value()


class Systems:
    """Clients for the connections of all tenants, over one pool of HTTP connections."""

    def __init__(self, settings: SyncSettings, rpc: RpcClient, http: httpx.AsyncClient, gates: Gates) -> None:
        self._settings = settings
        self._rpc = rpc
        self._gates = gates
        self._http = http
        seconds = settings.call_timeout.total_seconds()
        self._timeouts = Timeouts(read=seconds, total=2 * seconds)
        self._tokens: dict[tuple[TenantId, Uuid], ConnectionToken] = {}

    async def ameise(self, pipeline: Pipeline, *, urgent: bool) -> AmeiseClient:
        """The client of the pipeline's Ameise connection. Raises NotConnected, Unavailable.

        `urgent` calls, of webhooks and people, go before those of batches.
        """
        gate = self._gates.of(pipeline.tenant, pipeline.ameise_connection, System.AMEISE)
        source, token = await self._token(gate, urgent=urgent)
        return AmeiseClient(
            self._settings.ameise_rest_url,
            token.account,
            source,
            self._http,
            timeouts=self._timeouts,
            gate=gate.lane(urgent=urgent),
        )

    async def zoho(self, over: OverZoho, *, urgent: bool) -> ZohoClient:
        """The client of the Zoho connection. Raises NotConnected, Unavailable."""
        gate, source, api_url = await self._zoho(over, urgent=urgent)
        return ZohoClient(api_url, source, self._http, timeouts=self._timeouts, gate=gate.lane(urgent=urgent))

    async def zoho_bulk(self, pipeline: Pipeline) -> BulkClient:
        """The client for bulk writes of the same connection. Raises NotConnected, Unavailable."""
        gate, source, api_url = await self._zoho(pipeline, urgent=False)
        return BulkClient(
            api_url,
            source,
            self._http,
            gate=gate.lane(urgent=False),
            content_url=self._settings.zoho_content_url,
        )

    async def _zoho(self, over: OverZoho, *, urgent: bool) -> tuple[ConnectionGate, ConnectionToken, str]:
        gate = self._gates.of(over.tenant, over.zoho_connection, System.ZOHO)
        source, token = await self._token(gate, urgent=urgent)
        api_url = self._settings.zoho_api_url or token.api_url
        if api_url is None:
            raise NotConnected(System.ZOHO, "the connection does not say which api domain it belongs to")
        return gate, source, api_url

    async def _token(self, gate: ConnectionGate, *, urgent: bool) -> tuple[ConnectionToken, AccessToken]:
        place = (gate.tenant, gate.connection)
        source = self._tokens.get(place)
        if source is None:
            source = ConnectionToken(self._rpc, gate.tenant, gate.connection, gate.system)
            self._tokens[place] = source
        await gate.refuse_if_disconnected(urgent=urgent)
        try:
            return source, await source.current()
        except NotConnected:
            await gate.note_disconnected()
            raise
