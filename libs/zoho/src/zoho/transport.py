"""How every request to Zoho travels, whatever the host, and what its answers have in common."""

from __future__ import annotations

from typing import Any, cast

import httpx

from vendor import Answer, Gate, Timeouts, TokenSource, Transport
from zoho.errors import assess


def transport_to(
    base_url: str, token: TokenSource, http: httpx.AsyncClient, *, timeouts: Timeouts, gate: Gate
) -> Transport:
    """Return the way to one of Zoho's hosts, for one organisation."""
    return Transport(
        system="zoho",
        base_url=base_url,
        auth_scheme="Zoho-oauthtoken",
        token=token,
        http=http,
        assess=assess,
        timeouts=timeouts,
        gate=gate,
    )


def object_under(answer: Answer, key: str) -> dict[str, Any]:
    """Return the JSON object under a key of the answer; empty if there is none."""
    parsed = answer.json()
    found = cast("dict[str, Any]", parsed).get(key) if isinstance(parsed, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
