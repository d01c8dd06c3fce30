"""The outermost layer: what happens to every request before and after the application sees it.

In: a correlation id, the rate limit per address, the size limit (by Content-Length before anything is
read, and while a streamed body comes in; an upload has its own). Out: security headers, and everything
refused is counted.
"""

import asyncio
import contextlib
import re
import time

import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.ids import new_id
from contracts.problems import Problem
from gateway.parts import Parts
from gateway.problems import TooLarge, TooManyRequests, answer_to
from gateway.refusals import reason_of
from gateway.rendering import number

DISCARDING_SECONDS = 5.0
"""How long we go on reading a body that is too large, so that its sender can read our answer."""

_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HTTPS_HEADER = {"Strict-Transport-Security": "max-age=31536000"}
UPLOAD_PATH = re.compile(r"/(api|teams)/[^/]+/dailyup/upload")
"""Its body may have `max_upload_bytes`: the route streams it."""
_LONG_FORM_PATH = re.compile(r"/teams/[^/]+/(pipelines/[0-9]{1,9}/(edit|values/[^/]+)|format/try)")
"""Its body may have `max_form_bytes`: a mapping with its value lists, the values of one list, or a sample
file."""
_UNLIMITED_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})

request_seconds = Histogram(
    "http_request_seconds",
    "Time to answer a request",
    ["route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)


class Edge:
    """ASGI middleware around the whole application, its error handlers included."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        self._headers = _SECURITY_HEADERS | (_HTTPS_HEADER if parts.settings.is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlationid = new_id()
        scope.setdefault("state", {})["correlationid"] = correlationid
        send = self._finishing(scope, send)
        with structlog.contextvars.bound_contextvars(correlationid=str(correlationid)):
            try:
                await self._admit(scope, receive)
            except Problem as problem:
                await answer_to(Request(scope), problem)(scope, receive, send)
            else:
                await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = self._limited(receive, self._most_bytes(scope))
        if _is_upload(scope):
            send, limited = self._heard_out(limited, send)
        await self._app(scope, limited, send)

    def _heard_out(self, receive: Receive, send: Send) -> tuple[Send, Receive]:
        """An answer goes out after its request has come in: an upload may be refused before it was read."""
        more = True

        async def noting() -> Message:
            nonlocal more
            try:
                message = await receive()
            except HTTPException:  # too large, and discarded already
                more = False
                raise
            more = bool(message.get("more_body"))
            return message

        async def sending(message: Message) -> None:
            nonlocal more
            if more and message["type"] == "http.response.start":
                more = False
                await self._discard(receive)
            await send(message)

        return sending, noting

    async def _admit(self, scope: Scope, receive: Receive) -> None:
        """Raise the problem for which the request goes no further."""
        if scope["path"] in _UNLIMITED_PATHS:
            return
        if wait := self._parts.addresses.wait_seconds(_address(scope) or "", time.monotonic()):
            raise TooManyRequests("Zu viele Anfragen von dieser Adresse.", seconds=wait)
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > self._most_bytes(scope):
            await self._discard(receive)
            raise TooLarge(_too_large(self._most_bytes(scope)))

    def _most_bytes(self, scope: Scope) -> int:
        settings = self._parts.settings
        if _is_upload(scope):
            return settings.max_upload_bytes
        is_long = _LONG_FORM_PATH.fullmatch(scope["path"]) is not None
        return settings.max_form_bytes if is_long else settings.max_body_bytes

    def _limited(self, receive: Receive, most: int) -> Receive:
        """`receive` that ends with a 413 when more comes than is allowed."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                if message.get("more_body"):
                    await self._discard(receive)
                # Starlette's kind of error: FastAPI turns any other one, raised while it reads, into a 400.
                raise HTTPException(413, _too_large(most))
            return message

        return limited

    async def _discard(self, receive: Receive) -> None:
        """A client that is still sending when we close sees a broken connection instead of our answer."""
        left = self._parts.settings.max_discarded_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARDING_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return

    def _finishing(self, scope: Scope, send: Send) -> Send:
        started = time.perf_counter()

        async def finishing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Correlation-Id"] = scope["state"]["correlationid"]
                self._note(scope, message["status"], time.perf_counter() - started)
            await send(message)

        return finishing

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        request_seconds.labels(route, status).observe(seconds)
        if not 400 <= status < 500 or scope["state"].get("signed_in"):
            return
        address = _address(scope)
        self._parts.refusals.count(reason_of(status), address)
        if status != 429:
            cost = self._parts.settings.refused_request_cost - 1
            self._parts.addresses.charge(address or "", time.monotonic(), cost)


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and UPLOAD_PATH.fullmatch(scope["path"]) is not None


def _too_large(most: int) -> str:
    return f"Höchstens {number(most)} Bytes sind erlaubt."


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None
