"""Zoho's own SDK as a client that nobody here wrote: it refreshes, reads fields and upserts."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

REDIRECT = "http://connector.example/callback"


def _refresh_token(base: str) -> str:
    query = {
        "scope": "ZohoCRM.modules.ALL",
        "client_id": "connector",
        "response_type": "code",
        "access_type": "offline",
        "redirect_uri": REDIRECT,
    }
    consent = httpx.post(
        f"{base}/zoho/oauth/v2/auth", params=query, data={"org": "sdk", "decision": "accept"}
    )
    code = parse_qs(urlsplit(consent.headers["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "connector",
        "client_secret": "geheim",
        "redirect_uri": REDIRECT,
    }
    return httpx.post(f"{base}/zoho/oauth/v2/token", data=form).json()["refresh_token"]


def _initialize(base: str, refresh_token: str, folder: Path) -> None:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
    from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
    from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
    from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig

    zoho = f"{base}/zoho"
    Initializer.initialize(
        environment=DataCenter.Environment(zoho, f"{zoho}/oauth/v2/token", zoho),
        token=OAuthToken(
            client_id="connector", client_secret="geheim", refresh_token=refresh_token, find_user=False
        ),
        store=FileStore(str(folder / "tokens.csv")),
        sdk_config=SDKConfig(update_api_domain=False, read_timeout=10, connect_timeout=10),
        resource_path=str(folder),
    )


def _upsert(**values: Any) -> Any:
    from zohocrmsdk.src.com.zoho.crm.api.record import BodyWrapper, Record, RecordOperations

    record = Record()
    for name, value in values.items():
        record.add_key_value(name, value)
    body = BodyWrapper()
    body.set_data([record])
    body.set_duplicate_check_fields(["Kundennummer"])
    body.set_trigger([])
    return RecordOperations("Contacts").upsert_records(body)


def test_zohos_own_sdk_refreshes_and_upserts(running: str, tmp_path: Path) -> None:
    pytest.importorskip("zohocrmsdk")
    _initialize(running, _refresh_token(running), tmp_path)

    added = _upsert(Last_Name="Müller", First_Name="Anna", Kundennummer="5001234567")
    changed = _upsert(Last_Name="Müller-Groß", Kundennummer="5001234567")

    first, second = added.get_object().get_data()[0], changed.get_object().get_data()[0]
    assert first.get_action().get_value() == "insert"
    assert second.get_action().get_value() == "update"
    assert first.get_details()["id"] == second.get_details()["id"]
    journal = httpx.get(f"{running}/sandbox/journal", params={"vendor": "zoho"}).json()
    assert "/zoho/crm/v8/settings/fields" in [entry["path"] for entry in journal]
