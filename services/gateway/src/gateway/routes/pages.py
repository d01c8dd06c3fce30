"""The pages that only show something."""

import asyncio

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from contracts.ids import Uuid
from contracts.names import Direction, Outcome, Service, System, Table
from contracts.rpc import Empty
from contracts.rpc.audit import SEARCH, LogFilter, LogPage, SearchLog
from contracts.rpc.ingest import DELIVERY_REPORT, DOWNLOAD, DeliveryRequest
from contracts.rpc.sync import LIST_PIPELINES
from contracts.rpc.sync_pipelines import GET_PIPELINE, PipelineRequest
from gateway import downloads, log_page, overview, rendering, services, tenants, wording
from gateway.asking import PageAsking
from gateway.parked_page import pipeline_names
from gateway.parts import PartsOf
from gateway.routes import tells
from gateway.session import is_signed_in
from gateway.signing_in import require_session

router = APIRouter(include_in_schema=False)

LOG_LINES = 50
SHOWN_PROBLEMS = 100


@router.get("/")
async def start() -> Response:
    return RedirectResponse("/teams", status_code=303)


@router.get("/login")
async def sign_in_form(request: Request) -> Response:
    if is_signed_in(request):
        return RedirectResponse("/teams", status_code=303)
    return rendering.page(request, "login.html", error=None)


@router.get("/teams", dependencies=[Depends(require_session)])
async def teams(request: Request, parts: PartsOf) -> Response:
    return rendering.page(request, "teams.html", teams=await tenants.listed(parts.base), error=None, typed={})


@router.get("/status", dependencies=[Depends(require_session)])
async def status(request: Request, parts: PartsOf) -> Response:
    status, installation = await asyncio.gather(services.status(parts), services.installation_log(parts))
    return rendering.page(request, "status.html", status=status, installation=installation)


@router.get("/teams/{tenant}")
async def team(request: Request, asking: PageAsking) -> Response:
    shown = await overview.gather(asking)
    return rendering.page(
        request,
        "team.html",
        team=asking,
        tab="overview",
        shown=shown,
        ameise=shown.active(System.AMEISE),
        zoho=shown.active(System.ZOHO),
        table_lines=overview.table_lines(shown.dailyup.value) if shown.dailyup.value else [],
        totals=overview.totals,
    )


@router.get("/teams/{tenant}/tables/{table}.csv", openapi_extra=tells(DOWNLOAD))
async def table_as_file(asking: PageAsking, table: Table) -> Response:
    return await downloads.table(asking, table)


@router.get("/teams/{tenant}/deliveries/{delivery}")
async def delivery(request: Request, asking: PageAsking, delivery: Uuid) -> Response:
    """Loads itself again until the delivery has ended."""
    report = await asking.call(DELIVERY_REPORT, DeliveryRequest(delivery=delivery))
    return rendering.page(
        request,
        "delivery.html",
        team=asking,
        tab="overview",
        report=report,
        is_under_way=report.delivery.state in overview.UNDER_WAY,
        shown_problems=SHOWN_PROBLEMS,
    )


@router.get("/teams/{tenant}/deliveries/{delivery}/problems.csv")
async def problems_as_file(asking: PageAsking, delivery: Uuid) -> Response:
    return await downloads.problems(asking, delivery)


@router.get("/teams/{tenant}/log")
async def log(request: Request, asking: PageAsking) -> Response:
    form = log_page.LogForm.of(request.query_params)
    after = request.query_params.get("after", "")[:200] or None
    part: overview.Part[LogPage] = overview.Part(None)
    names: dict[str, str] = {}
    wrong: str | None = None
    about: LogFilter | None = None
    try:
        about = log_page.filter_of(form)
        search = SearchLog(filter=about, limit=LOG_LINES, after=after)
    except ValueError as error:
        wrong = str(error)
    else:
        part, names = await asyncio.gather(
            overview.part_of(Service.AUDIT, asking.call(SEARCH, search)), pipeline_names(asking)
        )
    events = {name: words for name, words in wording.EVENTS.items() if name not in log_page.OF_NO_TEAM}
    return rendering.page(
        request,
        "log.html",
        team=asking,
        tab="log",
        form=form,
        wrong=wrong,
        part=part,
        lines=[log_page.line_of(event, about, names) for event in part.value.events] if part.value else [],
        is_first=after is None,
        choices={"ereignis": events, "richtung": list(Direction), "ergebnis": list(Outcome)},
    )


@router.get("/teams/{tenant}/pipelines")
async def pipelines(request: Request, asking: PageAsking) -> Response:
    part = await overview.part_of(Service.SYNC, asking.call(LIST_PIPELINES, Empty()))
    known = part.value.pipelines if part.value else ()
    details = [
        await overview.part_of(Service.SYNC, asking.call(GET_PIPELINE, PipelineRequest(pipeline=p.id)))
        for p in known
    ]
    return rendering.page(request, "pipelines.html", team=asking, tab="pipelines", part=part, details=details)
