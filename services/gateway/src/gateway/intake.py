"""Zoho's webhook comes in: it is checked, and it is durable before it is answered.

The payload is never trusted: only the record's id is taken from it, and sync reads the record itself.
"""

from chassis.deadline import within
from contracts.ids import PipelineId, TenantId, Uuid, ZohoId
from contracts.problems import NotFound, Unavailable
from gateway.parts import Parts
from gateway.problems import Unauthorized
from gateway.secrets import is_one_of
from gateway.webhook_store import Webhook


async def accept(
    parts: Parts,
    *,
    tenant: TenantId,
    pipeline: PipelineId,
    zoho_id: ZohoId,
    token: str | None,
    correlationid: Uuid,
) -> None:
    """Check the token and store the work with its event; returns when both are committed.

    Raises NotFound (no such endpoint), Unauthorized (no or a wrong token), Unavailable (PostgreSQL is too
    slow) and SQLAlchemy errors. After Unavailable the work may be stored all the same, which does no harm:
    sync looks at the record once more.
    """
    try:
        await within(
            parts.settings.intake_timeout.total_seconds(),
            _take(parts, tenant, Webhook(pipeline, zoho_id, correlationid), token),
        )
    except TimeoutError as error:
        raise Unavailable("Die Datenbank antwortet nicht rechtzeitig.") from error


async def _take(parts: Parts, tenant: TenantId, webhook: Webhook, token: str | None) -> None:
    await _check_token(parts, tenant, webhook.pipeline, token)
    await parts.webhooks.add(tenant, webhook)


async def _check_token(parts: Parts, tenant: TenantId, pipeline: PipelineId, token: str | None) -> None:
    endpoint = await parts.endpoints.find(parts.base, tenant, pipeline)
    if endpoint is None:
        raise NotFound(
            "Für dieses Team und diese Pipeline ist kein Webhook eingerichtet.",
            remedy="Die Adresse mit der in der Übersicht vergleichen.",
        )
    if not token or not is_one_of(token, endpoint.token_hashes):
        raise Unauthorized(
            "Das Token fehlt oder ist falsch.",
            challenge='Bearer realm="webhook"',
            remedy="Das Token im Header X-Webhook-Token senden; bei Verlust ein neues erzeugen.",
        )
