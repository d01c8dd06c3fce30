"""Composition root of the gateway."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chassis.health import Health
from chassis.process import Foundation, foundation
from gateway.application import create_application
from gateway.edge import Edge
from gateway.parts import Parts
from gateway.settings import Settings


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Foundation]:
    """The gateway while the block runs. Its port answers from the start, with 503 until all parts do."""
    parts = Parts.from_settings(settings)
    health = Health()
    http = Edge(create_application(parts, health), parts)
    own_port = settings.model_copy(update={"health_host": settings.host, "health_port": settings.port})
    async with foundation(own_port, http=http, health=health) as base:
        base.in_background(
            "refusals",
            parts.refusals.tell_for_ever(base.database, base.outbox, every=settings.refusals_interval),
        )
        await base.start()
        parts.foundation = base
        yield base
        parts.foundation = None
