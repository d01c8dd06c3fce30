"""Planned faults: matching calls are slowed, refused, garbled, or answered long after their write."""

import asyncio
import itertools
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.journal import vendor_of

Kind = Literal["latency", "status", "timeout_after_write", "garbage", "html"]


class FaultPlan(BaseModel):
    """Which calls go wrong, how, and how often."""

    model_config = ConfigDict(extra="forbid")

    vendor: Literal["zoho", "ameise", "blaudirekt"] | None = None
    method: str | None = None
    path_pattern: str = ""
    """Regular expression, searched in the path from the vendor's prefix on (`/zoho/crm/v8/...`)."""
    kind: Kind
    status: int = 500
    """For `status` and `html`."""
    body: Any = None
    """For `status`: JSON as it stands, or a text."""
    seconds: Annotated[float, Field(ge=0)] = 0
    """For `latency` before the call is served; for `timeout_after_write` between the write and the answer."""
    times: Annotated[int, Field(ge=1)] | None = None
    """How many calls; None until it is cleared."""

    @field_validator("path_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value


class Fault:
    """A plan and what is left of it."""

    def __init__(self, id_: int, plan: FaultPlan) -> None:
        self.id = id_
        self.plan = plan
        self.left = plan.times
        self._pattern = re.compile(plan.path_pattern)

    def matches(self, vendor: str, method: str, path: str) -> bool:
        """Whether the call is meant."""
        plan = self.plan
        return (
            plan.vendor in (None, vendor)
            and (plan.method is None or plan.method.upper() == method)
            and self._pattern.search(path) is not None
        )

    def as_json(self) -> dict[str, Any]:
        """The plan with its id and the calls left."""
        return {"id": self.id, **self.plan.model_dump(), "left": self.left}


class FaultBoard:
    """The faults in force, first match wins. Held in memory: a restart is a world without faults."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, plan: FaultPlan) -> Fault:
        """Put a fault in force."""
        fault = Fault(next(self._ids), plan)
        self._faults.append(fault)
        return fault

    def clear(self, id_: int | None = None) -> None:
        """End one fault, or all."""
        self._faults = [] if id_ is None else [fault for fault in self._faults if fault.id != id_]

    def list(self) -> list[dict[str, Any]]:
        """The faults in force."""
        return [fault.as_json() for fault in self._faults]

    def take(self, vendor: str, method: str, path: str) -> FaultPlan | None:
        """The fault that this call meets, using it up by one."""
        for fault in self._faults:
            if fault.matches(vendor, method, path):
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left == 0:
                        self._faults.remove(fault)
                return fault.plan
        return None


def html_error(status: int) -> Response:
    """The kind of page a Java or PHP server shows when nobody caught the error."""
    page = (
        "<!DOCTYPE html><html><head><title>Error</title></head>"
        f"<body><h1>HTTP Status {status}</h1><p>The server could not process the request.</p></body></html>"
    )
    return HTMLResponse(page, status_code=status)


class FaultMiddleware:
    """Lets planned faults happen between the network and the stand-ins."""

    def __init__(self, app: ASGIApp, board: FaultBoard) -> None:
        self._app = app
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vendor = vendor_of(scope["path"]) if scope["type"] == "http" else None
        plan = None if vendor is None else self._board.take(vendor, scope["method"], scope["path"])
        if plan is None:
            await self._app(scope, receive, send)
        elif plan.kind == "latency":
            await asyncio.sleep(plan.seconds)
            await self._app(scope, receive, send)
        elif plan.kind == "timeout_after_write":
            await self._answer_late(plan.seconds, scope, receive, send)
        else:
            await _answer(plan)(scope, receive, send)

    async def _answer_late(self, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        await asyncio.sleep(seconds)
        for message in held:
            await send(message)


def _answer(plan: FaultPlan) -> Response:
    if plan.kind == "html":
        return html_error(plan.status)
    if plan.kind == "garbage":
        return Response(b'{"data":[{"id":"\xff\xfe<<', media_type="application/json")
    if plan.body is None or isinstance(plan.body, str):
        return Response(plan.body or "", status_code=plan.status, media_type="text/plain")
    return JSONResponse(plan.body, status_code=plan.status)
