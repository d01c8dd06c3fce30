"""Who calls: the Mitarbeiter that a bearer token stands for."""

from dataclasses import dataclass

from starlette.requests import Request

from sandbox.ameise.book import KundenBook
from sandbox.ameise.hierarchy import Vermittler, vermittler_of_mitarbeiter
from sandbox.ameise.problems import AmeiseError
from sandbox.context import Context, call_of, context_of


@dataclass(frozen=True, slots=True)
class Session:
    """An authenticated request."""

    context: Context
    mitarbeiter: str
    vermittler: Vermittler
    book: KundenBook


def session_of(request: Request) -> Session:
    """The session of the token, whose Mitarbeiter must be that of the path. Raises AmeiseError 401, 403."""
    context = context_of(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    grant = context.ameise_grants.find("access", token) if scheme.lower() == "bearer" else None
    if grant is None:
        raise AmeiseError(401)
    mitarbeiter: str = grant.data["mitarbeiter"]
    own = vermittler_of_mitarbeiter(context.store, mitarbeiter)
    call = call_of(request)
    call.world, call.actor = own.hauptvermittler, mitarbeiter
    if request.path_params.get("ma", mitarbeiter) != mitarbeiter:
        raise AmeiseError(403)
    return Session(context, mitarbeiter, own, KundenBook(context.store, own, context.knobs.current))
