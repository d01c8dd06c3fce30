"""Ameise's OpenID provider (Dionera): authorization code flow with PKCE, refresh tokens may rotate.

Paths `/oauth2/auth`, `/oauth2/token`, `/userinfo`; the client authenticates by HTTP Basic.
"""

import re
from typing import Any, ClassVar
from urllib.parse import quote_plus

import httpx
from pydantic import BaseModel, Field
from typing_extensions import override

from auth.providers import Account, NoAnswer, Provider, Tokens, reason_of
from contracts.names import System

_MITARBEITER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _UserInfo(BaseModel):
    sub: str = Field(pattern=_MITARBEITER)
    name: str | None = Field(default=None, max_length=200)


class AmeiseLogin(Provider):
    """Connects one Mitarbeiter. `sub` of `/userinfo` is his id, a segment of every REST path."""

    system: ClassVar[System] = System.AMEISE
    client_auth: ClassVar[str] = "client_secret_basic"
    uses_pkce: ClassVar[bool] = True

    @override
    def authorize_url(self, state: str, code_verifier: str | None) -> str:
        return self._authorize_url(f"{self.base_url}/oauth2/auth", state, code_verifier)

    @override
    def token_url(self, server: str | None) -> str:
        return f"{self.base_url}/oauth2/token"

    @override
    async def account(self, tokens: Tokens) -> Account | NoAnswer:
        try:
            body = await self._get(f"{self.base_url}/userinfo", f"Bearer {tokens.access.get_secret_value()}")
            user = _UserInfo.model_validate(body)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            return NoAnswer(reason_of(error))
        return Account(user.sub, user.name)

    @override
    def _client(self) -> Any:
        client = super()._client()
        client.register_client_auth_method((self.client_auth, _form_encoded_basic))
        return client


def _form_encoded_basic(
    client: Any,
    method: str,
    uri: str,
    headers: Any,
    body: Any,
) -> tuple[str, Any, Any]:
    """HTTP Basic with both parts form-encoded first (RFC 6749, 2.3.1), which Authlib's own leaves out."""
    pair = httpx.BasicAuth(quote_plus(client.client_id), quote_plus(client.client_secret))
    request = next(pair.auth_flow(httpx.Request(method, uri)))
    headers["Authorization"] = request.headers["Authorization"]
    return uri, headers, body
