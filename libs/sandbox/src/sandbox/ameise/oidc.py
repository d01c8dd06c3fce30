"""Ameise's OAuth2 / OpenID Connect server: discovery, consent, tokens with rotating refresh, userinfo."""

import base64
import binascii
import hashlib
import secrets
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sandbox.ameise.access import session_of
from sandbox.ameise.hierarchy import vermittler_of_mitarbeiter
from sandbox.context import Context, base_of, call_of, context_of
from sandbox.forms import consent_page, form_of, with_query

CODE_SECONDS = 120
SCOPES = ("ameise/mitarbeiterwebservice", "offline", "openid")
MANDATORY = ("client_id", "redirect_uri", "scope")

router = APIRouter()


@router.get("/.well-known/openid-configuration")
async def discovery(request: Request) -> JSONResponse:
    """Where everything is."""
    base = base_of(request)
    return JSONResponse(
        {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth2/auth",
            "token_endpoint": f"{base}/oauth2/token",
            "userinfo_endpoint": f"{base}/userinfo",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "scopes_supported": list(SCOPES),
            "subject_types_supported": ["public"],
        }
    )


@router.get("/oauth2/auth")
async def ask_for_consent(request: Request) -> Response:
    """The page on which a Mitarbeiter signs in and agrees."""
    query = dict(request.query_params)
    if any(not query.get(name) for name in MANDATORY) or query.get("response_type") != "code":
        return HTMLResponse("<h1>invalid_request</h1>", status_code=400)
    unknown = [scope for scope in query["scope"].split() if scope not in SCOPES]
    if unknown:
        return _back(query, {"error": "invalid_scope", "error_description": " ".join(unknown)})
    page = consent_page(
        title="Ameise Anmeldung (Sandbox)",
        question=f"Die Anwendung {query['client_id']} möchte in Ihrem Namen zugreifen: {query['scope']}",
        field="mitarbeiter",
        label="Mitarbeiter-ID",
        value=query.get("login_hint", "DEMO01_1"),
        hidden=query,
    )
    return HTMLResponse(page)


def _back(form: dict[str, str], answer: dict[str, str]) -> RedirectResponse:
    state = {"state": form["state"]} if "state" in form else {}
    return RedirectResponse(with_query(form["redirect_uri"], {**answer, **state}), 302)


@router.post("/oauth2/auth")
async def decide(request: Request) -> Response:
    """Consent given or refused: back to the client."""
    form = await form_of(request)
    if any(not form.get(name) for name in MANDATORY):
        return HTMLResponse("<h1>invalid_request</h1>", status_code=400)
    if form.get("decision") != "accept":
        return _back(form, {"error": "access_denied"})
    context, mitarbeiter = context_of(request), form.get("mitarbeiter", "").strip()
    try:
        call_of(request).world = vermittler_of_mitarbeiter(context.store, mitarbeiter).hauptvermittler
    except ValueError as error:
        return HTMLResponse(f"<h1>Unbekannter Mitarbeiter</h1><p>{error}</p>", status_code=400)
    data = {
        "mitarbeiter": mitarbeiter,
        "client_id": form["client_id"],
        "redirect_uri": form["redirect_uri"],
        "scope": form["scope"],
        "challenge": form.get("code_challenge"),
        "challenge_method": form.get("code_challenge_method", "plain"),
    }
    return _back(form, {"code": context.ameise_grants.issue("code", data, seconds=CODE_SECONDS)})


def _refused(error: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status)


def _client(request: Request) -> tuple[str, str]:
    """(id, secret) by HTTP Basic, both form-encoded as RFC 6749 2.3.1 wants it."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(client_id), unquote(secret)


@router.post("/oauth2/token")
async def token(request: Request) -> JSONResponse:
    """Code or refresh token for tokens."""
    form = await form_of(request)
    context = context_of(request)
    client_id, secret = _client(request)
    if not context.ameise_grants.client_is_genuine(client_id, secret):
        return _refused("invalid_client", 401)
    match form.get("grant_type"):
        case "authorization_code":
            grant = context.ameise_grants.take("code", form.get("code", ""))
            if (
                grant is None
                or grant.data["client_id"] != client_id
                or grant.data["redirect_uri"] != form.get("redirect_uri")
                or not _proves(grant.data, form.get("code_verifier"))
            ):
                return _refused("invalid_grant")
            data = {name: grant.data[name] for name in ("mitarbeiter", "client_id", "scope")}
            return JSONResponse(_tokens(request, context, data))
        case "refresh_token":
            return _refresh(request, context, form, client_id)
        case _:
            return _refused("unsupported_grant_type")


def _refresh(request: Request, context: Context, form: dict[str, str], client_id: str) -> JSONResponse:
    old = form.get("refresh_token", "")
    grant = context.ameise_grants.find("refresh", old)
    if grant is None or grant.data["client_id"] != client_id:
        return _refused("invalid_grant")
    if not context.knobs.current.ameise_refresh_rotates:
        return JSONResponse({**_tokens(request, context, grant.data, refresh=old)})
    context.ameise_grants.take("refresh", old)
    return JSONResponse(_tokens(request, context, grant.data))


def _proves(data: dict[str, Any], verifier: str | None) -> bool:
    """Whether the PKCE verifier fits the challenge, if there was one."""
    challenge = data["challenge"]
    if challenge is None:
        return True
    if verifier is None:
        return False
    if data["challenge_method"] == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return secrets.compare_digest(verifier, challenge)


def _tokens(
    request: Request, context: Context, data: dict[str, Any], *, refresh: str | None = None
) -> dict[str, Any]:
    """New tokens. A refresh token only with the scope `offline`; access tokens outlive its rotation."""
    call = call_of(request)
    call.actor = data["mitarbeiter"]
    call.world = vermittler_of_mitarbeiter(context.store, data["mitarbeiter"]).hauptvermittler
    seconds = context.knobs.current.ameise_access_token_seconds
    answer: dict[str, Any] = {
        "access_token": context.ameise_grants.issue("access", data, seconds=seconds),
        "token_type": "bearer",
        "expires_in": int(seconds),
        "scope": data["scope"],
    }
    if "offline" in data["scope"].split():
        answer["refresh_token"] = refresh or context.ameise_grants.issue("refresh", data)
    return answer


@router.get("/userinfo")
async def userinfo(request: Request) -> JSONResponse:
    """The signed-in Mitarbeiter: `sub` is his id, a segment of every REST path."""
    session = session_of(request)
    return JSONResponse({"sub": session.mitarbeiter, "name": f"Mitarbeiter {session.mitarbeiter}"})
