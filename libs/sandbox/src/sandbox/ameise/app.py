"""Ameise's application: OpenID Connect server and REST."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.ameise import oidc, rest
from sandbox.ameise.problems import AmeiseError
from sandbox.context import Context
from sandbox.faults import html_error


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, AmeiseError):
        raise error
    return error.response()


async def _no_route(_: Request, error: Exception) -> Response:
    return html_error(error.status_code if isinstance(error, HTTPException) else 404)


def create_ameise(context: Context) -> FastAPI:
    """The application to be mounted at `/ameise`."""
    app = FastAPI(title="Ameise (sandbox)", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    app.add_exception_handler(AmeiseError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.include_router(oidc.router)
    app.include_router(rest.router)
    return app
