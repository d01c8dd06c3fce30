"""Typed problems: what a service answers over RPC and HTTP (RFC 9457) when it will not or cannot.

Problem
├── Invalid        400  the request itself is wrong
├── Forbidden      403  the actor may not do this, or not for this tenant
├── NotFound       404  the thing does not exist (or is another tenant's: told apart by nobody)
├── Conflict       409  the thing is in a state that does not allow it
├── NotConnected   412  a connection to Ameise or Zoho is missing or must be renewed by a person
├── Unavailable    503  a part that is needed does not answer now; trying again helps
└── Internal       500  our own fault
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class ProblemDetails(BaseModel):
    """The body of a problem on the wire, as `application/problem+json`."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="the stable name of the kind, e.g. `not-found`")
    title: str = Field(description="the kind in words")
    status: int
    detail: str = Field(description="what happened, to which object")
    remedy: str | None = Field(default=None, description="what to do now")
    correlationid: str | None = None


class Problem(Exception):  # noqa: N818 (RFC 9457's word)
    """Something a person or a calling service should be told, in words meant for them."""

    type: ClassVar[str] = "problem"
    title: ClassVar[str] = "Problem"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy

    def details(self, correlationid: str | None = None) -> ProblemDetails:
        return ProblemDetails(
            type=self.type,
            title=self.title,
            status=self.status,
            detail=self.detail,
            remedy=self.remedy,
            correlationid=correlationid,
        )


class Invalid(Problem):
    type, title, status = "invalid", "Ungültige Anfrage", 400


class Forbidden(Problem):
    type, title, status = "forbidden", "Nicht erlaubt", 403


class NotFound(Problem):
    type, title, status = "not-found", "Nicht gefunden", 404


class Conflict(Problem):
    type, title, status = "conflict", "Im jetzigen Zustand nicht möglich", 409


class NotConnected(Problem):
    type, title, status = "not-connected", "Nicht verbunden", 412


class Unavailable(Problem):
    type, title, status = "unavailable", "Zurzeit nicht erreichbar", 503


class Internal(Problem):
    type, title, status = "internal", "Interner Fehler", 500


_KINDS: dict[str, type[Problem]] = {
    kind.type: kind for kind in (Invalid, Forbidden, NotFound, Conflict, NotConnected, Unavailable, Internal)
}


def problem_from(details: ProblemDetails) -> Problem:
    """The exception that `details` came from; a kind that a newer release added becomes `Internal`."""
    return _KINDS.get(details.type, Internal)(details.detail, remedy=details.remedy)
