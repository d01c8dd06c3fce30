"""What an OAuth2 server is asked, and what it can answer. Authlib speaks the protocol.

Every question ends in a value, never in an exception: `Tokens`, `Refused` (the server understood and said
no), or `NoAnswer` (nothing can be concluded: time-out, 5xx, an answer that cannot be read).
"""

import asyncio
import re
import ssl
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias

import httpx
from authlib.deprecate import AuthlibDeprecationWarning  # importing it turns the warnings on
from pydantic import BaseModel, Field, SecretStr

from contracts.names import System

with warnings.catch_warnings():
    # Authlib prefers httpx2 where that is installed and calls httpx deprecated. All of us speak httpx: with
    # httpx2 installed, Authlib's client would raise errors that `reason_of` does not know.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

TIMEOUT = httpx.Timeout(8, connect=5)
TOTAL_SECONDS = 10
"""Limit of one question, whatever it consists of."""
DESCRIPTION_LIMIT = 200
_ERROR_CODE = re.compile(r"[A-Za-z0-9_. -]{1,60}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gives. `refresh` is None where the old one stays good."""

    access: SecretStr
    refresh: SecretStr | None
    lifetime: timedelta
    api_url: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An OAuth error: its code, and the server's words, which are never logged."""

    error: str
    description: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing to conclude from; `reason` names no value of the exchange."""

    reason: str


Answer: TypeAlias = Tokens | Refused | NoAnswer


@dataclass(frozen=True, slots=True)
class Account:
    """Who consented: Mitarbeiter or Zoho organisation."""

    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    """Our registration as a client of one OAuth2 server."""

    client_id: str
    client_secret: SecretStr
    scopes: str
    redirect_url: str


class UnknownServer(ValueError):  # noqa: N818
    """The client secret must not go to this server."""


class _TokenBody(BaseModel):
    access_token: SecretStr = Field(min_length=1)
    refresh_token: SecretStr | None = None
    expires_in: int = Field(default=3600, gt=0, description="seconds; both systems document one hour")
    api_domain: str | None = None


@dataclass
class Provider(ABC):
    """One OAuth2 server. `server` is the base URL that the tokens came from, None the configured one."""

    system: ClassVar[System]
    client_auth: ClassVar[str]
    uses_pkce: ClassVar[bool] = False

    registration: Registration
    base_url: str
    _tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    def __post_init__(self) -> None:
        self.base_url = self.base_url.rstrip("/")

    @property
    def is_set_up(self) -> bool:
        """Whether this installation is registered there."""
        return bool(self.registration.client_id and self.registration.client_secret.get_secret_value())

    @abstractmethod
    def authorize_url(self, state: str, code_verifier: str | None) -> str:
        """Where the person's browser must go."""

    @abstractmethod
    def token_url(self, server: str | None) -> str:
        """The token endpoint. Raises UnknownServer."""

    def server_to_keep(self, server: str | None) -> str | None:  # noqa: ARG002 (only Zoho has several)
        """What `token_url` must be given for later refreshes; None: the configured server."""
        return None

    @abstractmethod
    async def account(self, tokens: Tokens) -> Account | NoAnswer:
        """Who consented."""

    async def exchange(self, code: str, *, code_verifier: str | None, server: str | None) -> Answer:
        """Code for tokens. Raises UnknownServer."""
        url = self.token_url(server)
        pkce = {"code_verifier": code_verifier} if code_verifier else {}
        return await self._ask(
            lambda client: client.fetch_token(url, grant_type="authorization_code", code=code, **pkce)
        )

    async def refresh(self, refresh_token: SecretStr, *, server: str | None) -> Answer:
        """Refresh token for a new access token. Raises UnknownServer."""
        url = self.token_url(server)
        return await self._ask(
            lambda client: client.refresh_token(url, refresh_token=refresh_token.get_secret_value())
        )

    def _client(self) -> Any:
        """A client for one question: Authlib's keeps the last token, which must not meet another tenant's."""
        return AsyncOAuth2Client(
            client_id=self.registration.client_id,
            client_secret=self.registration.client_secret.get_secret_value(),
            token_endpoint_auth_method=self.client_auth,
            scope=self.registration.scopes,
            redirect_uri=self.registration.redirect_url,
            code_challenge_method="S256",
            timeout=TIMEOUT,
            verify=self._tls,
            follow_redirects=False,
        )

    def _authorize_url(self, url: str, state: str, code_verifier: str | None, **more: str) -> str:
        created: tuple[str, str] = self._client().create_authorization_url(
            url, state=state, code_verifier=code_verifier, **more
        )
        return created[0]

    async def _ask(self, question: Callable[[Any], Awaitable[Any]]) -> Answer:
        try:
            async with asyncio.timeout(TOTAL_SECONDS), self._client() as client:
                body = _TokenBody.model_validate(dict(await question(client)))
        except OAuthError as error:
            return Refused(error_code(error.error), str(error.description or "")[:DESCRIPTION_LIMIT])
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            return NoAnswer(reason_of(error))
        return Tokens(
            access=body.access_token,
            refresh=body.refresh_token,
            lifetime=timedelta(seconds=body.expires_in),
            api_url=body.api_domain,
        )

    async def _get(self, url: str, authorization: str) -> Any:
        """A JSON body. Raises httpx.HTTPError, TimeoutError, ValueError."""
        async with asyncio.timeout(TOTAL_SECONDS), self._client() as client:
            headers = {"Authorization": authorization, "Accept": "application/json"}
            answer: httpx.Response = await client.request("GET", url, headers=headers, withhold_token=True)
            return answer.raise_for_status().json()


def reason_of(error: Exception) -> str:
    """What went wrong, without the text of the error, which can quote a token."""
    match error:
        case httpx.HTTPStatusError():
            return f"HTTP {error.response.status_code}"
        case httpx.TimeoutException() | TimeoutError():
            return "keine rechtzeitige Antwort"
        case httpx.HTTPError():
            return f"nicht erreichbar ({type(error).__name__})"
        case ValueError():
            return "die Antwort ist nicht lesbar"
        case _:
            return type(error).__name__


def error_code(text: object) -> str:
    """An OAuth error code as it may stand in a log; anything longer or odder than a code is left out."""
    code = str(text or "")
    return code if _ERROR_CODE.fullmatch(code) else "unknown_error"
