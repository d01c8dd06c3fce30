"""Composition: settings in, one application with all stand-ins out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import JSONResponse

from sandbox.admin import router as admin_router
from sandbox.ameise.app import create_ameise
from sandbox.blaudirekt.app import create_blaudirekt
from sandbox.context import Context
from sandbox.faults import FaultBoard, FaultMiddleware
from sandbox.grants import Grants
from sandbox.journal import Journal, JournalMiddleware
from sandbox.knobs import KnobPanel
from sandbox.settings import Settings
from sandbox.state import Store
from sandbox.zoho.app import create_zoho
from sandbox.zoho.firing import WebhookSender


def create_context(settings: Settings) -> Context:
    """The shared parts, on the database of the settings."""
    store = Store(settings.database)
    knobs = KnobPanel(store)
    return Context(
        store=store,
        journal=Journal(store),
        faults=FaultBoard(),
        knobs=knobs,
        zoho_grants=Grants(store, "zoho"),
        ameise_grants=Grants(store, "ameise"),
        webhooks=WebhookSender(store, knobs),
    )


def create_app(settings: Settings) -> FastAPI:
    """The whole sandbox: `/zoho`, `/ameise`, `/blaudirekt`, `/sandbox`, `/health/ready`."""
    context = create_context(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await context.webhooks.close()
        context.store.close()

    app = FastAPI(title="MVP-Connector sandbox", lifespan=lifespan)
    app.state.context = context
    app.include_router(admin_router)
    app.mount("/zoho", create_zoho(context))
    app.mount("/ameise", create_ameise(context))
    app.mount("/blaudirekt", create_blaudirekt(context))

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        """200 as soon as requests are served."""
        return JSONResponse({"status": "ready"})

    # The journal is outermost: a call answered by a planned fault is a call as well.
    app.add_middleware(FaultMiddleware, board=context.faults)
    app.add_middleware(JournalMiddleware, journal=context.journal)
    return app
