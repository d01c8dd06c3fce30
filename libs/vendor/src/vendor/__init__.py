"""What the clients of outside systems share: the kinds of error, the token source, one request, its gate."""

from vendor.errors import NotConnected, NotNow, Rejected, Stale, Unavailable, VendorError
from vendor.gate import OPEN, Gate, Passage, Standing
from vendor.text import path_id, shortened, visible_text
from vendor.tokens import TokenSource
from vendor.transport import DEFAULT_TIMEOUTS, Answer, Call, Timeouts, Transport
from vendor.verdicts import Finding, Verdict

__all__ = [
    "DEFAULT_TIMEOUTS",
    "OPEN",
    "Answer",
    "Call",
    "Finding",
    "Gate",
    "NotConnected",
    "NotNow",
    "Passage",
    "Rejected",
    "Stale",
    "Standing",
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
