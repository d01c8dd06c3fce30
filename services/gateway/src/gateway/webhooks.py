"""Opening a pipeline's webhook to Zoho."""

from contracts.ids import PipelineId
from contracts.problems import Conflict, NotFound
from contracts.rpc import Empty
from contracts.rpc.sync import LIST_PIPELINES
from gateway.asking import Asking
from gateway.models import WebhookAccess


async def open_to_zoho(asking: Asking, pipeline: PipelineId, *, keep_previous: bool) -> WebhookAccess:
    """A new token for a pipeline that exists. Raises NotFound, Conflict (it takes no webhooks) and what
    the RPC raises."""
    known = {p.id: p for p in (await asking.call(LIST_PIPELINES, Empty())).pipelines}
    if pipeline not in known:
        raise NotFound(f"Die Pipeline {pipeline} gibt es nicht.")
    if not known[pipeline].takes_webhooks:
        raise Conflict(f"Die Pipeline „{known[pipeline].name}“ nimmt keine Änderungen aus Zoho an.")
    parts = asking.parts
    token = await parts.endpoints.rotate(
        parts.base, asking.cause, asking.tenant, pipeline, keep_previous=keep_previous
    )
    base = parts.settings.public_url.rstrip("/")
    return WebhookAccess(
        url=f"{base}/api/{asking.tenant}/pipeline/{pipeline}/trigger-from-crm",
        token=token,
        body_value=f"${{!{known[pipeline].module}.Id}}",
    )
