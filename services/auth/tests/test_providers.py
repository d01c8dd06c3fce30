"""What is special about each OAuth2 server, without a network."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from auth.ameise_login import AmeiseLogin
from auth.providers import Registration, UnknownServer, error_code, reason_of
from auth.zoho_accounts import ACCOUNTS_SERVERS, ZohoAccounts

REGISTRATION = Registration("client-7", SecretStr("geheim"), "a b", "https://makler.example/oauth/callback")
ZOHO = ZohoAccounts(REGISTRATION, "https://accounts.zoho.eu/")
AMEISE = AmeiseLogin(REGISTRATION, "https://auth.dionera.com")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_ameise_is_asked_with_a_code_challenge() -> None:
    url = AMEISE.authorize_url("zustand", "v" * 64)
    query = query_of(url)
    assert url.startswith("https://auth.dionera.com/oauth2/auth?")
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] != "v" * 64
    assert (query["state"], query["scope"], query["client_id"]) == ("zustand", "a b", "client-7")


def test_zoho_is_asked_for_offline_access_and_consent_each_time() -> None:
    query = query_of(ZOHO.authorize_url("zustand", None))
    assert (query["access_type"], query["prompt"], query["response_type"]) == ("offline", "consent", "code")
    assert "code_challenge" not in query


@pytest.mark.parametrize("server", [None, "https://accounts.zoho.eu", "https://accounts.zoho.eu/"])
def test_the_configured_accounts_server_is_the_default(server: str | None) -> None:
    assert ZOHO.token_url(server) == "https://accounts.zoho.eu/oauth/v2/token"
    assert ZOHO.server_to_keep(server) is None


@pytest.mark.parametrize("server", sorted(ACCOUNTS_SERVERS - {"https://accounts.zoho.eu"}))
def test_every_data_centre_of_zoho_is_known(server: str) -> None:
    assert ZOHO.token_url(server) == f"{server}/oauth/v2/token"
    assert ZOHO.server_to_keep(server) == server


@pytest.mark.parametrize(
    "server",
    [
        "https://accounts.zoho.eu.example.com",
        "https://accounts.zoho.eu@example.com",
        "http://accounts.zoho.eu",
        "https://accounts.zoho.eu:444",
        "https://accounts.zoho.eu/x",
        "https://ACCOUNTS.zoho.eu.",
        "//accounts.zoho.eu",
        "http://127.0.0.1:8222",
        "file:///etc/passwd",
    ],
)
def test_our_secret_goes_to_no_other_server(server: str) -> None:
    with pytest.raises(UnknownServer):
        ZOHO.token_url(server)


def test_a_registration_without_secret_is_none() -> None:
    assert ZOHO.is_set_up
    assert not ZohoAccounts(Registration("id", SecretStr(""), "", ""), "https://accounts.zoho.eu").is_set_up


def test_odd_error_codes_stay_out_of_logs() -> None:
    assert error_code("Access Denied") == "Access Denied"
    assert error_code("<b>Anna Müller</b>") == "unknown_error"
    assert error_code(None) == "unknown_error"
    assert error_code("x" * 5000) == "unknown_error"


def test_reasons_never_quote_an_error() -> None:
    request = httpx.Request("POST", "https://x/?code=geheim")
    for error in (
        httpx.ReadTimeout("geheim"),
        httpx.ConnectError("geheim"),
        ValueError("geheim"),
        httpx.HTTPStatusError("geheim", request=request, response=httpx.Response(503, request=request)),
    ):
        assert "geheim" not in reason_of(error)


def test_the_secret_is_not_shown() -> None:
    assert "geheim" not in repr(ZOHO)
    assert "geheim" not in repr(AMEISE)
