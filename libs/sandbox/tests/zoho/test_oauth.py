"""Zoho's accounts server with its oddities."""

from collections.abc import Callable
from typing import Any

import httpx

REDIRECT = "http://connector.example/callback"
QUERY = {
    "scope": "ZohoCRM.modules.ALL",
    "client_id": "connector",
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "state": "s1",
}


def exchange_form(code: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "connector",
        "client_secret": "geheim",
        "redirect_uri": REDIRECT,
        **changes,
    }


async def test_consent_page_asks_for_the_org(http: httpx.AsyncClient) -> None:
    page = await http.get("/zoho/oauth/v2/auth", params=QUERY)

    assert page.status_code == 200
    assert 'name="org"' in page.text
    assert 'name="state" value="s1"' in page.text


async def test_consent_names_location_and_accounts_server(zoho_consent: Callable[..., Any]) -> None:
    answer = await zoho_consent()

    assert answer["state"] == "s1"
    assert answer["location"] == "eu"
    assert answer["accounts-server"] == "http://sandbox.test/zoho"


async def test_refusal_comes_back_as_access_denied(zoho_consent: Callable[..., Any]) -> None:
    assert await zoho_consent(decision="reject") == {"error": "access_denied", "state": "s1"}


async def test_tokens_name_the_api_domain(zoho: Any) -> None:
    assert zoho.tokens["api_domain"] == "http://sandbox.test/zoho"
    assert zoho.tokens["token_type"] == "Bearer"
    assert zoho.tokens["expires_in"] == 3600


async def test_a_code_works_once_and_its_error_comes_with_200(
    http: httpx.AsyncClient, zoho_consent: Callable[..., Any]
) -> None:
    form = exchange_form((await zoho_consent())["code"])
    assert "access_token" in (await http.post("/zoho/oauth/v2/token", data=form)).json()

    again = await http.post("/zoho/oauth/v2/token", data=form)

    assert (again.status_code, again.json()) == (200, {"error": "invalid_code"})


async def test_an_old_code_is_invalid(http: httpx.AsyncClient, zoho_consent: Callable[..., Any]) -> None:
    await http.put("/sandbox/knobs", json={"zoho_code_seconds": 0})

    answer = await http.post("/zoho/oauth/v2/token", data=exchange_form((await zoho_consent())["code"]))

    assert answer.json() == {"error": "invalid_code"}


async def test_the_token_endpoint_takes_a_query_as_well(
    http: httpx.AsyncClient, zoho_consent: Callable[..., Any]
) -> None:
    answer = await http.post("/zoho/oauth/v2/token", params=exchange_form((await zoho_consent())["code"]))

    assert "refresh_token" in answer.json()


async def test_another_secret_is_an_invalid_client(
    http: httpx.AsyncClient, zoho: Any, zoho_consent: Callable[..., Any]
) -> None:
    form = exchange_form((await zoho_consent())["code"], client_secret="anders")

    assert (await http.post("/zoho/oauth/v2/token", data=form)).json() == {"error": "invalid_client"}


async def test_without_offline_access_there_is_no_refresh_token(http: httpx.AsyncClient) -> None:
    consent = await http.post("/zoho/oauth/v2/auth", params=QUERY, data={"org": "demo", "decision": "accept"})
    code = httpx.URL(consent.headers["location"]).params["code"]

    tokens = (await http.post("/zoho/oauth/v2/token", data=exchange_form(code))).json()

    assert "access_token" in tokens
    assert "refresh_token" not in tokens


async def test_a_refresh_brings_no_new_refresh_token(zoho: Any) -> None:
    answer = (await zoho.refresh()).json()

    assert answer["access_token"] != zoho.tokens["access_token"]
    assert "refresh_token" not in answer


async def test_the_eleventh_access_token_in_ten_minutes_is_refused_with_400(zoho: Any) -> None:
    for _ in range(9):
        assert (await zoho.refresh()).status_code == 200

    answer = await zoho.refresh()

    assert answer.status_code == 400
    assert answer.json()["error"] == "Access Denied"
    assert "too many requests continuously" in answer.json()["error_description"]


async def test_the_sixteenth_living_token_kills_the_oldest(http: httpx.AsyncClient, zoho: Any) -> None:
    await http.put("/sandbox/knobs", json={"zoho_tokens_per_ten_minutes": 100})
    for _ in range(14):
        await zoho.refresh()
    assert (await zoho.call("GET", "org")).status_code == 200

    await zoho.refresh()

    assert (await zoho.call("GET", "org")).status_code == 401


async def test_revoking_the_refresh_token_kills_its_access_tokens(http: httpx.AsyncClient, zoho: Any) -> None:
    params = {"token": zoho.tokens["refresh_token"]}

    assert (await http.post("/zoho/oauth/v2/token/revoke", params=params)).json() == {"status": "success"}

    assert (await zoho.call("GET", "org")).status_code == 401
    assert (await zoho.refresh()).json() == {"error": "invalid_code"}
    assert (await http.post("/zoho/oauth/v2/token/revoke", params=params)).status_code == 400


async def test_a_wrong_token_is_answered_in_zohos_words(http: httpx.AsyncClient) -> None:
    answer = await http.get("/zoho/crm/v8/org", headers={"Authorization": "Zoho-oauthtoken falsch"})

    assert answer.status_code == 401
    assert answer.json() == {
        "code": "INVALID_TOKEN",
        "details": {},
        "message": "invalid oauth token",
        "status": "error",
    }
