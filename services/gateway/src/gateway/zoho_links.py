"""Where people see a record in Zoho CRM. Pure."""

import re

from contracts.rpc.auth import Connection

_API = re.compile(r"https://(www|sandbox)\.zohoapis\.(com|eu|in|com\.au|jp|com\.cn|ca|sa|uk)/?")
_WEB = {"www": "crm", "sandbox": "crmsandbox"}
_STANDARD = frozenset({"Leads", "Contacts", "Accounts"})
"""Modules whose address is their name; modules of one's own have a number there, which we do not know."""


def record_link(connection: Connection | None, module: str, zoho_id: str) -> str | None:
    """The address of a record; None if it cannot be told."""
    if connection is None or not connection.account or module not in _STANDARD:
        return None
    api = _API.fullmatch(connection.api_url or "")
    if api is None:
        return None
    host, centre = api.groups()
    domain = "zohocloud.ca" if centre == "ca" else f"zoho.{centre}"
    return f"https://{_WEB[host]}.{domain}/crm/org{connection.account}/tab/{module}/{zoho_id}"
