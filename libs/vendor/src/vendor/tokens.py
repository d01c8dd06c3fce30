"""Where a client gets its access token from."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """Gives the access token of one connection; knows how to get a fresh one."""

    async def access_token(self, *, stale: str | None = None) -> str:
        """Return a usable token; if ``stale`` is given, another one than that, which was just refused.

        Raises NotConnected if a person must connect again, Unavailable if there is no token just now.
        """
        ...
