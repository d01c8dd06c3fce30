"""Every error that leaves the gateway is a problem: `application/problem+json` (RFC 9457), or a page
that says the same where a person looks at it with a browser."""

import math
import re
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from chassis.database import is_unreachable
from contracts.problems import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    Problem,
    ProblemDetails,
    Unavailable,
)
from gateway import rendering
from gateway.faults import fault_words
from gateway.session import remember_page

log: structlog.stdlib.BoundLogger = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


class Unauthorized(Problem):
    """401. `challenge` is what WWW-Authenticate names."""

    type, title, status = "unauthorized", "Nicht angemeldet", 401

    def __init__(self, detail: str, *, challenge: str, remedy: str | None = None) -> None:
        super().__init__(detail, remedy=remedy)
        self.challenge = challenge


class TooLarge(Problem):
    type, title, status = "too-large", "Anfrage zu groß", 413


class TooSlow(Problem):
    type, title, status = "too-slow", "Zu langsam", 408


class TooManyRequests(Problem):
    """429. `seconds`: when to come again."""

    type, title, status = "too-many-requests", "Zu viele Anfragen", 429

    def __init__(self, detail: str, *, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(detail, remedy=f"In {self.seconds} s noch einmal versuchen.")


class SessionExpired(Forbidden):
    """A form came after its session had ended. Its page says how to send it all the same."""

    def __init__(self) -> None:
        super().__init__(
            "Die Anmeldung ist abgelaufen.",
            remedy="In einem neuen Tab anmelden, dann diese Seite hier neu laden und das erneute Senden "
            "bestätigen: was im Formular stand, geht nicht verloren.",
        )


class SignInNeeded(Exception):  # noqa: N818
    """A page was asked for by somebody who has not signed in: show the form."""


def in_words(problem: Problem) -> str:
    """What happened and what to do now, in one line of a page."""
    if not problem.remedy:
        return problem.detail
    return f"{problem.detail}{' ' if problem.detail.endswith('.') else ': '}{problem.remedy}"


def in_words_with_page(problem: Conflict, path: str) -> Markup:
    """With a link to the page at `path` for a remedy: to load the answer to a form again sends the form."""
    return Markup(
        '{}: <a href="{}" target="_blank" rel="noopener">den jetzigen Stand in einem neuen Tab öffnen</a> '
        "und dort noch einmal ändern. Was hier steht, bleibt zum Abschreiben."
    ).format(problem.detail.rstrip("."), path)


def answer_to(request: Request, problem: Problem) -> Response:
    """A page for a person, JSON for a program."""
    return _answer(
        request,
        problem.details(_correlationid(request)),
        _headers(problem),
        may_sign_in=isinstance(problem, SessionExpired),
    )


def install(app: FastAPI) -> None:
    """Turn all that routes raise, and FastAPI's and Starlette's own errors, into problems."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(SignInNeeded, _on_sign_in_needed)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(SQLAlchemyError, _on_database_error)
    app.add_exception_handler(Exception, _on_any_error)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer_to(request, error)


async def _on_sign_in_needed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    remember_page(request)
    return RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own: no such path (404), wrong method (405), a form that cannot be read (400)."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # ours, see edge.py
        return _answer(request, TooLarge(error.detail).details(_correlationid(request)), {})
    details = ProblemDetails(
        type=status.phrase.lower().replace(" ", "-"),
        title=_TITLES.get(status, status.phrase),
        status=status,
        detail=f"{_DETAILS.get(status, status.phrase)}: {request.method} {request.url.path[:200]}",
        correlationid=_correlationid(request),
    )
    return _answer(request, details, dict(error.headers or {}))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    """What pydantic refused: an id in the path that is none stands for nothing, the rest is told by place."""
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    correlationid = _correlationid(request)
    if any(e["loc"][:1] == ("path",) for e in errors):
        problem: Problem = NotFound("Unter dieser Adresse gibt es nichts.")
        return _answer(request, problem.details(correlationid), {})
    places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {fault_words(e)}"[:200] for e in errors[:5])
    details = Invalid(places).details(correlationid).model_copy(update={"status": 422})
    return _answer(request, details, {})


async def _on_database_error(request: Request, error: Exception) -> Response:
    if isinstance(error, SQLAlchemyError) and (is_unreachable(error) or isinstance(error, PoolTimeoutError)):
        log.warning("request.database_away", path=request.url.path[:200])
        problem = Unavailable("Die Datenbank antwortet nicht.", remedy="Gleich noch einmal versuchen.")
        return _answer(request, problem.details(_correlationid(request)), _headers(problem))
    return await _on_any_error(request, error)


async def _on_any_error(request: Request, error: Exception) -> Response:
    # uvicorn tells it too, but after the correlation id has left the context.
    log.error("request.failed", path=request.url.path[:200], exc_info=error)
    problem = Internal(
        "Das war unser Fehler. Er steht unter der Nummer dieses Vorgangs im Log.",
        remedy="Noch einmal versuchen; bleibt es dabei, dem Betreiber die Nummer nennen.",
    )
    return _answer(request, problem.details(_correlationid(request)), {})


def _headers(problem: Problem) -> dict[str, str]:
    match problem:
        case Unauthorized():
            return {"WWW-Authenticate": problem.challenge}
        case TooManyRequests():
            return {"Retry-After": str(problem.seconds)}
        case Unavailable():
            return {"Retry-After": "5"}
        case _:
            return {}


def _answer(
    request: Request, details: ProblemDetails, headers: dict[str, str], *, may_sign_in: bool = False
) -> Response:
    if rendering.is_for_a_person(request):
        return rendering.page(
            request, "problem.html", status_code=details.status, headers=headers, problem=details,
            of_team=getattr(request.state, "team", None), may_sign_in=may_sign_in,
            came_from=None if may_sign_in else _came_from(request),
        )  # fmt: skip
    return _json(details, headers)


def _came_from(request: Request) -> str | None:
    """The page of ours that led here, as a path. None if it is this one, or another site's."""
    try:
        referer = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return None
    if referer.netloc != request.headers.get("host") or not re.match(r"/(?!/)", referer.path):
        return None
    path = referer.path + (f"?{referer.query}" if referer.query else "")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return None if request.method == "GET" and path == here else path


def _json(details: ProblemDetails, headers: dict[str, str]) -> Response:
    return Response(
        details.model_dump_json(exclude_none=True),
        status_code=details.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _correlationid(request: Request) -> str | None:
    return request.scope.get("state", {}).get("correlationid")


_TITLES = {
    HTTPStatus.BAD_REQUEST: "Ungültige Anfrage",
    HTTPStatus.NOT_FOUND: "Nicht gefunden",
    HTTPStatus.METHOD_NOT_ALLOWED: "Nicht aufrufbar",
}
_DETAILS = {
    HTTPStatus.BAD_REQUEST: "Die Anfrage ist nicht lesbar",
    HTTPStatus.NOT_FOUND: "Unter dieser Adresse gibt es nichts",
    # Whoever loads the answer to a form again, or keeps its address, gets here.
    HTTPStatus.METHOD_NOT_ALLOWED: "Hierher führt nur das Formular einer Seite, oder ein anderer Aufruf",
}
