"""Clients for a server that a test plays, and for the stand-in of Ameise."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ameise import AmeiseClient

Handler = Callable[[httpx.Request], httpx.Response]
REDIRECT = "http://127.0.0.1/callback"


class Tokens:
    """Hands out the tokens in turn, the next one whenever one was refused."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    async def access_token(self, *, stale: str | None = None) -> str:
        if stale is not None:
            assert stale == self._tokens.pop(0)
        return self._tokens[0]


@pytest.fixture
def ameise_played_by() -> Callable[..., AmeiseClient]:
    """`ameise_played_by(handler, **options)`: a client whose every request the handler answers."""

    def build(handler: Handler, **options: Any) -> AmeiseClient:
        http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
        tokens = Tokens("token-1", "token-2")
        return AmeiseClient("https://ameise.invalid/rest", "DEMO01_1", tokens, http, **options)

    return build


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
async def ameise_at_sandbox(sandbox: str, http: httpx.AsyncClient) -> Callable[..., AmeiseClient]:
    """`ameise_at_sandbox(**options)`: DEMO01_1 at the stand-in; the first token is refused."""
    base = f"{sandbox}/ameise"
    asked = {
        "response_type": "code",
        "client_id": "connector",
        "redirect_uri": REDIRECT,
        "scope": "ameise/mitarbeiterwebservice offline",
        "mitarbeiter": "DEMO01_1",
        "decision": "accept",
    }
    consent = await http.post(f"{base}/oauth2/auth", data=asked)
    code = parse_qs(urlsplit(consent.headers["Location"]).query)["code"][0]
    basic = base64.b64encode(b"connector:secret").decode()
    answer = await http.post(
        f"{base}/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT},
        headers={"Authorization": f"Basic {basic}"},
    )
    access_token = answer.json()["access_token"]

    def build(**options: Any) -> AmeiseClient:
        tokens = Tokens("expired", access_token)
        return AmeiseClient(f"{base}/service/bd/employee/1.0/rest", "DEMO01_1", tokens, http, **options)

    return build


@pytest.fixture
def ameise(ameise_at_sandbox: Callable[..., AmeiseClient]) -> AmeiseClient:
    """The Mitarbeiter DEMO01_1 at the stand-in, with everyday settings."""
    return ameise_at_sandbox()
