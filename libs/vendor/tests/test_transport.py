"""One request: the token, the limits, and what is known when no answer comes."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from vendor import Answer, Call, NotConnected, Rejected, Stale, Timeouts, Transport, Unavailable
from vendor.transport import ANSWER_LIMIT_BYTES

READ = Call("GET", "/kunden/5001")
WRITE = Call("POST", "/kunden", body={"Person": {"Nachname": "Geheim"}}, write=True)

TransportTo = Callable[..., Transport]


def failing(error: type[httpx.RequestError]) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error(f"header {request.headers['Authorization']}", request=request)

    return handler


async def test_the_request_goes_to_the_path_below_the_base_with_the_token(transport_to: TransportTo) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"Id": "1"})

    answer = await transport_to(handler).send(Call("GET", "/kunden", params={"q": "a b"}))

    assert answer.json() == {"Id": "1"}
    assert str(seen[0].url) == "https://ameise.invalid/rest/kunden?q=a+b"
    assert seen[0].headers["Authorization"] == "Bearer token-1"


async def test_a_refused_token_is_exchanged_once_and_the_request_repeated(
    transport_to: TransportTo, tokens
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["Authorization"].endswith("token-2") else 401)

    answer = await transport_to(handler).send(WRITE)

    assert answer.status == 200
    assert tokens.stale == ["token-1"]


async def test_a_fresh_token_refused_too_means_not_connected(transport_to: TransportTo, tokens) -> None:
    calls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.headers["Authorization"])
        return httpx.Response(401)

    with pytest.raises(NotConnected):
        await transport_to(handler).send(READ)
    assert calls == ["Bearer token-1", "Bearer token-2"]
    assert tokens.stale == ["token-1"]


@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (412, Stale), (503, Unavailable)])
async def test_nothing_else_is_ever_repeated(
    transport_to: TransportTo, status: int, kind: type[Exception]
) -> None:
    calls: list[int] = []

    def handler(_: httpx.Request) -> httpx.Response:
        calls.append(status)
        return httpx.Response(status)

    with pytest.raises(kind):
        await transport_to(handler).send(READ)
    assert calls == [status]


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError]
)
async def test_no_answer_to_a_write_leaves_its_outcome_unknown(
    transport_to: TransportTo, error: type[httpx.RequestError]
) -> None:
    with pytest.raises(Unavailable) as caught:
        await transport_to(failing(error)).send(WRITE)
    assert caught.value.outcome_unknown
    assert caught.value.status is None


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_a_write_that_was_never_sent_did_not_happen(
    transport_to: TransportTo, error: type[httpx.RequestError]
) -> None:
    with pytest.raises(Unavailable) as caught:
        await transport_to(failing(error)).send(WRITE)
    assert not caught.value.outcome_unknown


async def test_no_answer_to_a_read_leaves_nothing_unknown(transport_to: TransportTo) -> None:
    with pytest.raises(Unavailable) as caught:
        await transport_to(failing(httpx.ReadTimeout)).send(READ)
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(("status", "unknown"), [(500, True), (502, True), (408, True), (429, False)])
async def test_a_5xx_may_come_after_the_work_was_done(
    transport_to: TransportTo, status: int, unknown: bool
) -> None:
    with pytest.raises(Unavailable) as caught:
        await transport_to(lambda _: httpx.Response(status)).send(WRITE)
    assert caught.value.outcome_unknown is unknown


async def test_an_answer_that_drips_for_ever_ends_at_the_total_limit(transport_to: TransportTo) -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

    transport = transport_to(lambda _: httpx.Response(200, stream=Dripping()), Timeouts(total=0.05))
    with pytest.raises(Unavailable, match="TimeoutError") as caught:
        await transport.send(WRITE)
    assert caught.value.outcome_unknown


async def test_an_answer_beyond_the_limit_is_not_read_to_its_end(transport_to: TransportTo) -> None:
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 2**20
                yield b" " * 2**20

    with pytest.raises(Unavailable):
        await transport_to(lambda _: httpx.Response(200, stream=Endless())).send(READ)
    assert read <= ANSWER_LIMIT_BYTES + 2 * 2**20


async def test_the_token_never_follows_a_redirect(transport_to: TransportTo) -> None:
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"Location": "https://elsewhere.invalid/login"})

    with pytest.raises(Unavailable):
        await transport_to(handler).send(READ)
    assert hosts == ["ameise.invalid"]


async def test_an_error_quotes_neither_token_nor_personal_values(transport_to: TransportTo) -> None:
    with pytest.raises(Unavailable) as caught:
        await transport_to(failing(httpx.LocalProtocolError)).send(WRITE)
    error = caught.value
    assert str(error) == "ameise did not answer POST /kunden (LocalProtocolError)"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "Geheim" not in repr(WRITE)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_is_none(body: bytes) -> None:
    assert Answer(200, body).json() is None
