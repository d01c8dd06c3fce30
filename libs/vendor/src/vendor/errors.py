"""What can go wrong with an outside system, in the kinds that a caller acts on.

::

    VendorError                 system, status, code, words
    ├── Unavailable             try again later, with a pause that grows     + outcome_unknown
    │   └── NotNow              we did not even ask: our own limits say when     + after
    ├── Stale                   the record changed meanwhile: read, merge and write again
    ├── Rejected                the request itself was refused: a person must look
    │                           + json_path, api_name, duplicate_id, duplicate_module
    └── NotConnected            the token is dead: stop this connection until it is connected again

Which answer is of which kind is decided once per system, in ``ameise.errors`` and ``zoho.errors``.

The text and the repr of an error are fit for logs: method, path with ids, status and code. What the outside
system said may quote personal values and stays in ``words``, which is for a person's eyes only.
"""

from __future__ import annotations

from datetime import timedelta


class VendorError(Exception):
    """An outside system did not do what it was asked.

    ``system`` is "ameise" or "zoho"; ``message`` is ours and holds no personal values; ``status`` is the HTTP
    status, None where no answer was read; ``code`` is the system's own error code or ""; ``words`` is what
    the system said, shortened, never for a log.
    """

    def __init__(
        self, system: str, message: str, *, status: int | None = None, code: str = "", words: str = ""
    ) -> None:
        super().__init__(message)
        self.system = system
        self.status = status
        self.code = code
        self.words = words


class Unavailable(VendorError):  # noqa: N818  named by what the caller does
    """The system cannot answer now, or its answer could not be read.

    ``outcome_unknown`` is True when a write was sent and nothing says whether it took place: no answer, an
    answer that cannot be read, or a 5xx, which may come after the work was done. Never repeat a write that is
    not idempotent after it; look first.
    """

    def __init__(
        self,
        system: str,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        words: str = "",
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(system, message, status=status, code=code, words=words)
        self.outcome_unknown = outcome_unknown


class NotNow(Unavailable):
    """A gate did not let the request pass; it was not sent, and may be tried again in ``after``."""

    def __init__(self, system: str, message: str, *, after: timedelta) -> None:
        super().__init__(system, message)
        self.after = after


class Stale(VendorError):  # noqa: N818  named by what the caller does
    """The record was changed by someone else since it was read."""


class Rejected(VendorError):  # noqa: N818  named by what the caller does
    """The system understood the request and refuses it; the same request will be refused again.

    Zoho says where the fault is: ``json_path`` ("$.data[0].Email"), ``api_name`` of the field, and for a
    duplicate the id and module of the record that is in the way. All are "" where unknown.
    """

    def __init__(
        self,
        system: str,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        words: str = "",
        json_path: str = "",
        api_name: str = "",
        duplicate_id: str = "",
        duplicate_module: str = "",
    ) -> None:
        super().__init__(system, message, status=status, code=code, words=words)
        self.json_path = json_path
        self.api_name = api_name
        self.duplicate_id = duplicate_id
        self.duplicate_module = duplicate_module


class NotConnected(VendorError):  # noqa: N818  named by what the caller does
    """The system refuses our token, a fresh one too: a person must connect again."""
