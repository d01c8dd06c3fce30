"""Makes webhooks durable: those that come at about the same time share one transaction and one fsync."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chassis.cause import Cause
from chassis.outbox import Message
from chassis.process import Foundation
from contracts.actor import ActorKind
from contracts.events import WebhookAccepted
from contracts.ids import PipelineId, TenantId, Uuid, ZohoId, new_id
from contracts.work import LookAtZohoRecord

MOST_AT_ONCE = 200
"""Webhooks in one transaction."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """What Zoho's call says."""

    pipeline: PipelineId
    zoho_id: ZohoId
    correlationid: Uuid


async def store(base: Foundation, tenant: TenantId, webhooks: list[Webhook]) -> None:
    """Store webhooks of one tenant, each as work and event, in one transaction."""
    messages: list[Message] = []
    for webhook in webhooks:
        cause = Cause(tenant, ActorKind.ZOHO, f"webhook-{webhook.pipeline}", webhook.correlationid)
        event = base.outbox.event(cause, WebhookAccepted(pipeline=webhook.pipeline, zoho_id=webhook.zoho_id))
        work = LookAtZohoRecord(
            id=new_id(),
            tenant=tenant,
            correlationid=webhook.correlationid,
            causationid=event.id,
            time=datetime.now(UTC),
            pipeline=webhook.pipeline,
            zoho_id=webhook.zoho_id,
        )
        messages += [event, work]
    await base.outbox.put_at_once(base.database, tenant, messages)
