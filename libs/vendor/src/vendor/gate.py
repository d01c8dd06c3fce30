"""What stands before every request to an outside system: somebody who may say "not now".

Clients know nothing of limits, credits and breakers; whoever builds a client gives it a gate that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vendor.transport import Call


class Standing(StrEnum):
    """How the outside system stood when a request was over."""

    ANSWERED = "answered"
    """It works, whatever it said about this request."""
    TOKEN_REFUSED = "token_refused"  # noqa: S105  the name of a standing
    THROTTLED = "throttled"
    """It asks us to slow down."""
    FAILED = "failed"
    """No answer, or one that says that it is broken."""
    CUT_OFF = "cut_off"
    """We gave up ourselves; nothing is known."""


class Passage(Protocol):
    """The right to send one request."""

    async def leave(self, standing: Standing, headers: Mapping[str, str]) -> None:
        """Say that the request is over. Never raises: the answer matters more."""
        ...


class Gate(Protocol):
    """Lets requests pass one by one."""

    async def admit(self, call: Call) -> Passage:
        """Wait for a place. Raises NotNow if the request must not be sent now."""
        ...


class _Open:
    async def admit(self, call: Call) -> Passage:  # noqa: ARG002
        return self

    async def leave(self, standing: Standing, headers: Mapping[str, str]) -> None:
        """Nobody counts."""


OPEN: Gate = _Open()
"""Lets everything pass."""
