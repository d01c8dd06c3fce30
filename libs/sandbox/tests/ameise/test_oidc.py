"""Ameise's OpenID Connect server."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import httpx

REDIRECT = "http://connector.example/callback"


async def test_discovery_names_all_endpoints(http: httpx.AsyncClient) -> None:
    found = (await http.get("/ameise/.well-known/openid-configuration")).json()

    assert found["issuer"] == "http://sandbox.test/ameise"
    assert found["token_endpoint"] == "http://sandbox.test/ameise/oauth2/token"


async def test_the_subject_is_the_mitarbeiter(http: httpx.AsyncClient, ameise: Any) -> None:
    headers = {"Authorization": f"Bearer {ameise.tokens['access_token']}"}

    assert (await http.get("/ameise/userinfo", headers=headers)).json()["sub"] == "DEMO01_1"


async def test_a_used_refresh_token_is_dead(ameise: Any) -> None:
    old = ameise.tokens["refresh_token"]
    renewed = (await ameise.token(grant_type="refresh_token", refresh_token=old)).json()

    again = await ameise.token(grant_type="refresh_token", refresh_token=old)

    assert renewed["refresh_token"] != old
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
    assert (
        await ameise.token(grant_type="refresh_token", refresh_token=renewed["refresh_token"])
    ).status_code == 200


async def test_a_refresh_token_needs_the_scope_offline(connect_ameise: Callable[..., Any]) -> None:
    caller = await connect_ameise(scope="ameise/mitarbeiterwebservice")

    assert "refresh_token" not in caller.tokens


async def test_the_lifetime_is_a_knob(http: httpx.AsyncClient, connect_ameise: Callable[..., Any]) -> None:
    await http.put("/sandbox/knobs", json={"ameise_access_token_seconds": 0})

    caller = await connect_ameise()

    assert caller.tokens["expires_in"] == 0
    assert (await caller.call("GET", "")).status_code == 401


async def test_an_unknown_scope_is_refused_at_the_door(http: httpx.AsyncClient) -> None:
    query = {
        "response_type": "code",
        "client_id": "c",
        "redirect_uri": REDIRECT,
        "scope": "ameise.stocks",
        "state": "s",
    }

    answer = await http.get("/ameise/oauth2/auth", params=query)

    assert httpx.URL(answer.headers["location"]).params["error"] == "invalid_scope"


async def test_pkce_is_checked(http: httpx.AsyncClient, ameise: Any) -> None:
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": "connector",
        "redirect_uri": REDIRECT,
        "scope": "offline",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }

    async def code() -> str:
        form = {"mitarbeiter": "DEMO01_1", "decision": "accept"}
        answer = await http.post("/ameise/oauth2/auth", params=query, data=form)
        return httpx.URL(answer.headers["location"]).params["code"]

    grant = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
    assert (await ameise.token(**grant, code=await code())).json() == {"error": "invalid_grant"}
    right = await ameise.token(**grant, code=await code(), code_verifier=verifier)
    assert "access_token" in right.json()


async def test_the_client_must_prove_itself_by_basic(http: httpx.AsyncClient, ameise: Any) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": ameise.tokens["refresh_token"]}

    answer = await http.post("/ameise/oauth2/token", data={**form, "client_id": "connector"})

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
