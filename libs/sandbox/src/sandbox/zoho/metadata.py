"""What an org is made of: organisation, users, modules, fields, layouts."""

import time
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.zoho.access import Session, session_of
from sandbox.zoho.customising import modules_of
from sandbox.zoho.orgs import API_USER, FORMER, PERSON, SELLER, zoho_time
from sandbox.zoho.problems import ZohoError
from sandbox.zoho.schema import Module, field_json, layout_json, module_json

router = APIRouter(prefix="/crm/v8")


@router.get("/org")
async def org(request: Request) -> JSONResponse:
    """The organisation, with the `zgid` that its links carry."""
    own = session_of(request).org
    body = {
        "id": str(own.prefix + 1),
        "zgid": own.zgid,
        "company_name": own.name,
        "domain_name": f"org{own.zgid}",
        "type": "production",
        "country": "Germany",
        "country_code": "DE",
        "time_zone": "Europe/Berlin",
        "currency": "Euro - EUR",
        "iso_code": "EUR",
        "currency_symbol": "€",
        "currency_locale": "de_DE",
        "primary_email": own.user(PERSON)["email"],
        "created_time": zoho_time(time.time()),
        "license_details": {
            "paid": True,
            "paid_type": "enterprise",
            "users_license_purchased": 5,
            "portal_users_license_purchased": 0,
            "trial_type": None,
            "trial_expiry": None,
            "paid_expiry": None,
        },
    }
    return JSONResponse({"org": [body]})


@router.get("/users")
async def users(request: Request) -> JSONResponse:
    """All users, with `type=ActiveUsers` those who can sign in, with `type=CurrentUser` the one in whose name
    the connector works."""
    own = session_of(request).org
    active = (API_USER, PERSON, SELLER)
    numbers = {"CurrentUser": (API_USER,), "ActiveUsers": active}.get(
        request.query_params.get("type", ""), (*active, FORMER)
    )
    listed: list[dict[str, Any]] = []
    for number in numbers:
        short = own.user(number)
        first, last = short["name"].split(" ")
        listed.append(
            {
                "id": short["id"],
                "full_name": short["name"],
                "first_name": first,
                "last_name": last,
                "email": short["email"],
                "status": "disabled" if number == FORMER else "active",
                "confirm": True,
                "time_zone": "Europe/Berlin",
                "locale": "de_DE",
                "role": {"name": "CEO", "id": str(own.prefix + 31)},
                "profile": {"name": "Administrator", "id": str(own.prefix + 41)},
            }
        )
    info = {"per_page": 200, "count": len(listed), "page": 1, "more_records": False}
    return JSONResponse({"users": listed, "info": info})


@router.get("/settings/modules")
async def modules(request: Request) -> JSONResponse:
    """All modules."""
    session = session_of(request)
    found = modules_of(session.context.store, session.org)
    return JSONResponse({"modules": [module_json(session.org.prefix, module) for module in found]})


@router.get("/settings/fields")
async def fields(request: Request) -> JSONResponse:
    """All fields of `module`. Zoho's own SDK asks for them before it writes its first record."""
    session = session_of(request)
    module = _module_asked_for(session, request)
    prefix = session.org.prefix
    return JSONResponse({"fields": [field_json(prefix, module, field) for field in module.fields]})


@router.get("/settings/layouts")
async def layouts(request: Request) -> JSONResponse:
    """All layouts of `module`: here one, with every field that a person can fill in."""
    session = session_of(request)
    module = _module_asked_for(session, request)
    return JSONResponse({"layouts": [layout_json(session.org.prefix, module)]})


def _module_asked_for(session: Session, request: Request) -> Module:
    name = request.query_params.get("module")
    if not name:
        details = {"param_name": "module"}
        raise ZohoError(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", details)
    return session.module(name)
