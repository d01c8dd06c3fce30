"""An HTTP server inside the event loop: it ends at once when nobody is connected, and never in mid-answer."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chassis.serving import serving
from mvp_connector.ports import free_ports


async def test_it_ends_at_once_when_nobody_is_connected() -> None:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    for _ in range(5):  # the quickest counts: the machine may be busy
        async with serving(Starlette(), "127.0.0.1", free_ports(1)[0]):
            ends = loop.time()
        took.append(loop.time() - ends)
    assert min(took) < 0.1


async def test_a_request_in_hand_is_answered_before_it_ends() -> None:
    in_hand, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> PlainTextResponse:
        in_hand.set()
        await answer.wait()
        return PlainTextResponse("done")

    [port] = free_ports(1)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False) as http:
        async with serving(Starlette(routes=[Route("/", slow)]), "127.0.0.1", port):
            asked = asyncio.create_task(http.get("/"))
            await in_hand.wait()
            asyncio.get_running_loop().call_later(0.2, answer.set)  # while it is ending
        assert (await asked).text == "done"
        with pytest.raises(httpx.ConnectError):
            await http.get("/")
