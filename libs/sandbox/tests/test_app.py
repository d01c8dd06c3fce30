"""The whole: composition, restart."""

from collections.abc import Callable
from typing import Any

import httpx

from sandbox.app import create_app
from sandbox.settings import Settings


async def test_it_says_when_it_is_ready(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/ready")).status_code == 200


async def test_state_and_tokens_survive_a_restart(settings: Settings, zoho: Any, ameise: Any) -> None:
    created = await zoho.upsert("Contacts", {"Last_Name": "Groß", "Kundennummer": "5001000001"})
    id_ = created.json()["data"][0]["details"]["id"]

    again = create_app(settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(again), base_url="http://sandbox.test"
    ) as client:
        zoho.http = client
        ameise.http = client
        assert (await zoho.call("GET", f"Contacts/{id_}")).json()["data"][0]["Last_Name"] == "Groß"
        assert (await ameise.call("GET", "")).json()["Vermittler"] == "DEMO01"


async def test_orgs_are_worlds_of_their_own(zoho: Any, connect_zoho: Callable[..., Any]) -> None:
    await zoho.upsert("Contacts", {"Last_Name": "Groß", "Kundennummer": "5001000001"})

    other = await connect_zoho("andere")

    assert (await other.call("GET", "Contacts", params={"fields": "Last_Name"})).status_code == 204
