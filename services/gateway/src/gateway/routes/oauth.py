"""Where Ameise's and Zoho's consent pages send the browser back to."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from contracts.ids import Uuid
from contracts.rpc.auth import FINISH_CONNECTION, Connection, FinishConnection
from gateway import connections
from gateway.parts import PartsOf
from gateway.routes import tells
from gateway.session import is_signed_in, leave_note
from gateway.wording import label

router = APIRouter(tags=["Verbindungen"])

Text = Annotated[str | None, Query(max_length=2000)]


@router.get(
    "/oauth/callback",
    response_model=Connection,
    responses={303: {"description": "to the team's page"}},
    openapi_extra=tells(FINISH_CONNECTION),
)
async def callback(
    request: Request,
    parts: PartsOf,
    *,
    state: Annotated[str, Query(max_length=200)],
    code: Text = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    location: Annotated[str | None, Query(max_length=10)] = None,
    accounts_server: Annotated[str | None, Query(alias="accounts-server", max_length=200)] = None,
) -> Response:
    """End an authorization code flow. The state is the proof, and good once; no sign-in is asked for."""
    finish = FinishConnection(
        state=state, code=code, error=error, location=location, accounts_server=accounts_server
    )
    tenant = await connections.team_of(parts, state)
    request.state.team = tenant  # where the page of a problem leads back to
    connection = await connections.finish(parts, tenant, finish, Uuid(request.state.correlationid))
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(connection.model_dump(mode="json"))
    if is_signed_in(request):
        leave_note(request, f"{label(connection.system)} ist verbunden.")
    return RedirectResponse(f"/teams/{tenant}", status_code=303)
