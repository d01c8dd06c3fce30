"""The HTTP application: routes, sessions, error handlers, and the edge around all of it."""

from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from starlette.middleware.sessions import SessionMiddleware
from starlette.staticfiles import StaticFiles

from chassis.health import Health
from gateway import problems
from gateway.parts import Parts
from gateway.routes import (
    actions,
    api,
    conflicts_page,
    deletions_page,
    dry_run,
    format_page,
    kunde_page,
    kunden,
    oauth,
    pages,
    parked,
    parked_page,
    pipeline_pages,
    pipelines,
    preview_page,
    state,
    state_pages,
    uploading,
    values_page,
    webhook,
)
from gateway.session import COOKIE
from gateway.settings import Settings
from gateway.signing_in import session_key

ROUTERS = (
    webhook.router,
    api.router,
    uploading.api,
    parked.router,
    state.router,
    kunden.router,
    pipelines.router,
    dry_run.api,
    oauth.router,
    pages.router,
    uploading.page,
    format_page.router,
    kunde_page.router,
    parked_page.router,
    conflicts_page.router,
    deletions_page.router,
    values_page.router,
    pipeline_pages.router,
    state_pages.router,
    preview_page.router,
    dry_run.page,
    actions.router,
)

# Once for all applications: what FastAPI makes of 110 routes takes 0.3 s, and a test run has 300 of them.
_ROUTES = APIRouter()
for _router in ROUTERS:
    _ROUTES.include_router(_router)


def create_application(parts: Parts, health: Health) -> FastAPI:
    """The FastAPI application. No interactive documentation: its pages load scripts from elsewhere."""
    settings: Settings = parts.settings
    app = FastAPI(
        title="MVP-Connector",
        version=version("mvp-connector-gateway"),
        description="Webhooks von Zoho und die Verwaltung des MVP-Connectors.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        routes=[*health.routes(), *_ROUTES.routes],
        redirect_slashes=False,
    )
    app.state.parts = parts
    problems.install(app)
    app.add_middleware(
        SessionMiddleware,
        secret_key=session_key(settings),
        session_cookie=COOKIE,
        max_age=int(settings.session_lifetime.total_seconds()),
        same_site="lax",
        https_only=settings.is_https,
    )
    app.mount("/static", StaticFiles(packages=[("gateway", "static")]), name="static")
    return app
