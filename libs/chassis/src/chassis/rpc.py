"""RPC over NATS request/reply: typed on both sides, with the actor checked before the handler runs.

A handler is `async def handle(request, caller) -> reply`; it raises a `contracts.problems.Problem` to
refuse. Errors of ours become `Internal`, without their text. A caller that gets no answer in time raises
`Unavailable`, never hangs.

Whoever handles a request checks that the things it names belong to `caller.tenant`; the session for that
tenant sees no others.
"""

import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from prometheus_client import Histogram
from pydantic import ValidationError, create_model
from sqlalchemy.exc import SQLAlchemyError

from chassis.cause import Cause
from chassis.database import is_unreachable
from chassis.outbox import MAX_BODY_BYTES
from contracts.actor import Actor, Role
from contracts.ids import TenantId, Uuid, new_id
from contracts.problems import Forbidden, Internal, Invalid, Problem, Unavailable, problem_from
from contracts.rpc import Rpc, RpcCall, RpcModel, RpcReply

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Req = TypeVar("Req", bound=RpcModel)
Res = TypeVar("Res", bound=RpcModel)

CONCURRENCY = 64
"""Requests to one RPC that a process answers at the same time; without it a slow one blocks the others."""

_LATER = "Gleich noch einmal versuchen."
_RANK = {Role.USER: 0, Role.ADMIN: 1, Role.SYSTEM: 2}

serving_seconds = Histogram("rpc_serving_seconds", "Time to answer an RPC", ["rpc", "result"])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Handlers use `tenant` for their session and `cause` for what they tell."""

    actor: Actor
    cause: Cause

    @property
    def tenant(self) -> TenantId:
        return self.actor.tenant


def serve(
    broker: NatsBroker,
    rpc: Rpc[Req, Res],
    handle: Callable[[Req, Caller], Awaitable[Res]],
    *,
    reveal: Callable[[Res], dict[str, Any]] | None = None,
) -> None:
    """Answer `rpc` as one of its service's queue group. `reveal` dumps replies that carry a secret."""

    async def on_call(call: Any) -> bytes:
        started = time.perf_counter()
        reply = await _answer(rpc, handle, call, reveal)
        result = reply.problem.type if reply.problem else "ok"
        serving_seconds.labels(rpc.name, result).observe(time.perf_counter() - started)
        return _encoded(rpc, reply)

    async def raw_bytes(message: NatsMessage, original: Any = None) -> bytes:  # noqa: ARG001
        return message.body if isinstance(message.body, bytes) else bytes(message.body)  # pyright: ignore[reportUnknownArgumentType]

    on_call.__annotations__["call"] = _call_of(rpc.request)  # what the AsyncAPI document shows
    broker.subscriber(
        rpc.subject, queue=rpc.service.value, decoder=raw_bytes, title=rpc.subject, max_workers=CONCURRENCY
    )(on_call)


def _encoded(rpc: Rpc[Any, Any], reply: RpcReply) -> bytes:
    encoded = reply.model_dump_json(exclude_none=True).encode()
    if len(encoded) <= MAX_BODY_BYTES:
        return encoded
    log.error("rpc.reply_too_large", rpc=rpc.subject, bytes=len(encoded))
    problem = Internal(f"{rpc.subject}: the reply has {len(encoded)} bytes, at most {MAX_BODY_BYTES} travel")
    return RpcReply(problem=problem.details()).model_dump_json(exclude_none=True).encode()


async def _answer(
    rpc: Rpc[Req, Res],
    handle: Callable[[Req, Caller], Awaitable[Res]],
    raw: bytes,
    reveal: Callable[[Res], dict[str, Any]] | None,
) -> RpcReply:
    correlationid: Uuid | None = None
    try:
        try:
            call = RpcCall.model_validate_json(raw)
            correlationid = call.correlationid
            request = rpc.request.model_validate(call.body)
        except ValidationError as error:
            raise Invalid(f"{rpc.subject}: {_places(error)}") from error
        check_role(call.actor, rpc.role)
        cause = Cause.of_actor(call.actor, call.correlationid, call.causationid)
        with cause.bound(rpc=rpc.name):
            reply = await handle(request, Caller(call.actor, cause))
        return RpcReply(body=reveal(reply) if reveal else reply.model_dump(mode="json"))
    except Problem as problem:
        return RpcReply(problem=problem.details(correlationid))
    except SQLAlchemyError as error:
        log.exception("rpc.database_error", rpc=rpc.subject)
        kind = Unavailable if is_unreachable(error) else Internal
        return RpcReply(problem=kind(f"{rpc.subject}: the database did not take it").details(correlationid))
    except Exception:
        log.exception("rpc.failed", rpc=rpc.subject)
        return RpcReply(problem=Internal(f"{rpc.subject} failed; see the log").details(correlationid))


def check_role(actor: Actor, least: Role) -> None:
    """Raise Forbidden unless the actor's role is `least` or above it."""
    if _RANK[actor.role] < _RANK[least]:
        raise Forbidden(f"role {actor.role} may not do this; it takes {least}")


@functools.cache
def _call_of(body: type[RpcModel]) -> type[RpcCall]:
    """The envelope with this request in it."""
    return create_model(f"{body.__name__}Call", __base__=RpcCall, __doc__=body.__doc__, body=(body, ...))


@functools.cache
def _reply_of(body: type[RpcModel]) -> type[RpcReply]:
    """The envelope with this reply in it, so that an answer is read in one go."""
    fields: dict[str, Any] = {"body": (body | None, None)}
    return create_model(f"{body.__name__}Reply", __base__=RpcReply, **fields)


def _places(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:3])


class RpcClient:
    """Calls other services."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(
        self,
        rpc: Rpc[Req, Res],
        request: Req,
        *,
        actor: Actor,
        correlationid: Uuid | None = None,
        causationid: Uuid | None = None,
    ) -> Res:
        """The reply to `request`. Raises the Problem that the service answered, Unavailable if none came,
        or Invalid if the request is too large to travel."""
        call = RpcCall(
            actor=actor,
            correlationid=correlationid or new_id(),
            causationid=causationid,
            body=request.model_dump(mode="json"),
        )
        body = call.model_dump_json().encode()
        if len(body) > MAX_BODY_BYTES:
            raise Invalid(
                f"{rpc.subject}: the request has {len(body)} bytes, at most {MAX_BODY_BYTES} travel"
            )
        try:
            answer = await self._client.request(rpc.subject, body, timeout=rpc.timeout.total_seconds())
        except NoRespondersError as error:
            raise Unavailable(f"Der Dienst {rpc.service} läuft gerade nicht.", remedy=_LATER) from error
        except (NatsError, TimeoutError, OSError) as error:
            seconds = rpc.timeout.total_seconds()
            raise Unavailable(
                f"Der Dienst {rpc.service} hat {rpc.name} in {seconds:.0f} s nicht beantwortet.",
                remedy=_LATER,
            ) from error
        try:
            reply = _reply_of(rpc.reply).model_validate_json(answer.data)
            if reply.problem is None:
                return rpc.reply.model_validate(reply.body)  # read already; refused where there is none
        except ValidationError as error:
            raise Internal(
                f"{rpc.subject} answered what this release cannot read: {_places(error)}"
            ) from error
        raise problem_from(reply.problem)
