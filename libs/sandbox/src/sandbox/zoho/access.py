"""Who calls: the org and user that an access token stands for."""

from dataclasses import dataclass

from starlette.requests import Request

from sandbox.context import Context, call_of, context_of
from sandbox.zoho.customising import module_of
from sandbox.zoho.orgs import API_USER, Org, org_named
from sandbox.zoho.problems import invalid_module, invalid_token
from sandbox.zoho.records import RecordBook
from sandbox.zoho.schema import Module


@dataclass(frozen=True, slots=True)
class Session:
    """An authenticated request."""

    context: Context
    org: Org
    book: RecordBook

    def module(self, name: str) -> Module:
        """The org's module. Raises ZohoError 400."""
        module = module_of(self.context.store, self.org, name)
        if module is None:
            raise invalid_module()
        return module


def session_of(request: Request) -> Session:
    """The session of `Authorization: Zoho-oauthtoken <token>` (Bearer works too). Raises ZohoError 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    context = context_of(request)
    grant = context.zoho_grants.find("access", token) if scheme in ("Zoho-oauthtoken", "Bearer") else None
    if grant is None:
        raise invalid_token()
    org = org_named(context.store, grant.data["org"])
    call = call_of(request)
    call.world, call.actor = org.name, org.user(API_USER)["name"]
    return Session(context, org, RecordBook(context.store, org, context.webhooks))
