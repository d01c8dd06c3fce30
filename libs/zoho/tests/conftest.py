"""Clients for a server that a test plays, and for the stand-in of Zoho."""

import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from zoho import ZohoClient
from zoho.bulk import BulkClient

sys.path.insert(0, str(Path(__file__).parent))

import published

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


class Judged:
    """Remembers what Zoho's published files hold against our requests."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    async def look_at(self, request: httpx.Request) -> None:
        below = request.url.raw_path.decode().partition("/crm/v8")[2]
        is_file = request.headers.get("content-type", "").startswith("multipart/")
        if published.IS_THERE and below and not is_file:  # the files say of an upload only that it is one
            found = published.problems_of(request.method, below, request.content)
            self.problems += [f"{request.method} {below}: {problem}" for problem in found]


@pytest.fixture(autouse=True)
def judged() -> Iterator[Judged]:
    """Every request that the client makes in a test must be one of Zoho's files (where they are there)."""
    judged = Judged()
    yield judged
    assert judged.problems == []


@pytest.fixture
def zoho_played_by(judged: Judged) -> Callable[[Handler], ZohoClient]:
    """`zoho_played_by(handler)`: a client whose every request the handler answers."""

    def build(handler: Handler) -> ZohoClient:
        hooks = {"request": [judged.look_at]}
        http = httpx.AsyncClient(transport=httpx.MockTransport(handler), event_hooks=hooks)
        return ZohoClient("https://zoho.invalid", Tokens("token-1", "token-2"), http)

    return build


@pytest.fixture
def bulk_played_by() -> Callable[[Handler], BulkClient]:
    """Like `zoho_played_by`, for bulk writes."""

    def build(handler: Handler) -> BulkClient:
        http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
        return BulkClient("https://www.zohoapis.eu", Tokens("token-1", "token-2"), http)

    return build


@pytest.fixture
async def http(judged: Judged) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(event_hooks={"request": [judged.look_at]}) as client:
        yield client


@pytest.fixture
def org() -> str:
    """An organisation at the stand-in that no other test has."""
    return f"org{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def zoho(sandbox: str, http: httpx.AsyncClient, org: str) -> ZohoClient:
    """A client of an empty organisation at the stand-in; its first token is refused."""
    base = f"{sandbox}/zoho"
    asked = {
        "scope": "ZohoCRM.modules.ALL,ZohoCRM.settings.ALL,ZohoCRM.org.READ,ZohoCRM.users.READ",
        "client_id": "connector",
        "response_type": "code",
        "access_type": "offline",
        "redirect_uri": REDIRECT,
        "org": org,
        "decision": "accept",
    }
    consent = await http.post(f"{base}/oauth/v2/auth", data=asked)
    grant = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(consent.headers["Location"]).query)["code"][0],
        "client_id": "connector",
        "client_secret": "secret",
        "redirect_uri": REDIRECT,
    }
    answer = (await http.post(f"{base}/oauth/v2/token", data=grant)).json()
    return ZohoClient(answer["api_domain"], Tokens("expired", answer["access_token"]), http)
