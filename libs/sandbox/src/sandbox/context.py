"""What every room of the sandbox needs, made once in `app.py` and carried by each vendor's application."""

from dataclasses import dataclass

from starlette.requests import Request

from sandbox.faults import FaultBoard
from sandbox.grants import Grants
from sandbox.journal import Call, Journal
from sandbox.knobs import KnobPanel
from sandbox.state import Store
from sandbox.zoho.firing import WebhookSender


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that the rooms share."""

    store: Store
    journal: Journal
    faults: FaultBoard
    knobs: KnobPanel
    zoho_grants: Grants
    ameise_grants: Grants
    webhooks: WebhookSender


def context_of(request: Request) -> Context:
    """The context of the application that serves the request."""
    context: Context = request.app.state.context
    return context


def call_of(request: Request) -> Call:
    """The journal's entry of this request, to be filled with world and actor."""
    call: Call = request.scope["sandbox.call"]
    return call


def base_of(request: Request) -> str:
    """The URL under which the caller reached this vendor, without a slash at the end."""
    # Not `request.base_url`: in a mounted application that is the URL of the outermost one.
    return str(request.url.replace(path=request.scope["root_path"], query="")).rstrip("/")
