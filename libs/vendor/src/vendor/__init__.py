"""What the clients of outside systems share: four kinds of error, the token source, one request."""

from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError
from vendor.text import path_id, shortened, visible_text
from vendor.tokens import TokenSource
from vendor.transport import DEFAULT_TIMEOUTS, Answer, Call, Timeouts, Transport
from vendor.verdicts import Finding, Verdict

__all__ = [
    "DEFAULT_TIMEOUTS",
    "Answer",
    "Call",
    "Finding",
    "NotConnected",
    "Rejected",
    "Stale",
    "Timeouts",
    "TokenSource",
    "Transport",
    "Unavailable",
    "VendorError",
    "Verdict",
    "path_id",
    "shortened",
    "visible_text",
]
