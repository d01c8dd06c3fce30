"""The pages' forms. Each does one thing and leads to a page; secrets made here are shown this once."""

from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.events import SignedIn, TenantCreated, WebhookEndpointCreated
from contracts.ids import PipelineId, Uuid
from contracts.problems import Conflict, Invalid, Unavailable
from contracts.rpc.auth import START_CONNECTION, StartConnection
from contracts.rpc.ingest import REJECT_DELIVERY, RELEASE_DELIVERY, SET_UP_FTP, DeliveryRequest, SetUpFtp
from contracts.rpc.sync import CREATE_DEFAULT_PIPELINES, CreateDefaultPipelines
from contracts.rpc.sync_pipelines import SWITCH_PIPELINE, SwitchPipeline
from gateway import connections, rendering, tenants, webhooks
from gateway.asking import PageAsking
from gateway.models import NewTenant
from gateway.parts import PartsOf
from gateway.problems import TooManyRequests
from gateway.routes import silent, tells
from gateway.session import end, leave_note, remembered_page
from gateway.signing_in import is_right_password, require_csrf, require_session, sign_in

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_csrf)])
_session = [Depends(require_session)]

M = TypeVar("M", bound=BaseModel)


@router.post("/login", openapi_extra=tells(SignedIn))
async def sign_in_by_form(request: Request, parts: PartsOf) -> Response:
    typed = await _typed(request)
    try:
        right = is_right_password(parts, request, typed.get("user", ""), typed.get("password", ""))
    except TooManyRequests as problem:
        error = f"{problem.detail} {problem.remedy}"
        headers = {"Retry-After": str(problem.seconds)}
        return rendering.page(request, "login.html", status_code=429, headers=headers, error=error)
    if not right:
        return rendering.page(
            request, "login.html", status_code=401, error="Benutzer oder Passwort ist falsch."
        )
    page = remembered_page(request)
    await sign_in(parts, request)
    return RedirectResponse(page, status_code=303)


@router.post("/logout", openapi_extra=silent("ends a session that is in the browser's cookie only"))
async def sign_out(request: Request) -> Response:
    end(request)
    return RedirectResponse("/login", status_code=303)


@router.post("/teams", dependencies=_session, openapi_extra=tells(TenantCreated))
async def create_team(request: Request, parts: PartsOf) -> Response:
    typed = await _typed(request)
    try:
        new = NewTenant(id=typed.get("id", ""), name=typed.get("name", ""))  # pyright: ignore[reportArgumentType]
        made = await tenants.create(parts.base, new.id, new.name, Uuid(request.state.correlationid))
    except ValidationError:
        error = "Bitte einen Namen und ein Kürzel aus Kleinbuchstaben, Ziffern und Bindestrichen angeben."
    except Conflict as problem:
        error = problem.detail
    else:
        leave_note(request, f"Das Team „{made.name}“ ist angelegt.")
        return RedirectResponse(f"/teams/{made.tenant}", status_code=303)
    known = await tenants.listed(parts.base)
    return rendering.page(request, "teams.html", status_code=422, teams=known, error=error, typed=typed)


@router.post("/teams/{tenant}/connections", openapi_extra=tells(START_CONNECTION))
async def connect(request: Request, asking: PageAsking) -> Response:
    """Not a redirect: the policy that our forms lead to our own pages would stop it."""
    start = _parsed(StartConnection, await _typed(request))
    started = await connections.start(asking, start)
    return rendering.page(
        request, "connecting.html", team=asking, system=start.system, url=started.authorize_url
    )


@router.post("/teams/{tenant}/dailyup", openapi_extra=tells(SET_UP_FTP))
async def set_up_ftp(request: Request, asking: PageAsking) -> Response:
    wanted = SetUpFtp(plain_allowed="plain_allowed" in await _typed(request))
    access = await asking.call(SET_UP_FTP, wanted)
    return rendering.page(request, "ftp_access.html", team=asking, access=access)


@router.post("/teams/{tenant}/deliveries/{delivery}/release", openapi_extra=tells(RELEASE_DELIVERY))
async def release_delivery(request: Request, asking: PageAsking, delivery: Uuid) -> Response:
    await asking.call(RELEASE_DELIVERY, DeliveryRequest(delivery=delivery))
    leave_note(request, "Die Lieferung ist freigegeben und wird importiert.")
    return RedirectResponse(f"/teams/{asking.tenant}", status_code=303)


@router.post("/teams/{tenant}/deliveries/{delivery}/reject", openapi_extra=tells(REJECT_DELIVERY))
async def reject_delivery(request: Request, asking: PageAsking, delivery: Uuid) -> Response:
    await asking.call(REJECT_DELIVERY, DeliveryRequest(delivery=delivery))
    leave_note(request, "Die Lieferung ist abgelehnt.")
    return RedirectResponse(f"/teams/{asking.tenant}", status_code=303)


@router.post("/teams/{tenant}/pipelines/defaults", openapi_extra=tells(CREATE_DEFAULT_PIPELINES))
async def create_default_pipelines(request: Request, asking: PageAsking) -> Response:
    defaults = _parsed(CreateDefaultPipelines, await _typed(request))
    await asking.call(CREATE_DEFAULT_PIPELINES, defaults)
    leave_note(request, "Die Standard-Pipelines sind angelegt.")
    return RedirectResponse(f"/teams/{asking.tenant}", status_code=303)


@router.post("/teams/{tenant}/pipelines/{pipeline}/switch", openapi_extra=tells(SWITCH_PIPELINE))
async def switch_pipeline(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    enabled = (await _typed(request)).get("enabled") == "true"
    try:
        detail = await asking.call(SWITCH_PIPELINE, SwitchPipeline(pipeline=pipeline, enabled=enabled))
    except Unavailable as problem:
        # sync switches first, and has what is stored sent again afterwards.
        again = "Ob sie umgeschaltet ist, steht bei der Pipeline; noch einmal einschalten holt alles nach."
        leave_note(request, f"{problem.detail} {again}")
    else:
        state = "eingeschaltet" if detail.pipeline.enabled else "ausgeschaltet"
        leave_note(request, f"Die Pipeline „{detail.pipeline.name}“ ist {state}.")
    return RedirectResponse(f"/teams/{asking.tenant}/pipelines", status_code=303)


@router.post("/teams/{tenant}/pipelines/{pipeline}/webhook", openapi_extra=tells(WebhookEndpointCreated))
async def open_webhook(request: Request, asking: PageAsking, pipeline: PipelineId) -> Response:
    opened = await webhooks.pipeline_of(asking, pipeline)
    access = await webhooks.open_to_zoho(asking, opened, keep_previous=True)
    return rendering.page(request, "webhook_access.html", team=asking, pipeline=opened, access=access)


async def _typed(request: Request) -> dict[str, str]:
    """The form's fields; empty ones are left out."""
    form = await request.form(max_files=0)
    return {name: value for name, value in form.items() if isinstance(value, str) and value}


def _parsed(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise Invalid(f"Das Formular ist nicht vollständig: {places}.") from error
