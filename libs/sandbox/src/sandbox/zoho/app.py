"""Zoho's application: accounts server and CRM API."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.context import Context
from sandbox.zoho import bulk_write, coql, metadata, oauth, record_routes, workflow
from sandbox.zoho.problems import ZohoError, problem


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ZohoError):
        raise error
    return error.response()


async def _no_route(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 404
    code, words = ("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
    if status == 405:
        code, words = ("INVALID_REQUEST_METHOD", "The http request method type is not a valid one")
    return JSONResponse(problem(code, words), status_code=400 if status == 405 else status)


def create_zoho(context: Context) -> FastAPI:
    """The application to be mounted at `/zoho`."""
    app = FastAPI(title="Zoho CRM (sandbox)", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    app.add_exception_handler(ZohoError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    for router in (
        oauth.router,
        metadata.router,
        workflow.router,
        bulk_write.router,
        coql.router,
        record_routes.router,
    ):
        app.include_router(router)
    return app
