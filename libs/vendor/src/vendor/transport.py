"""One request to an outside system: time limits, one fresh token, the answer judged, nothing leaked.

A client gives the transport an ``assess`` function that says what an answer means; the transport turns that
into one of the four errors. It never repeats a request, but for the one time after a fresh token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from vendor.errors import Unavailable
from vendor.gate import OPEN, Gate, Standing
from vendor.text import visible_text
from vendor.tokens import TokenSource
from vendor.verdicts import Finding, Verdict

ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
"""An answer larger than this is not read to its end: 200 records of Zoho stay well below it."""

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request, in seconds. ``read`` is the longest silence, ``total`` the whole exchange."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 120.0

    def as_httpx(self) -> httpx.Timeout:
        """Return the limits that httpx keeps; waiting for a free connection is limited like reading."""
        return httpx.Timeout(self.read, connect=self.connect)


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> object | None:
        """Return the parsed body; None if it is empty or no JSON (an HTML page, a cut answer)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # ValueError covers broken JSON and broken UTF-8
            return None


@dataclass(frozen=True, slots=True)
class Call:
    """One request: what is asked, and whether it changes something over there (``write``).

    ``file`` is sent as a form's field "file": its name and its bytes.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: object | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    write: bool = False
    file: tuple[str, bytes] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return what may stand in a log: parameters and body hold personal values."""
        return f"{self.method} {self.path}"


Assess = Callable[[Answer], Finding]
"""Says what an answer means. Pure."""


class Transport:
    """Sends the calls of one client over a connection pool that belongs to someone else."""

    def __init__(
        self,
        *,
        system: str,
        base_url: str,
        auth_scheme: str,
        token: TokenSource,
        http: httpx.AsyncClient,
        assess: Assess,
        timeouts: Timeouts,
        gate: Gate = OPEN,
    ) -> None:
        self.system = system
        self._base_url = base_url.rstrip("/")
        self._auth_scheme = auth_scheme
        self._token = token
        self._http = http
        self._assess = assess
        self._timeouts = timeouts
        self._gate = gate

    async def send(self, call: Call, *, assess: Assess | None = None) -> Answer:
        """Return the answer to the call if it is in order; ``assess`` judges this call's answer otherwise.

        A refused token is exchanged once for a fresh one. Raises Unavailable (NotNow too), Stale, Rejected
        or NotConnected, and whatever the token source raises.
        """
        assess = assess or self._assess
        token = await self._token.access_token()
        answer, finding = await self._pass(call, token, assess)
        if finding.verdict is Verdict.TOKEN_REFUSED:
            token = await self._token.access_token(stale=token)
            answer, finding = await self._pass(call, token, assess)
        if finding.verdict is Verdict.OK:
            return answer
        code = f" {finding.code}" if finding.code else ""
        raise finding.error(
            self.system,
            f"{self.system} answered {answer.status}{code} to {call}",
            status=answer.status,
            # A 5xx may come from a proxy in front, or after the work was done; only a 4xx says it was not.
            outcome_unknown=call.write and (answer.status >= 500 or answer.status == 408),
        )

    def unreadable(self, call: Call, answer: Answer, why: str = "") -> Unavailable:
        """Return the error for an answer that claims success but does not say what it should.

        ``why`` are words for a person; without, they are the visible text of the answer.
        """
        return Unavailable(
            self.system,
            f"{self.system} answered {answer.status} to {call}, but the answer cannot be read",
            status=answer.status,
            words=why or visible_text(answer.text),
            outcome_unknown=call.write,
        )

    async def _pass(self, call: Call, token: str, assess: Assess) -> tuple[Answer, Finding]:
        passage = await self._gate.admit(call)
        standing, headers = Standing.CUT_OFF, dict[str, str]()
        try:
            answer = await self._exchange(call, token)
            finding = assess(answer)
            standing, headers = standing_of(answer, finding), dict(answer.headers)
        except Unavailable:
            standing = Standing.FAILED
            raise
        finally:
            await passage.leave(standing, headers)
        return answer, finding

    async def _exchange(self, call: Call, token: str) -> Answer:
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._read(call, token)
        except (httpx.RequestError, TimeoutError) as error:
            reason = type(error).__name__
            sent = not isinstance(error, _NEVER_SENT)
        # Raised outside of the except: httpx's own error can quote a header, and so the token.
        raise Unavailable(
            self.system,
            f"{self.system} did not answer {call} ({reason})",
            outcome_unknown=call.write and sent,
        )

    async def _read(self, call: Call, token: str) -> Answer:
        request = self._http.build_request(
            call.method,
            f"{self._base_url}{call.path}",
            params=dict(call.params) or None,
            json=call.body,
            files={"file": call.file} if call.file is not None else None,
            headers={
                **call.headers,
                "Accept": "application/json",
                "Authorization": f"{self._auth_scheme} {token}",
            },
            timeout=self._timeouts.as_httpx(),
        )
        # No redirects: an API does not use them, a login page does, and the token must not travel on.
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_LIMIT_BYTES:
                    raise httpx.DecodingError("answer too large")
            return Answer(response.status_code, bytes(body), response.headers)
        finally:
            await response.aclose()


def standing_of(answer: Answer, finding: Finding) -> Standing:
    """Return how the system stands by this answer. A locked record is no broken system."""
    match finding.verdict:
        case Verdict.TOKEN_REFUSED:
            return Standing.TOKEN_REFUSED
        case Verdict.UNAVAILABLE if (
            answer.status == 429
            or "too many requests" in (finding.code.replace("_", " ") + finding.words).lower()
        ):
            return Standing.THROTTLED
        case Verdict.UNAVAILABLE if answer.status >= 500 or answer.status == 408:
            return Standing.FAILED
        case _:
            return Standing.ANSWERED
