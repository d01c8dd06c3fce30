"""What the signed session cookie holds: the user once signed in, and the token of our forms."""

from typing import Final

from fastapi import Request

from gateway.secrets import is_equal, new_token

ADMIN: Final = "admin"
COOKIE: Final = "mvp_session"
_USER, _CSRF, _NOTE, _PAGE = "user", "csrf", "note", "page"
_LONGEST_PAGE = 1000
"""Characters of a page's address that the cookie carries: browsers drop one of 4 KB."""


def is_signed_in(request: Request) -> bool:
    return request.scope.get("session", {}).get(_USER) == ADMIN


def restart(request: Request, token: str) -> None:
    """The admin's session begins, with this token for its forms; nothing of the anonymous one goes on."""
    request.session.clear()
    request.session[_USER] = ADMIN
    request.session[_CSRF] = token


def remember_page(request: Request) -> None:
    """Where somebody wanted to go who has to sign in first. What he wanted to send is not kept."""
    page = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "GET" and len(page) <= _LONGEST_PAGE:
        request.session[_PAGE] = page


def remembered_page(request: Request) -> str:
    """To be asked before the session begins anew."""
    return request.session.get(_PAGE, "/teams")


def end(request: Request) -> None:
    request.session.clear()


def csrf_token(request: Request) -> str:
    """The session's token for forms, made when the first form is shown."""
    if "session" not in request.scope:  # the error page of a failure outside the session
        return ""
    return request.session.setdefault(_CSRF, new_token())


def csrf_fits(request: Request, given: str) -> bool:
    known = request.session.get(_CSRF)
    return bool(known) and is_equal(given, known)


def leave_note(request: Request, text: str) -> None:
    """What the next page shall say: the outcome of a form, across its redirect."""
    request.session[_NOTE] = text


def take_note(request: Request) -> str | None:
    return request.session.pop(_NOTE, None) if _NOTE in request.scope.get("session", {}) else None
