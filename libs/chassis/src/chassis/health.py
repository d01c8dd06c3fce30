"""`/health/live`, `/health/ready` and `/metrics` of a process.

Live: the process can still do its work (its NATS connection is not closed for good). Ready: every part it
needs answers now; the body names those that do not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.deadline import within

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 2.0
"""A part that takes longer to answer is not ready."""


@dataclass(slots=True)
class Health:
    """The state that the three routes show. A check raises when its part does not answer."""

    checks: dict[str, Check] = field(default_factory=dict[str, Check])
    starting: str | None = "starting"
    fatal: str | None = None

    def started(self) -> None:
        self.starting = None

    async def problems(self) -> dict[str, str]:
        """Part → what is wrong with it; empty when ready."""
        if self.fatal or self.starting:
            return {"process": self.fatal or self.starting or ""}
        wrong = await asyncio.gather(*(_what_is_wrong(check) for check in self.checks.values()))
        return {name: words for name, words in zip(self.checks, wrong, strict=True) if words}

    def routes(self) -> list[Route]:
        """Starlette routes, to be mounted in a service's own application too."""

        async def live(request: Request) -> Response:  # noqa: ARG001
            return JSONResponse({"live": not self.fatal}, status_code=503 if self.fatal else 200)

        async def ready(request: Request) -> Response:  # noqa: ARG001
            problems = await self.problems()
            return JSONResponse(
                {"ready": not problems, "problems": problems}, status_code=503 if problems else 200
            )

        async def metrics(request: Request) -> Response:  # noqa: ARG001
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

        return [Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)]


async def _what_is_wrong(check: Check) -> str | None:
    try:
        await within(CHECK_SECONDS, check())
    except Exception as error:  # noqa: BLE001 (a check may fail in any way; the answer names it)
        return type(error).__name__
    return None
