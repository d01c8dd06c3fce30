"""Zoho's accounts servers: one per data centre, errors with HTTP 200, refresh tokens that never rotate.

The redirect names the accounts server of the person's data centre in `accounts-server`, and the code must be
exchanged there. It comes through the browser, so it is checked against a fixed list: our client secret goes
with it.
"""

from typing import ClassVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field
from typing_extensions import override

from auth.providers import Account, NoAnswer, Provider, Tokens, UnknownServer, reason_of
from contracts.names import System

ACCOUNTS_SERVERS = frozenset(
    {
        "https://accounts.zoho.com",
        "https://accounts.zoho.eu",
        "https://accounts.zoho.in",
        "https://accounts.zoho.com.au",
        "https://accounts.zoho.jp",
        "https://accounts.zoho.com.cn",
        "https://accounts.zohocloud.ca",
        "https://accounts.zoho.sa",
        "https://accounts.zoho.uk",
    }
)


class _Organisation(BaseModel):
    zgid: str = Field(pattern=r"^[0-9]{1,20}$", coerce_numbers_to_str=True)
    company_name: str | None = Field(default=None, max_length=300)


class _Organisations(BaseModel):
    org: list[_Organisation] = Field(min_length=1)


class ZohoAccounts(Provider):
    """Connects one organisation. Its `zgid` is the organisation id that Zoho's own pages and links show."""

    system: ClassVar[System] = System.ZOHO
    client_auth: ClassVar[str] = "client_secret_post"

    @override
    def authorize_url(self, state: str, code_verifier: str | None) -> str:
        # Without `prompt=consent` a second consent brings no refresh token.
        return self._authorize_url(
            f"{self.base_url}/oauth/v2/auth", state, None, access_type="offline", prompt="consent"
        )

    @override
    def token_url(self, server: str | None) -> str:
        return f"{self.checked(server)}/oauth/v2/token"

    @override
    def server_to_keep(self, server: str | None) -> str | None:
        base = self.checked(server)
        return None if base == self.base_url else base

    def checked(self, server: str | None) -> str:
        """The accounts server's base URL. Raises UnknownServer for one that is not Zoho's or configured."""
        base = (server or self.base_url).rstrip("/")
        if base != self.base_url and base not in ACCOUNTS_SERVERS:
            raise UnknownServer(f"{(urlsplit(base).hostname or '')[:80]!r} ist kein Anmeldeserver von Zoho")
        return base

    @override
    async def account(self, tokens: Tokens) -> Account | NoAnswer:
        if tokens.api_url is None or not self._may_get_tokens(tokens.api_url):
            return NoAnswer("die Antwort nennt keine brauchbare api_domain")
        url = f"{tokens.api_url.rstrip('/')}/crm/v8/org"
        try:
            body = await self._get(url, f"Zoho-oauthtoken {tokens.access.get_secret_value()}")
            organisation = _Organisations.model_validate(body).org[0]
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            return NoAnswer(reason_of(error))
        return Account(organisation.zgid, organisation.company_name)

    def _may_get_tokens(self, api_url: str) -> bool:
        """Never in clear, unless it is the very host that the installation configured."""
        url, own = urlsplit(api_url), urlsplit(self.base_url)
        return bool(url.hostname) and (url.scheme == "https" or url[:2] == own[:2])
