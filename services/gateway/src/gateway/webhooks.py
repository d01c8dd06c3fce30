"""Opening a pipeline's webhook to Zoho."""

from contracts.ids import PipelineId
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.sync import LIST_PIPELINES, Pipeline
from gateway.asking import Asking
from gateway.models import WebhookAccess


async def pipeline_of(asking: Asking, wanted: PipelineId) -> Pipeline:
    """One that takes webhooks. Raises NotFound, Conflict, and what the RPC raises."""
    known = {p.id: p for p in (await asking.call(LIST_PIPELINES, Empty())).pipelines}
    if wanted not in known:
        raise NotFound(f"Die Pipeline {wanted} gibt es nicht.")
    if not known[wanted].takes_webhooks:
        raise Conflict(f"Die Pipeline „{known[wanted].name}“ nimmt keine Änderungen aus Zoho an.")
    return known[wanted]


async def open_to_zoho(asking: Asking, pipeline: Pipeline, *, keep_previous: bool) -> WebhookAccess:
    """A new token."""
    parts = asking.parts
    token = await parts.endpoints.rotate(
        parts.base, asking.cause, asking.tenant, pipeline.id, keep_previous=keep_previous
    )
    base = parts.settings.public_url.rstrip("/")
    return WebhookAccess(
        url=f"{base}/api/{asking.tenant}/pipeline/{pipeline.id}/trigger-from-crm",
        token=token,
        body_value=f"${{!{pipeline.module}.Id}}",
    )
