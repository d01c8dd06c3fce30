"""Webhook endpoints: who may call a pipeline's webhook, and giving it a new token."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

from chassis.cause import Cause
from chassis.process import Foundation
from contracts.events import WebhookEndpointCreated
from contracts.ids import PipelineId, TenantId
from gateway import store
from gateway.secrets import new_token, sha256

MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The hashes of the tokens that are good now: the current one, and during a rotation the one before."""

    token_hashes: list[str]


class Endpoints:
    """Endpoints by tenant and pipeline, remembered for `keep` (also that there is none)."""

    def __init__(self, *, keep: timedelta) -> None:
        self._keep_seconds = keep.total_seconds()
        self._known: OrderedDict[tuple[TenantId, PipelineId], tuple[float, Endpoint | None]] = OrderedDict()

    async def find(self, base: Foundation, tenant: TenantId, pipeline: PipelineId) -> Endpoint | None:
        """None for an unknown tenant or pipeline. Raises SQLAlchemy errors."""
        known = self._known.get((tenant, pipeline))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        asked_at = time.monotonic()  # before the query: the row may change while its answer is on the way
        async with base.database.tenant(tenant) as session:
            row = await store.find_endpoint(session, tenant, pipeline)
        endpoint = row and Endpoint([h for h in (row.token_hash, row.previous_token_hash) if h])
        self._known[(tenant, pipeline)] = (asked_at + self._keep_seconds, endpoint)
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return endpoint

    async def rotate(
        self, base: Foundation, cause: Cause, tenant: TenantId, pipeline: PipelineId, *, keep_previous: bool
    ) -> str:
        """A new token for a pipeline's webhook, in clear for the only time."""
        token = new_token()
        async with base.database.tenant(tenant) as session:
            await store.rotate_token(
                session, tenant, pipeline, token_hash=sha256(token), keep_previous=keep_previous
            )
            await base.outbox.tell(session, cause, WebhookEndpointCreated(pipeline=pipeline))
        self._known.pop((tenant, pipeline), None)
        return token
