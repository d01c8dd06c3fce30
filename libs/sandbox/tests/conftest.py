"""The sandbox as its users meet it: the whole application in memory, and real connections through consent."""

import base64
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sandbox.app import create_app
from sandbox.settings import Settings

REDIRECT = "http://connector.example/callback"
SCOPE = "ZohoCRM.modules.ALL,ZohoCRM.settings.ALL"
REST = "/ameise/service/bd/employee/1.0/rest"


@dataclass
class ZohoCaller:
    """A connected Zoho client of one org."""

    http: httpx.AsyncClient
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Zoho-oauthtoken {self.tokens['access_token']}"}

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {**self.headers, **arguments.pop("headers", {})}
        return await self.http.request(method, f"/zoho/crm/v8/{path}", headers=headers, **arguments)

    async def upsert(self, module: str, *records: dict[str, Any], **body: Any) -> httpx.Response:
        return await self.call("POST", f"{module}/upsert", json={"data": list(records), **body})

    async def refresh(self) -> httpx.Response:
        data = {
            "grant_type": "refresh_token",
            "refresh_token": self.tokens["refresh_token"],
            "client_id": "connector",
            "client_secret": "geheim",
        }
        return await self.http.post("/zoho/oauth/v2/token", data=data)


@dataclass
class AmeiseCaller:
    """A connected Ameise client of one Mitarbeiter."""

    http: httpx.AsyncClient
    mitarbeiter: str
    tokens: dict[str, Any]

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.rest(method, f"{self.mitarbeiter}/{path}", **arguments)

    async def rest(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return await self.http.request(method, f"{REST}/{path}", headers=headers, **arguments)

    async def token(self, **form: str) -> httpx.Response:
        basic = base64.b64encode(b"connector:geheim").decode()
        return await self.http.post(
            "/ameise/oauth2/token", data=form, headers={"Authorization": f"Basic {basic}"}
        )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "sandbox")


@pytest.fixture
def application(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def http(application: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the whole sandbox, in memory."""
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://sandbox.test"
        ) as client,
    ):
        yield client


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters that a redirect carries back."""
    assert response.status_code == 302, response.text
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()
    }


@pytest.fixture
def zoho_consent(http: httpx.AsyncClient) -> Callable[..., Any]:
    async def consent(org: str = "demo", **changes: str) -> dict[str, str]:
        query = {
            "scope": SCOPE,
            "client_id": "connector",
            "response_type": "code",
            "access_type": "offline",
            "redirect_uri": REDIRECT,
            "state": "s1",
        }
        form = {"org": org, "decision": "accept", **changes}
        return answer_of(await http.post("/zoho/oauth/v2/auth", params=query, data=form))

    return consent


@pytest.fixture
def connect_zoho(http: httpx.AsyncClient, zoho_consent: Callable[..., Any]) -> Callable[..., Any]:
    async def connect(org: str = "demo") -> ZohoCaller:
        form = {
            "grant_type": "authorization_code",
            "code": (await zoho_consent(org))["code"],
            "client_id": "connector",
            "client_secret": "geheim",
            "redirect_uri": REDIRECT,
        }
        return ZohoCaller(http, (await http.post("/zoho/oauth/v2/token", data=form)).json())

    return connect


@pytest.fixture
async def zoho(connect_zoho: Callable[..., Any]) -> ZohoCaller:
    return await connect_zoho()


@pytest.fixture
def connect_ameise(http: httpx.AsyncClient) -> Callable[..., Any]:
    async def connect(
        mitarbeiter: str = "DEMO01_1", scope: str = "ameise/mitarbeiterwebservice offline"
    ) -> AmeiseCaller:
        query = {
            "response_type": "code",
            "client_id": "connector",
            "redirect_uri": REDIRECT,
            "scope": scope,
            "state": "s1",
        }
        form = {"mitarbeiter": mitarbeiter, "decision": "accept"}
        answer = answer_of(await http.post("/ameise/oauth2/auth", params=query, data=form))
        caller = AmeiseCaller(http, mitarbeiter, {})
        response = await caller.token(
            grant_type="authorization_code", code=answer["code"], redirect_uri=REDIRECT
        )
        caller.tokens = response.json()
        return caller

    return connect


@pytest.fixture
async def ameise(connect_ameise: Callable[..., Any]) -> AmeiseCaller:
    return await connect_ameise()


@pytest.fixture
def running(application: FastAPI) -> Iterator[str]:
    """The sandbox behind a real port; the base URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
