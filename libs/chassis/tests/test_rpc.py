"""Typed on both sides; refusals arrive as problems, never as time-outs or foreign words."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nats.aio.client import Client
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis.broker import Broker
from chassis.rpc import Caller, RpcClient, check_role, serve
from contracts.actor import Actor, ActorKind, Role
from contracts.ids import TenantId, new_id
from contracts.names import Service
from contracts.problems import Conflict, Forbidden, Internal, Invalid, NotFound, Problem, Unavailable
from contracts.rpc import Rpc, RpcModel, RpcReply

BERLIN = TenantId("berlin")


class Question(RpcModel):
    number: int
    padding: str = ""


class Answer(RpcModel):
    text: str
    padding: str = ""


class Secret(RpcModel):
    token: SecretStr


ASK = Rpc(
    Service.SYNC, "ask", Question, Answer, callers=frozenset({Service.GATEWAY}), silent_because="a test"
)
CHANGE = replace(ASK, name="change", role=Role.ADMIN)


def actor(role: Role = Role.USER) -> Actor:
    return Actor(kind=ActorKind.USER, id="anna", tenant=BERLIN, role=role)


async def ask(client: Client, rpc: Rpc[Any, Any] = ASK, *, role: Role = Role.USER, **question: Any) -> Any:
    request = Question(**{"number": 1} | question)
    return await RpcClient(client).call(rpc, request, actor=actor(role))


def raising(error: Exception) -> Callable[[Question, Caller], Any]:
    async def handle(question: Question, caller: Caller) -> Answer:
        raise error

    return handle


async def test_a_reply_arrives_and_the_handler_knows_who_asked_and_why(
    broker: Broker, client: Client
) -> None:
    correlationid, callers = new_id(), []

    async def handle(question: Question, caller: Caller) -> Answer:
        callers.append(caller)
        return Answer(text=str(question.number + 1))

    serve(broker.faststream, ASK, handle)
    await broker.start_receiving()
    answer = await RpcClient(client).call(
        ASK, Question(number=1), actor=actor(), correlationid=correlationid, causationid=correlationid
    )
    assert answer == Answer(text="2")
    (caller,) = callers
    assert (caller.tenant, caller.actor) == (BERLIN, actor())
    assert (caller.cause.correlationid, caller.cause.causationid) == (correlationid, correlationid)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SYSTEM])
async def test_a_role_that_suffices_is_let_through(broker: Broker, client: Client, role: Role) -> None:
    async def handle(question: Question, caller: Caller) -> Answer:
        return Answer(text="done")

    serve(broker.faststream, CHANGE, handle)
    await broker.start_receiving()
    assert (await ask(client, CHANGE, role=role)).text == "done"


async def test_a_role_below_is_refused_before_the_handler_runs(broker: Broker, client: Client) -> None:
    serve(broker.faststream, CHANGE, raising(AssertionError("must not run")))
    await broker.start_receiving()
    with pytest.raises(Forbidden, match="it takes admin"):
        await ask(client, CHANGE, role=Role.USER)


def test_roles_are_ranked() -> None:
    check_role(actor(Role.SYSTEM), Role.USER)
    with pytest.raises(Forbidden):
        check_role(actor(Role.ADMIN), Role.SYSTEM)


@pytest.mark.parametrize("kind", [NotFound, Conflict, Unavailable])
async def test_a_problem_is_raised_at_the_caller_as_it_was_at_the_handler(
    broker: Broker, client: Client, kind: type[Problem]
) -> None:
    serve(broker.faststream, ASK, raising(kind("delivery 7", remedy="wait")))
    await broker.start_receiving()
    with pytest.raises(kind, match="delivery 7") as raised:
        await ask(client)
    assert raised.value.remedy == "wait"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("the password is 4711"), Internal),
        (IntegrityError("INSERT 4711", {}, Exception("4711")), Internal),
        (OperationalError("SELECT 4711", {}, Exception("4711")), Unavailable),
    ],
)
async def test_an_error_of_ours_arrives_without_its_text(
    broker: Broker, client: Client, error: Exception, kind: type[Problem]
) -> None:
    serve(broker.faststream, ASK, raising(error))
    await broker.start_receiving()
    with pytest.raises(kind) as raised:
        await ask(client)
    assert "4711" not in raised.value.detail


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff", b"[]", b"{}", b'{"actor": null}', b'{"body": {"number": "x"}}']
)
async def test_garbage_is_answered_as_invalid(broker: Broker, client: Client, garbage: bytes) -> None:
    serve(broker.faststream, ASK, raising(AssertionError("must not run")))
    await broker.start_receiving()
    message = await client.request(ASK.subject, garbage, timeout=5)
    reply = RpcReply.model_validate_json(message.data)
    assert reply.problem is not None
    assert reply.problem.type == "invalid"


async def test_a_wrong_field_is_named(broker: Broker, client: Client) -> None:
    wide = replace(ASK, request=RpcModel)

    class Wrong(RpcModel):
        number: str = "many"

    serve(broker.faststream, ASK, raising(AssertionError("must not run")))
    await broker.start_receiving()
    with pytest.raises(Invalid, match="number"):
        await RpcClient(client).call(wide, Wrong(), actor=actor())


async def test_a_service_that_is_not_there_is_unavailable_at_once(client: Client) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="sync läuft gerade nicht"):
        await ask(client)
    assert time.monotonic() - started < 1


async def test_a_service_that_does_not_answer_in_time_is_unavailable(broker: Broker, client: Client) -> None:
    async def handle(question: Question, caller: Caller) -> Answer:
        await asyncio.sleep(1)
        return Answer(text="too late")

    serve(broker.faststream, ASK, handle)
    await broker.start_receiving()
    with pytest.raises(Unavailable, match="ask in 0 s nicht beantwortet"):
        await ask(client, replace(ASK, timeout=timedelta(seconds=0.1)))


async def test_a_slow_request_does_not_hold_up_the_others(broker: Broker, client: Client) -> None:
    second_came = asyncio.Event()

    async def handle(question: Question, caller: Caller) -> Answer:
        if question.number == 2:
            second_came.set()
        await second_came.wait()
        return Answer(text=str(question.number))

    serve(broker.faststream, ASK, handle)
    await broker.start_receiving()
    answers = await asyncio.gather(ask(client, number=1), ask(client, number=2))
    assert [answer.text for answer in answers] == ["1", "2"]


async def test_what_is_too_large_to_travel_is_said_and_not_waited_for(broker: Broker, client: Client) -> None:
    async def handle(question: Question, caller: Caller) -> Answer:
        return Answer(text="", padding="x" * 2_000_000)

    serve(broker.faststream, ASK, handle)
    await broker.start_receiving()
    with pytest.raises(Internal, match="bytes"):
        await ask(client)
    with pytest.raises(Invalid, match="bytes"):
        await ask(client, padding="x" * 2_000_000)


async def test_a_reply_that_this_release_cannot_read_is_a_problem_too(broker: Broker, client: Client) -> None:
    async def handle(question: Question, caller: Caller) -> Answer:
        return Answer(text="")

    serve(broker.faststream, ASK, handle)
    await broker.start_receiving()
    with pytest.raises(Internal, match="cannot read"):
        await ask(client, replace(ASK, reply=Secret))


async def test_a_secret_travels_only_where_it_is_revealed(broker: Broker, client: Client) -> None:
    async def handle(question: Question, caller: Caller) -> Secret:
        return Secret(token=SecretStr("a-token"))

    hidden, shown = replace(ASK, name="hidden", reply=Secret), replace(ASK, name="shown", reply=Secret)
    serve(broker.faststream, hidden, handle)
    serve(broker.faststream, shown, handle, reveal=lambda s: {"token": s.token.get_secret_value()})
    await broker.start_receiving()
    assert (await ask(client, hidden)).token.get_secret_value() != "a-token"
    assert (await ask(client, shown)).token.get_secret_value() == "a-token"
