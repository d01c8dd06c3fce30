"""Zoho's accounts server: consent, tokens, revocation, with its documented oddities.

Errors come as HTTP 200 with `{"error": "invalid_code"}`; too many access tokens as HTTP 400 "Access Denied".
"""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sandbox.context import Context, base_of, call_of, context_of
from sandbox.forms import consent_page, form_of, with_query
from sandbox.zoho.orgs import org_named

LIVING_ACCESS_TOKENS = 15
WINDOW_SECONDS = 600
MANDATORY = ("scope", "client_id", "redirect_uri")
TOO_MANY = {
    "error": "Access Denied",
    "error_description": "You have made too many requests continuously. Please try again after some time.",
}

router = APIRouter(prefix="/oauth/v2")


@router.get("/auth")
async def ask_for_consent(request: Request) -> Response:
    """The page on which a person chooses the org and agrees."""
    query = dict(request.query_params)
    missing = [name for name in MANDATORY if not query.get(name)]
    if missing or query.get("response_type") != "code":
        return HTMLResponse(
            f"<h1>Invalid request</h1><p>{', '.join(missing) or 'response_type'}</p>", status_code=400
        )
    page = consent_page(
        title="Zoho CRM (Sandbox)",
        question=f"Die Anwendung {query['client_id']} möchte auf Ihre Daten zugreifen: {query['scope']}",
        field="org",
        label="Organisation",
        value=query.get("org", "demo"),
        hidden=query,
    )
    return HTMLResponse(page)


@router.post("/auth")
async def decide(request: Request) -> Response:
    """Consent given or refused: back to the client."""
    form = await form_of(request)
    if any(not form.get(name) for name in MANDATORY):
        return HTMLResponse("<h1>Invalid request</h1>", status_code=400)
    state = {"state": form["state"]} if "state" in form else {}
    if form.get("decision") != "accept":
        return RedirectResponse(with_query(form["redirect_uri"], {"error": "access_denied", **state}), 302)
    context = context_of(request)
    try:
        org = org_named(context.store, form.get("org", ""))
    except ValueError as error:
        return HTMLResponse(f"<h1>Invalid org</h1><p>{error}</p>", status_code=400)
    call_of(request).world = org.name
    data = {
        "org": org.name,
        "client_id": form["client_id"],
        "redirect_uri": form["redirect_uri"],
        "scope": form["scope"],
        "offline": form.get("access_type") == "offline",
    }
    code = context.zoho_grants.issue("code", data, seconds=context.knobs.current.zoho_code_seconds)
    answer = {"code": code, **state, "location": "eu", "accounts-server": base_of(request)}
    return RedirectResponse(with_query(form["redirect_uri"], answer), 302)


@router.post("/token")
async def token(request: Request) -> JSONResponse:
    """Code for tokens, or refresh token for an access token."""
    form = await form_of(request)
    context = context_of(request)
    client_id = form.get("client_id", "")
    if not context.zoho_grants.client_is_genuine(client_id, form.get("client_secret", "")):
        return JSONResponse({"error": "invalid_client"})
    match form.get("grant_type"):
        case "authorization_code":
            return _exchange(request, context, form)
        case "refresh_token":
            return _refresh(request, context, form)
        case _:
            return JSONResponse({"error": "unsupported_grant_type"})


def _exchange(request: Request, context: Context, form: dict[str, str]) -> JSONResponse:
    grant = context.zoho_grants.take("code", form.get("code", ""))
    if grant is None or grant.data["client_id"] != form.get("client_id"):
        return JSONResponse({"error": "invalid_code"})
    if grant.data["redirect_uri"] != form.get("redirect_uri"):
        return JSONResponse({"error": "invalid_redirect_uri"})
    call_of(request).world = grant.data["org"]
    data = {name: grant.data[name] for name in ("org", "client_id", "scope")}
    if not grant.data["offline"]:
        return JSONResponse(_access(request, context, data, parent=""))
    refresh = context.zoho_grants.issue("refresh", data)
    return JSONResponse({**_access(request, context, data, parent=refresh), "refresh_token": refresh})


def _refresh(request: Request, context: Context, form: dict[str, str]) -> JSONResponse:
    grant = context.zoho_grants.find("refresh", form.get("refresh_token", ""))
    if grant is None or grant.data["client_id"] != form.get("client_id"):
        return JSONResponse({"error": "invalid_code"})
    call_of(request).world = grant.data["org"]
    issued = context.zoho_grants.issued_since(grant.token, time.time() - WINDOW_SECONDS)
    if issued >= context.knobs.current.zoho_tokens_per_ten_minutes:
        return JSONResponse(TOO_MANY, status_code=400)
    return JSONResponse(_access(request, context, grant.data, parent=grant.token))


def _access(request: Request, context: Context, data: dict[str, Any], *, parent: str) -> dict[str, Any]:
    seconds = context.knobs.current.zoho_access_token_seconds
    access = context.zoho_grants.issue("access", data, parent=parent, seconds=seconds)
    if parent:
        context.zoho_grants.keep_newest(parent, LIVING_ACCESS_TOKENS)
    return {
        "access_token": access,
        "scope": data["scope"].replace(",", " "),
        "api_domain": base_of(request),
        "token_type": "Bearer",
        "expires_in": int(seconds),
    }


@router.post("/token/revoke")
async def revoke(request: Request) -> JSONResponse:
    """Kill a token; a refresh token takes its access tokens along."""
    form = await form_of(request)
    if context_of(request).zoho_grants.revoke(form.get("token", "")):
        return JSONResponse({"status": "success"})
    return JSONResponse({"error": "invalid_token"}, status_code=400)
