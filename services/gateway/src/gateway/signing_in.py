"""Who is the admin: by a session cookie on pages, by HTTP Basic on the API.

One admin per installation. The session is a signed cookie, its key is made from the session secret and
the password, so a new password ends all sessions.
"""

import base64
import binascii
import hashlib
import hmac
import time

from fastapi import Request
from fastapi.security import HTTPBasic

from chassis.cause import Cause
from contracts.actor import ActorKind
from contracts.events import SignedIn
from contracts.ids import Uuid
from contracts.problems import Forbidden
from contracts.subjects import SYSTEM_TENANT
from gateway.parts import Parts
from gateway.problems import SessionExpired, SignInNeeded, TooManyRequests, Unauthorized
from gateway.refusals import address_block
from gateway.secrets import is_equal
from gateway.session import ADMIN, csrf_fits, is_signed_in, restart
from gateway.settings import Settings

MOST_FIELDS = 20_000
"""Of a form, which is read here and kept for its route. A pipeline that sync allows has thousands of them;
what guards us is the limit of the body's bytes."""

basic_scheme = HTTPBasic(auto_error=False)
"""Names HTTP Basic in OpenAPI; `require_basic` does the checking, and answers with our problems."""


def session_key(settings: Settings) -> str:
    """The key that signs session cookies."""
    password = settings.admin_password.get_secret_value().encode()
    return hmac.new(settings.session_secret.get_secret_value().encode(), password, hashlib.sha256).hexdigest()


def _form_token(settings: Settings) -> str:
    """The token of the admin's forms, the same in all his sessions: a form that outlives its session can be
    sent once he has signed in again. Without a session it is good for nothing."""
    return hmac.new(session_key(settings).encode(), b"forms", hashlib.sha256).hexdigest()


def is_right_password(parts: Parts, request: Request, user: str, password: str) -> bool:
    """Whether user and password are the admin's. Raises TooManyRequests after failures, without a look."""
    block = address_block(request.client.host if request.client else None)
    if wait := parts.attempts.wait_seconds(block, time.monotonic()):
        raise TooManyRequests("Zu viele Fehlversuche.", seconds=wait)
    right_user = is_equal(user, ADMIN)
    right_password = is_equal(password, parts.settings.admin_password.get_secret_value())
    if right_user and right_password:
        parts.attempts.succeeded(block)
        return True
    parts.attempts.failed(block, time.monotonic())
    return False


async def sign_in(parts: Parts, request: Request) -> None:
    """Begin a new session (never go on with the anonymous one) and tell it."""
    base = parts.base
    cause = Cause(SYSTEM_TENANT, ActorKind.USER, ADMIN, Uuid(request.state.correlationid))
    async with base.database.tenant(SYSTEM_TENANT) as session:
        await base.outbox.tell(session, cause, SignedIn())
    restart(request, _form_token(parts.settings))


async def require_session(request: Request) -> None:
    """For pages. Raises SignInNeeded."""
    if not is_signed_in(request):
        raise SignInNeeded
    request.state.signed_in = True


async def require_basic(request: Request) -> None:
    """For the API. Raises Unauthorized, TooManyRequests, Forbidden."""
    refuse_other_sites(request)
    given = _basic_credentials(request.headers.get("authorization", ""))
    if given is None or not is_right_password(request.app.state.parts, request, *given):
        raise Unauthorized(
            "Benutzer oder Passwort fehlt oder ist falsch.",
            challenge='Basic realm="MVP-Connector", charset="UTF-8"',
        )
    request.state.signed_in = True


async def require_csrf(request: Request) -> None:
    """For forms. Raises Forbidden unless the form came from one of our own pages."""
    await _require_csrf(request, max_files=0)


async def require_csrf_beside_a_file(request: Request) -> None:
    """For forms with one small file: an upload's size limit does not apply to them."""
    await _require_csrf(request, max_files=1)


async def _require_csrf(request: Request, *, max_files: int) -> None:
    refuse_other_sites(request)
    given = (await request.form(max_files=max_files, max_fields=MOST_FIELDS)).get("csrf")
    if not isinstance(given, str) or not csrf_fits(request, given):
        raise form_expired() if is_signed_in(request) else SessionExpired


def form_expired() -> Forbidden:
    """A form whose token is not the session's, though somebody has signed in."""
    return Forbidden("Das Formular ist abgelaufen.", remedy="Seine Seite neu öffnen und es dort absenden.")


def refuse_other_sites(request: Request) -> None:
    """A browser says where a request comes from; it sends Basic credentials that it remembers along with
    what other sites make it send."""
    if request.method != "GET" and request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise Forbidden("Diese Anfrage kommt von einer fremden Seite.")


def _basic_credentials(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
