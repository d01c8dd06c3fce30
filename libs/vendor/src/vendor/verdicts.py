"""What an answer of an outside system means, as a value; the errors follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from vendor.errors import NotConnected, Rejected, Stale, Unavailable, VendorError


class Verdict(StrEnum):
    """What an answer means for us."""

    OK = "ok"
    TOKEN_REFUSED = "token_refused"  # noqa: S105  the name of a verdict
    UNAVAILABLE = "unavailable"
    STALE = "stale"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on an answer, with what the outside system said about it.

    The fields are those of ``vendor.errors.Rejected``.
    """

    verdict: Verdict
    code: str = ""
    words: str = field(default="", repr=False)
    json_path: str = ""
    api_name: str = ""
    duplicate_id: str = ""
    duplicate_module: str = ""

    def error(
        self, system: str, message: str, *, status: int | None, outcome_unknown: bool = False
    ) -> VendorError:
        """Return the error that this finding is; ValueError for a finding in order, which is none."""
        match self.verdict:
            case Verdict.UNAVAILABLE:
                return Unavailable(
                    system,
                    message,
                    status=status,
                    code=self.code,
                    words=self.words,
                    outcome_unknown=outcome_unknown,
                )
            case Verdict.STALE:
                return Stale(system, message, status=status, code=self.code, words=self.words)
            case Verdict.TOKEN_REFUSED:
                return NotConnected(system, message, status=status, code=self.code, words=self.words)
            case Verdict.REJECTED:
                return Rejected(
                    system,
                    message,
                    status=status,
                    code=self.code,
                    words=self.words,
                    json_path=self.json_path,
                    api_name=self.api_name,
                    duplicate_id=self.duplicate_id,
                    duplicate_module=self.duplicate_module,
                )
            case Verdict.OK:
                raise ValueError("A finding that is in order is no error.")
            case _:
                assert_never(self.verdict)
