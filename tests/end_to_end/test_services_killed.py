"""`kill -9` of any one service during the demo: it comes back, and every step is still observed."""

import asyncio

import pytest

from mvp_connector import demo
from parts.stack import RunningStack

SMALL = demo.Size(kunden=150, vertraege=300, new=5, changed=8, gone=2)
KILL_AFTER_SECONDS = (2.0, 3.0, 4.0)
"""In the middle of the delivery and of the way to Zoho, and again after the service is back."""


@pytest.mark.parametrize("service", ["ingest", "sync", "auth", "gateway", "audit"])
async def test_the_demo_sees_every_step_although_a_service_is_killed(
    installation: RunningStack, service: str
) -> None:
    await installation.until_ready()
    playing = asyncio.create_task(demo.play(installation.stack, SMALL))
    for seconds in KILL_AFTER_SECONDS:
        await asyncio.wait([playing], timeout=seconds)
        if not playing.done():
            installation.kill(service)

    assert await playing
